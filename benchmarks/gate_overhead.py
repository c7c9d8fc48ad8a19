"""What the plugin adds to an empty pytest session: start-up with and without it, alternating, in one run.

python benchmarks/gate_overhead.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def session(folder: Path, *arguments: str) -> float:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, str(folder)]
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, cwd=folder, check=False)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_nothing.py").write_text("def test_nothing(): pass\n")
        with_plugin, without = [], []
        for _ in range(options.rounds + 1):
            without.append(session(folder, "-p", "no:tokenprof"))
            with_plugin.append(session(folder))
    pairs = [a - b for a, b in zip(with_plugin[1:], without[1:], strict=True)]
    before, after = statistics.median(without[1:]), statistics.median(with_plugin[1:])
    print(
        f"without {before * 1e3:.0f} ms, with {after * 1e3:.0f} ms; "
        f"difference of pairs: median {statistics.median(pairs) * 1e3:+.1f} ms, ratio {after / before:.3f}"
    )


if __name__ == "__main__":
    main()

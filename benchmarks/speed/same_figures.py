"""Whether two checkouts print the same report: every figure of its JSON, compared one by one.

    python benchmarks/speed/same_figures.py OTHER_CHECKOUT FILE_OR_FOLDER…

Reports each path with both and prints where they differ first. Figures of compute may differ in their last
digits, since sums of floats depend on their order; billed figures and tokens may not.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

HERE = Path(__file__).parents[2]
SHOWN = 5
RELATIVE = 1e-9


def report(checkout: Path, path: Path) -> Any:
    """Return the JSON report of a path, made by a checkout."""
    done = subprocess.run(
        [sys.executable, "-m", "tokenprof", "report", str(path.resolve()), "--format", "json"],
        cwd=checkout,
        capture_output=True,
    )
    return orjson.loads(done.stdout) if done.stdout else done.stderr.decode()


def differences(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """Yield each place where two reports differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in ours.keys() | theirs.keys():
            yield from differences(ours.get(key), theirs.get(key), f"{place}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, f"{place}[{number}]")
    elif ours != theirs and not ("hardware" in place and _close(ours, theirs)):
        yield f"{place}: {str(theirs)[:90]} there, {str(ours)[:90]} here"


def _close(ours: Any, theirs: Any) -> bool:
    try:
        return math.isclose(float(ours), float(theirs), rel_tol=RELATIVE)
    except (TypeError, ValueError):
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("paths", type=Path, nargs="+")
    options = parser.parse_args()
    same = 0
    for path in options.paths:
        found = list(differences(report(HERE, path), report(options.other, path)))
        same += not found
        print(f"{path}: {'the same' if not found else f'{len(found)} differences'}")
        for line in found[:SHOWN]:
            print(f"  {line}")
    print(f"{same} of {len(options.paths)} the same")
    raise SystemExit(same != len(options.paths))


if __name__ == "__main__":
    main()

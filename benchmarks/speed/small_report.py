"""What `tokenprof report` of a small recording takes: the first time, and once its results are remembered.

    python benchmarks/speed/small_report.py [RECORDING] [--repeats 9]

Each report is a process of its own, with bytecode. Those that remember nothing, the first and the second take
turns. CPU time says more than the clock on a machine that others share.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "benchmarks" / "results" / "small_report.json"
RECORDING = ROOT / "tests" / "data" / "release_0_1" / "run.jsonl"


def one_report(recording: Path, environ: dict[str, str]) -> tuple[float, float]:
    """Return the CPU time and the wall time of one report [s]."""
    before, began = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "tokenprof", "report", str(recording)]
    subprocess.run(command, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    wall_s, after = time.perf_counter() - began, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return used, wall_s


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recording", type=Path, nargs="?", default=RECORDING)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    taken: dict[str, list[tuple[float, float]]] = {"remembers nothing": [], "first": [], "second": []}
    one_report(options.recording, {**environ, "TOKENPROF_CACHE": "off"})
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory() as folder:
            remembering = {**environ, "TOKENPROF_CACHE": "on", "XDG_CACHE_HOME": folder}
            off = {**environ, "TOKENPROF_CACHE": "off"}
            for name, given in zip(taken, (off, remembering, remembering), strict=True):
                taken[name].append(one_report(options.recording, given))
    figures = {
        name: {
            "cpu_s": statistics.median(cpu for cpu, _ in runs),
            "least_cpu_s": min(cpu for cpu, _ in runs),
            "wall_s": statistics.median(wall for _, wall in runs),
        }
        for name, runs in taken.items()
    }
    for name, found in figures.items():
        cpu, least, wall = found.values()
        print(f"{name:20} {cpu:.2f} s of CPU (least {least:.2f}), {wall:.2f} s by the clock")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    result = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "repeats": options.repeats}
    RESULT.write_text(json.dumps({**result, "figures": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()

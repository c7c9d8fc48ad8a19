"""Time and memory of a report against the length of a run: one Claude Code session of more and more turns.

    python benchmarks/long_runs.py [--turns 125,250,500,1000,2000,4000,8000,16000] [--format text]

Each session is made by `session_corpus.py` and reported in a process of its own. The exponent compares the
longest run with one of a quarter of its turns: 1 is proportional to the turns, 2 to their square. Seconds are
those of the processor, so that other programs on the machine count less. Results are added to
`benchmarks/results/long_runs.json` by the longest run, with the machine and the date.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from session_corpus import long_session

RESULTS = Path(__file__).parent / "results" / "long_runs.json"

REPORT = """
import sys, time
import tokenprof
from tokenprof.analysis.renderers import render_as
loaded = tokenprof.load(sys.argv[1])
read_s = time.process_time()
rendered = render_as(loaded.analyze(), sys.argv[2])
# `ru_maxrss` would count what this process was before it became a Python of its own: its parent.
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(read_s, time.process_time(), int(peak) / 1024, len(rendered))
"""


def measured(path: Path, form: str) -> dict[str, float]:
    """Return seconds to read and in all, the peak in MiB and the size of the report in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT, str(path), form], capture_output=True, text=True, check=True
    )
    read_s, all_s, peak_mib, size = map(float, done.stdout.split())
    return {
        "session_mb": round(path.stat().st_size / 1e6, 1),
        "read_s": round(read_s, 2),
        "all_s": round(all_s, 2),
        "peak_mib": round(peak_mib),
        "report_bytes": size,
    }


def exponent(longest: float, quarter: float) -> float:
    """Return by which power of the turns something grew from a quarter of the turns to all of them."""
    return round(math.log(longest / quarter) / math.log(4), 2)


def machine() -> str:
    """Return what the figures were measured on."""
    model = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{model or platform.processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", default="125,250,500,1000,2000,4000,8000,16000")
    parser.add_argument("--format", default="text")
    options = parser.parse_args()
    found: dict[int, dict[str, float]] = {}
    print("turns   session MB   read s    all s   peak MiB")
    with tempfile.TemporaryDirectory() as folder:
        for turns in map(int, options.turns.split(",")):
            path = long_session(Path(folder) / str(turns), turns)
            row = found[turns] = measured(path, options.format)
            print(
                f"{turns:5d}   {row['session_mb']:10.1f}   {row['read_s']:6.2f}   {row['all_s']:6.2f}   "
                f"{row['peak_mib']:8.0f}",
                flush=True,
            )
    exponents = {}
    longest = max(found)
    if longest // 4 in found:
        quarter = found[longest // 4]
        exponents = {key: exponent(found[longest][key], quarter[key]) for key in ("all_s", "peak_mib")}
        print(f"exponents: time {exponents['all_s']}, memory {exponents['peak_mib']}")
    made = {
        "made": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine(),
        "format": options.format,
        "exponents": exponents,
        "turns": found,
    }
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known[f"up to {longest} turns"] = made
    RESULTS.write_text(json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    main()

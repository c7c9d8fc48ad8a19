"""A folder of any size: report, report again from kept sums, and totals, beside other tools.

    python benchmarks/speed/large_folder.py FOLDER [--jobs 2] [--only report,again,totals,rivals]

Each is a process of its own, start included, measured over the whole tree of processes. `report` reads every
log and remembers nothing. `again` is the same report of a folder that was ingested, when no log has changed
since the last one. Results are added to `benchmarks/results/large_folder.json` by the number of megabytes,
with machine, date and versions.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from process_tree import Measured, measured
from rivals_speed import as_projects, installed

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE))
from long_runs import machine  # noqa: E402

RESULTS = HERE / "results" / "large_folder.json"
PARTS = ("report", "again", "totals", "rivals")


def row_of(found: Measured, megabytes: float) -> dict[str, float]:
    """Return a measurement as it is written down."""
    return {
        "cpu_s": round(found.cpu_s, 2),
        "wall_s": round(found.wall_s, 2),
        "peak_mb": round(found.peak_mb),
        "mb_per_cpu_s": round(megabytes / found.cpu_s, 1),
    }


def tokenprof(*arguments: str) -> list[str]:
    """Return a command of tokenprof."""
    return [sys.executable, "-m", "tokenprof", *arguments]


def measure(folder: Path, jobs: int, parts: Sequence[str], megabytes: float) -> dict[str, dict[str, float]]:
    """Return what each part takes."""
    found: dict[str, dict[str, float]] = {}

    def note(name: str, command: Sequence[str], **environment: str) -> None:
        row = found[name] = row_of(measured(command, environment), megabytes)
        print(f"{name:34} {row}", flush=True)

    report = tokenprof("report", str(folder), "--jobs", str(jobs))
    with tempfile.TemporaryDirectory() as work:
        if "report" in parts:
            note("tokenprof report", report, TOKENPROF_CACHE="off", TOKENPROF_STORE=f"{work}/none")
        if "again" in parts:
            ours = {"XDG_CACHE_HOME": f"{work}/cache", "TOKENPROF_STORE": f"{work}/store"}
            note("tokenprof ingest", tokenprof("ingest", str(folder), "--jobs", str(jobs)), **ours)
            note("tokenprof report, counts remembered", report, **ours)
            note("tokenprof report, nothing changed", report, **ours)
        if "totals" in parts:
            totals = tokenprof("totals", str(folder), "--jobs", str(jobs))
            note("tokenprof totals", totals, TOKENPROF_CACHE="off")
        if "rivals" in parts:
            config = as_projects(folder, Path(work))
            for name, command in installed(Path(work) / "rivals").items():
                path = [] if name.startswith("ccusage") else [str(folder)]
                note(name, [*command, *path], CLAUDE_CONFIG_DIR=str(config))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default=",".join(PARTS))
    options = parser.parse_args()
    size = sum(path.stat().st_size for path in options.folder.rglob("*.jsonl")) / 1e6
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    key = f"{size:.0f} MB, {options.jobs} processes"
    row = known.setdefault(key, {})
    row.update(made=datetime.now(UTC).isoformat(timespec="minutes"), machine=machine())
    row.setdefault("measured", {}).update(
        measure(options.folder, options.jobs, options.only.split(","), size)
    )
    RESULTS.write_text(json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    main()

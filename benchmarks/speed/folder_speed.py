"""A folder of sessions, of any size: report and totals beside parsing alone and beside other tools.

    python benchmarks/speed/folder_speed.py [FOLDER] [--megabytes 100] [--jobs 1,2] [--only report,totals]

Without a folder, sessions of about a megabyte are made by `session_corpus.py`. Each row is a process of its
own, start included, measured over the whole tree of processes, all in one run; `parse` is what reading the
same lines with orjson takes. `report` and `totals` are measured with each number of `--jobs` (one process
shows the rate of a core, several the clock and the memory of all) and remember nothing; `again` is the
report of a folder that was ingested, when no log has changed since the last one. Results are added to
`benchmarks/results/folder_speed.json` by the number of megabytes, with machine, load, date and versions.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from process_tree import Measured, measured
from rivals import as_projects, installed

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE))
from long_runs import machine  # noqa: E402
from session_corpus import write_corpus  # noqa: E402

RESULTS = HERE / "results" / "folder_speed.json"
PARTS = ("parse", "totals", "report", "json", "again", "rivals")
PARSE_ALONE = "parse (orjson)"

PARSE = """
import sys, pathlib, orjson
for path in pathlib.Path(sys.argv[1]).rglob("*.jsonl"):
    for line in path.open("rb"):
        orjson.loads(line)
"""

Run = tuple[str, Sequence[str], dict[str, str]]
"""What is measured: its name, its command, and its environment beyond that of this process."""


def tokenprof(*arguments: str) -> list[str]:
    """Return a command of tokenprof."""
    return [sys.executable, "-m", "tokenprof", *arguments]


def runs_of(folder: Path, jobs: Sequence[int], parts: Sequence[str], work: Path) -> Iterator[Run]:
    """Yield what is to be measured, in order."""
    report, totals = tokenprof("report", str(folder)), tokenprof("totals", str(folder))
    nothing = {"TOKENPROF_CACHE": "off", "TOKENPROF_STORE": f"{work}/none", "PYTHONPATH": str(HERE.parent)}
    each = [(["--jobs", str(count)], f"{count} process{'es' if count > 1 else ''}") for count in jobs]
    most, _ = each[-1]
    if "parse" in parts:
        yield PARSE_ALONE, [sys.executable, "-c", PARSE, str(folder)], {}
    if "totals" in parts:
        for option, named in each:
            yield f"tokenprof totals, {named}", [*totals, *option], nothing
    if "report" in parts:
        for option, named in each:
            yield f"tokenprof report, {named}", [*report, *option], nothing
    if "json" in parts:
        yield "tokenprof report, JSON", [*report, *most, "-o", f"{work}/report.json"], nothing
    if "again" in parts:
        ours = nothing | {"TOKENPROF_CACHE": "on", "XDG_CACHE_HOME": f"{work}/cache"}
        ours |= {"TOKENPROF_STORE": f"{work}/store"}
        yield "tokenprof ingest", [*tokenprof("ingest", str(folder)), *most], ours
        yield "tokenprof report, counts remembered", [*report, *most], ours
        yield "tokenprof report, nothing changed", [*report, *most], ours
    if "rivals" in parts:
        config = as_projects(folder, work)
        for name, command in installed(work / "rivals").items():
            path = [] if name.startswith("ccusage") else [str(folder)]
            yield name, [*command, *path], {"CLAUDE_CONFIG_DIR": str(config)}


def row_of(found: Measured, megabytes: float) -> dict[str, float]:
    """Return a measurement as it is written down."""
    return {
        "cpu_s": round(found.cpu_s, 2),
        "wall_s": round(found.wall_s, 2),
        "peak_mb": round(found.peak_mb),
        "mb_per_cpu_s": round(megabytes / found.cpu_s, 1),
    }


def print_table(rows: dict[str, dict[str, float]], megabytes: float) -> None:
    """Print what each took, and how many times the CPU time of parsing and of each other tool that is."""
    others = [name for name in rows if not name.startswith("tokenprof")]
    heads = "".join(f"  × {name.partition(' ')[0]:<12.12}" for name in others)
    print(f"{megabytes:.0f} MB{'':30}   CPU s  MB/s CPU   wall s  peak MB{heads}")
    for name, row in rows.items():
        ratios = "".join(f"{row['cpu_s'] / max(rows[other]['cpu_s'], 0.01):9.1f}{'':7}" for other in others)
        print(
            f"{name:36} {row['cpu_s']:7.1f} {row['mb_per_cpu_s']:9.1f} {row['wall_s']:8.1f} "
            f"{row['peak_mb']:8.0f}{ratios}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--megabytes", type=float, default=100.0)
    parser.add_argument("--jobs", default="1,2", help="numbers of processes, the largest last")
    parser.add_argument("--only", default=",".join(PARTS))
    options = parser.parse_args()
    # Other tools read links to the sessions, which must be on the same file system.
    with tempfile.TemporaryDirectory(dir=options.folder and options.folder.parent) as scratch:
        folder = options.folder or Path(scratch) / "corpus"
        if options.folder is None:
            write_corpus(folder, options.megabytes)
        megabytes = sum(path.stat().st_size for path in folder.rglob("*.jsonl")) / 1e6
        rows: dict[str, dict[str, float]] = {}
        jobs = [int(count) for count in options.jobs.split(",")]
        for name, command, environment in runs_of(folder, jobs, options.only.split(","), Path(scratch)):
            rows[name] = row_of(measured(command, environment), megabytes)
            print(f"  {name}: {rows[name]['cpu_s']} s of CPU", file=sys.stderr, flush=True)
    print_table(rows, megabytes)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    row = known.setdefault(f"{megabytes:.0f} MB", {})
    row.update(made=datetime.now(UTC).isoformat(timespec="minutes"), machine=machine())
    row["load_1_min"] = round(os.getloadavg()[0], 1)
    row.setdefault("measured", {}).update(rows)
    RESULTS.write_text(json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""How long each stage of a report takes, beside the fastest that parsing and counting alone could be.

    python benchmarks/speed/stages.py FOLDER [--times 3]

Stages run in one process that has loaded everything, so that the figures are rates and not start-up. Each is
the best of several, in MB of logs per second of CPU. Kept counts are off. Results go to
`benchmarks/results/stages.json`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE))
os.environ["TOKENPROF_CACHE"] = "off"
from long_runs import machine  # noqa: E402

from tokenprof.analysis.analysis import Analysis  # noqa: E402
from tokenprof.analysis.assumptions import resolve_assumptions  # noqa: E402
from tokenprof.analysis.renderers import render_as  # noqa: E402
from tokenprof.harness_adapters.transcripts.claude_code.usage_rows import usage_row  # noqa: E402
from tokenprof.reading.files import read  # noqa: E402
from tokenprof.reading.usage_only import read_usage  # noqa: E402

RESULTS = HERE / "results" / "stages.json"


def lines_of(folder: Path, parse: Callable[[bytes], object]) -> None:
    """Parse every line below a folder."""
    for path in folder.rglob("*.jsonl"):
        with path.open("rb") as lines:
            for line in lines:
                parse(line)


def analysed(folder: Path) -> dict[str, float]:
    """Return the CPU seconds of the stages of a report, one after the other."""
    seconds: dict[str, float] = {}

    def stage(name: str, work: Callable[[], object]) -> object:
        began = time.process_time()
        result = work()
        seconds[name] = time.process_time() - began
        return result

    run = stage("read", lambda: read(folder))
    analysis = Analysis(run, resolve_assumptions())  # type: ignore[arg-type]
    stage("attribute and bill", lambda: (analysis.ledger, analysis.ledger.blocks))
    stage("compute", lambda: analysis.hardware)
    stage("rows and text", lambda: render_as(analysis, "text"))
    seconds["report"] = sum(seconds.values())
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    folder: Path = options.folder
    megabytes = sum(path.stat().st_size for path in folder.rglob("*.jsonl")) / 1e6
    best: dict[str, float] = {}
    alone: dict[str, Callable[[], object]] = {
        "parse everything (orjson)": lambda: lines_of(folder, orjson.loads),
        "parse what a bill needs (msgspec)": lambda: lines_of(folder, usage_row),
        "read for totals": lambda: read_usage(folder),
    }
    analysed(folder)
    gc.freeze()
    gc.disable()
    for _ in range(options.times):
        found = analysed(folder)
        for name, work in alone.items():
            began = time.process_time()
            work()
            found[name] = time.process_time() - began
        best = {name: min(seconds, best.get(name, seconds)) for name, seconds in found.items()}
    print(f"{megabytes:.1f} MB")
    for name, seconds in best.items():
        print(f"{name:36} {seconds:7.2f} s   {megabytes / seconds:7.1f} MB/s")
    made = {
        "made": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine(),
        "load_1_min": os.getloadavg()[0],
        "megabytes": round(megabytes, 1),
        "mb_per_s": {name: round(megabytes / seconds, 1) for name, seconds in best.items()},
    }
    RESULTS.write_text(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    main()

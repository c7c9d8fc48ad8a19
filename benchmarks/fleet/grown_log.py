"""A session that grew: read on where it stopped, beside read again from its beginning.

    python benchmarks/fleet/grown_log.py [--turns 1000] [--grown-kb 20]

Seconds are of the processor, with the tokens of all earlier texts remembered, as they are in practice. It is
read on by a process that has it in hand, and by one that finds what another has kept. The runs are compared.
Results go to `benchmarks/results/grown_log.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from long_runs import machine
from session_corpus import long_session

from tokenprof.facts.types import Run
from tokenprof.reading.formats import TranscriptReader, reader_of
from tokenprof.store.ingest.followed_logs import FollowedLogs
from tokenprof.store.ingest.log_rows import LogName, columns_of_log

RESULTS = Path(__file__).parents[1] / "results" / "grown_log.json"


def measured(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def read(followed: FollowedLogs, path: Path, reader: TranscriptReader) -> tuple[float, Run, int]:
    spent_s, run = measured(lambda: followed.read(path, reader))
    return spent_s, run, followed.read_bytes


def kept_in(work: Path) -> Iterator[Path]:
    return (work / "cache").rglob("readings/*")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--grown-kb", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        os.environ["XDG_CACHE_HOME"] = f"{work}/cache"
        path = long_session(Path(work), options.turns)
        data = path.read_bytes()
        begun = data.rfind(b"\n", 0, len(data) - int(options.grown_kb * 1000)) + 1
        path.write_bytes(data[:begun])
        reader = reader_of(path)
        reader.read(path)
        watching = FollowedLogs()
        keep_s, _, _ = read(watching, path, reader)
        path.write_bytes(data)
        other_s, by_other, read_bytes = read(FollowedLogs(most=0), path, reader)
        kept_bytes = sum(each.stat().st_size for each in kept_in(Path(work)))
        on_s, grown, _ = read(watching, path, reader)
        whole_s, whole = measured(lambda: reader.read(path))
        rows_s, _ = measured(lambda: columns_of_log(whole, LogName(1, "p", "s", "f")))
    if not grown == by_other == whole:
        raise SystemExit("The two readings differ.")
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "megabytes": round(len(data) / 1e6, 2),
        "turns": len(whole.turns),
        "grown_bytes": read_bytes,
        "kept_bytes": kept_bytes,
        "first_reading_that_keeps_cpu_s": round(keep_s, 3),
        "read_on_by_another_process_cpu_s": round(other_s, 3),
        "read_on_by_a_watching_one_cpu_s": round(on_s, 3),
        "read_whole_cpu_s": round(whole_s, 3),
        "rows_cpu_s": round(rows_s, 3),
    }
    print(result)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

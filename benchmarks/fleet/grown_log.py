"""A session that grew: read on where it stopped, beside read again from its beginning.

    python benchmarks/fleet/grown_log.py [--turns 1000] [--grown-kb 20]

Seconds are of the processor, with the tokens of all earlier texts remembered, as they are in practice. The
runs of both readings are compared. Results go to `benchmarks/results/grown_log.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from long_runs import machine
from session_corpus import long_session

from tokenprof.reading.formats import reader_of
from tokenprof.store.ingest.followed_logs import FollowedLogs
from tokenprof.store.ingest.log_rows import LogName, tables_of_log

RESULTS = Path(__file__).parents[1] / "results" / "grown_log.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--grown-kb", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        path = long_session(Path(work), options.turns)
        data = path.read_bytes()
        begun = data.rfind(b"\n", 0, len(data) - int(options.grown_kb * 1000)) + 1
        path.write_bytes(data[:begun])
        reader, followed = reader_of(path), FollowedLogs()
        followed.read(path, reader)
        path.write_bytes(data)
        began = time.process_time()
        grown = followed.read(path, reader)
        on_s, read_bytes = time.process_time() - began, followed.read_bytes
        began = time.process_time()
        whole = reader.read(path)
        whole_s = time.process_time() - began
        began = time.process_time()
        tables_of_log(whole, LogName(1, "p", "s", "f"))
        rows_s = time.process_time() - began
    if grown != whole:
        raise SystemExit("The two readings differ.")
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "megabytes": round(len(data) / 1e6, 2),
        "turns": len(whole.turns),
        "grown_bytes": read_bytes,
        "read_on_cpu_s": round(on_s, 3),
        "read_whole_cpu_s": round(whole_s, 3),
        "rows_cpu_s": round(rows_s, 3),
    }
    print(result)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""The embedded engine beside Spark and ClickHouse on the same sessions: rates per core, and equal totals.

    python benchmarks/fleet/engines.py [--megabytes 40]

Every engine runs in a process of its own, on one core (Spark: local[1]). An ingest counts from the call to
its end, so the start of Python and of the JVM is left out; it is shown beside it. Seconds of the processor
are those of the whole process tree, from /proc. Totals are compared as text. Results go to
`benchmarks/results/engines.json`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

RESULTS = HERE.parent / "results" / "engines.json"
BY = ("", "month,model,project", "class", "tool,kind")
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the processor seconds of a process, its children, and those of them that have ended."""
    try:
        numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    return sum(map(int, numbers)) / TICKS + sum(cpu_s(int(child)) for child in children)


def all_cpu_s() -> float:
    """Return the processor seconds of this process and everything below it, whichever thread started it."""
    threads = Path(f"/proc/{os.getpid()}/task").iterdir()
    children = {child for thread in threads for child in (thread / "children").read_text().split()}
    own = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, own)) / TICKS + sum(cpu_s(int(child)) for child in children)


def timed(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Return the seconds that some work took, and what it returned."""
    cpu, began = all_cpu_s(), time.monotonic()
    found = work()
    return {"wall_s": round(time.monotonic() - began, 2), "cpu_s": round(all_cpu_s() - cpu, 2)}, found


def as_text(totals: Any) -> str:
    """Return totals as text, to the last digit."""
    from tokenprof.commands.console.totals_output import plain_usd

    rows = [*totals.rows, totals.whole]
    return repr([(row.key, row.turns, row.tokens, plain_usd(row.billed_usd)) for row in rows])


def embedded(logs: Path, store: Path) -> dict[str, Any]:
    """Ingest and sum with the embedded engine, in one process."""
    from tokenprof.analysis.assumptions import Assumptions, price_book
    from tokenprof.store.ingest.ingest import ingest
    from tokenprof.store.queries.dimensions import parse_dimensions
    from tokenprof.store.queries.priced_store import priced_store

    read, done = timed(lambda: ingest([logs], store))

    def sums() -> list[str]:
        opened = priced_store(store, price_book(Assumptions()))
        return [as_text(opened.totals(parse_dimensions([by]))) for by in BY]

    summed, texts = timed(sums)
    return {"ingest": read, "totals": summed, "turns": done.turns, "texts": texts}


def spark(logs: Path, store: Path) -> dict[str, Any]:
    """Ingest and sum with Spark on one core; twice, since the first job also starts its workers."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    from tokenprof.fleet.spark import ingest, priced_engine
    from tokenprof.store.queries.dimensions import parse_dimensions
    from tokenprof.store.queries.totals import totals_by

    def start() -> Any:
        builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
        for name, value in (
            ("spark.sql.shuffle.partitions", "1"),
            ("spark.driver.memory", "1g"),
            ("spark.driver.bindAddress", "127.0.0.1"),
            ("spark.driver.host", "127.0.0.1"),
        ):
            builder = builder.config(name, value)
        return builder.getOrCreate()

    started, session = timed(start)
    first, _ = timed(lambda: ingest(session, [str(logs)], f"{store}-first", task_bytes=16 * 2**20))
    read, done = timed(lambda: ingest(session, [str(logs)], str(store), task_bytes=16 * 2**20))

    def sums() -> list[str]:
        engine = priced_engine(session, str(store))
        return [as_text(totals_by(engine, parse_dimensions([by]))) for by in BY]

    summed, texts = timed(sums)
    return {
        "start": started,
        "first ingest": first,
        "ingest": read,
        "totals": summed,
        "turns": done.turns,
        "texts": texts,
    }


def clickhouse(logs: Path, store: Path) -> dict[str, Any]:
    """Sum with ClickHouse, over the store that the embedded engine made."""
    from tokenprof.fleet.clickhouse import priced_engine
    from tokenprof.store.queries.dimensions import parse_dimensions
    from tokenprof.store.queries.totals import totals_by

    def sums() -> list[str]:
        engine = priced_engine(store)
        return [as_text(totals_by(engine, parse_dimensions([by]))) for by in BY]

    summed, texts = timed(sums)
    return {"totals": summed, "texts": texts}


ENGINES = {"embedded": embedded, "spark": spark, "clickhouse": clickhouse}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=float, default=40.0)
    parser.add_argument("--run", nargs=3, metavar=("ENGINE", "LOGS", "STORE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        name, logs, store = options.run
        print("RESULT" + json.dumps(ENGINES[name](Path(logs), Path(store))))
        return
    from long_runs import machine
    from session_corpus import write_corpus

    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as work:
        logs = Path(work) / "logs"
        megabytes = sum(file.stat().st_size for file in write_corpus(logs, options.megabytes)) / 1e6
        for name in ENGINES:
            store = Path(work) / ("embedded" if name == "clickhouse" else name)
            done = subprocess.run(
                [sys.executable, __file__, "--run", name, str(logs), str(store)],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                # What was counted in an earlier run would flatter whoever comes second.
                env={**os.environ, "TOKENPROF_CACHE": "off"},
            )
            found[name] = json.loads(done.stdout.rpartition("RESULT")[2])
            if "ingest" in found[name]:
                found[name]["mb_per_cpu_s"] = round(megabytes / found[name]["ingest"]["cpu_s"], 2)
            texts = "\n".join(found[name].pop("texts"))
            found[name]["totals_sha256"] = hashlib.sha256(texts.encode()).hexdigest()[:16]
            print(f"{name:12} {found[name]}", flush=True)
    are_equal = len({each["totals_sha256"] for each in found.values()}) == 1
    print(f"{megabytes:.0f} MB; totals are {'equal to the last byte' if are_equal else 'NOT EQUAL'}")
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "megabytes": round(megabytes, 1),
        "totals_are_equal": are_equal,
        "engines": found,
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    if not are_equal:
        raise SystemExit("The engines do not agree.")


if __name__ == "__main__":
    main()

"""A store's ingest, its second run, its totals, and a year priced again; beside `totals` of files.

    python benchmarks/fleet/store.py [--megabytes 200] [--jobs 2] [--turns 1000000]

The sessions are made by `session_corpus.py`. Every command runs in a process of its own; seconds are of the
wall clock and of the processor (all processes of the command), the peak is the largest sum of the resident
memory of the process and its children that was seen. The year is the store's own rows, copied with other
days and other log numbers until there are enough turns. Results go to `benchmarks/results/store.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from long_runs import machine
from session_corpus import write_corpus

RESULTS = Path(__file__).parents[1] / "results" / "store.json"

DISCOUNT = """[[discount]]
provider = "anthropic"
models = ["*"]
factor = "0.9"
source = "a contract"
checked = 2026-01-01
"""


def timed(*words: str) -> dict[str, float]:
    """Run a command and return its seconds and its peak."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "tokenprof", *words], stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident_kib(process.pid))
        time.sleep(0.05)
    wall = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"tokenprof {' '.join(words)} failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "peak_mib": round(peak / 1024)}


def resident_kib(pid: int) -> int:
    """Return the resident memory of a process and its children."""
    total = 0
    for folder in [Path(f"/proc/{pid}"), *map(Path, (f"/proc/{child}" for child in children(pid)))]:
        try:
            lines = (folder / "status").read_text().splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)
    return total


def children(pid: int) -> list[int]:
    """Return the processes below a process."""
    try:
        own = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [each for child in map(int, own) for each in (child, *children(child))]


def make_year(store: Path, year: Path, turns: int) -> int:
    """Write a store of a year by copying the turns of another one; return how many it has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from tokenprof.store.ingest.known_logs import KnownLog, KnownLogs
    from tokenprof.store.writing.commits import commit, read_rows
    from tokenprof.store.writing.manifest import Manifest, read_manifest

    source = read_manifest(store)
    assert source is not None
    rows = read_rows(store, source, "turns")
    logs = sorted(set(rows["log_id"].to_pylist()))
    first_day = min(rows["day"].to_pylist())
    known, copies, made = KnownLogs(), [], 0
    for copy in range(max(1, turns // rows.num_rows)):
        day = date(2026, 1, 1) + timedelta(days=copy % 330)
        shift = pa.scalar(day - first_day, pa.duration("s"))
        ids = pc.add(pc.bit_wise_and(rows["log_id"], (1 << 40) - 1), copy << 40)
        at = pc.add(rows["started_at"], shift)
        changed = rows
        for name, column in (
            ("log_id", ids),
            ("started_at", at),
            ("day", pc.cast(at, pa.date32())),
            ("response_id", pc.binary_join_element_wise(rows["response_id"], str(copy), "-")),
        ):
            place = changed.schema.get_field_index(name)
            changed = changed.set_column(place, changed.schema.field(name), column)
        copies.append({"turns": changed})
        for log in logs:
            known.put(KnownLog((log & ((1 << 40) - 1)) + (copy << 40), f"/{copy}/{log}", "made"))
        made += rows.num_rows
    commit(year, Manifest(), copies, {"logs": known.table()}, ["/"])
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=float, default=200.0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--turns", type=int, default=1_000_000)
    options = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as work:
        logs, store, year = Path(work) / "logs", Path(work) / "store", Path(work) / "year"
        files = write_corpus(logs, options.megabytes)
        megabytes = sum(file.stat().st_size for file in files) / 1e6
        prices = Path(work) / "prices.toml"
        prices.write_text(DISCOUNT)
        to = ["--store", str(store)]
        for name, words in (
            ("ingest", ["ingest", str(logs), *to, "--jobs", str(options.jobs)]),
            ("second run", ["ingest", str(logs), *to]),
            ("totals", ["totals", *to, "--by", "month,model"]),
            ("totals by tool", ["totals", *to, "--by", "tool"]),
            ("totals by tool, with compute", ["totals", *to, "--by", "tool", "--compute"]),
            ("totals of files", ["totals", str(logs), "--by", "month,model"]),
        ):
            found[name] = timed(*words)
            if name in ("ingest", "totals of files"):
                found[name]["mb_per_s"] = round(megabytes / found[name]["wall_s"], 1)
                found[name]["mb_per_cpu_s"] = round(megabytes / found[name]["cpu_s"], 1)
            print(f"{name:28} {found[name]}", flush=True)
        stored = sum(path.stat().st_size for path in store.rglob("*.parquet")) / 1e6
        turns = make_year(store, year, options.turns)
        to = ["--store", str(year)]
        found["a year"] = timed("totals", *to, "--by", "month,model")
        found["a year, other prices"] = timed("totals", *to, "--by", "month,model", "--prices", str(prices))
        found["a year, with compute"] = timed("totals", *to, "--by", "month,model", "--compute")
        for name in ("a year", "a year, other prices", "a year, with compute"):
            print(f"{name:28} {found[name]}", flush=True)
    print(
        f"{len(files)} logs, {megabytes:.0f} MB -> {stored:.1f} MB of Parquet; the year has {turns:,} turns"
    )
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "megabytes": round(megabytes, 1),
        "stored_megabytes": round(stored, 2),
        "jobs": options.jobs,
        "turns_of_the_year": turns,
        "commands": found,
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

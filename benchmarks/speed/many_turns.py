"""A folder of very many turns: time, processor time and memory of `report` and `totals`.

    python benchmarks/speed/many_turns.py [FOLDER] [--turns 1000000] [--jobs 2] [--only report,totals]

The sessions are made by `session_corpus.py` (about 120 turns and 1.4 MB each, 11.7 GB for a million turns),
in a temporary folder or in FOLDER, which is used again if it has sessions. Memory is the largest sum over the
tree of processes, and `growth_mb` is what was added after a quarter of the time. Results are added to
`benchmarks/results/many_turns.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from process_tree import measured

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE))
from long_runs import machine  # noqa: E402
from session_corpus import write_corpus  # noqa: E402

RESULTS = HERE / "results" / "many_turns.json"


def row_of(command: str, folder: Path, jobs: int, scratch: str) -> dict[str, float]:
    """Run a command of tokenprof on the folder and return what it took."""
    environment = {
        "TOKENPROF_CACHE": "off",
        "TOKENPROF_STORE": f"{scratch}/none",
        "PYTHONPATH": str(HERE.parent),
    }
    ran = [sys.executable, "-m", "tokenprof", command, str(folder), "--jobs", str(jobs)]
    found = measured(ran, environment, sampled_every_s=0.25)
    Path(scratch, f"{command}.txt").write_bytes(found.output)
    at_a_quarter = max(found.memory_mb[: max(1, len(found.memory_mb) // 4)])
    return {
        "cpu_s": round(found.cpu_s, 1),
        "wall_s": round(found.wall_s, 1),
        "peak_mb": round(found.peak_mb),
        "growth_mb": round(found.peak_mb - at_a_quarter),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--turns", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="report,totals")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "corpus"
        if not folder.is_dir() or not any(folder.iterdir()):
            write_corpus(folder, turns=options.turns)
        megabytes = sum(path.stat().st_size for path in folder.rglob("*.jsonl")) / 1e6
        for command in options.only.split(","):
            began = round(os.getloadavg()[0], 1)
            row = row_of(command, folder, options.jobs, scratch)
            row |= {"load_1_min_before": began, "mb_per_cpu_s": round(megabytes / row["cpu_s"], 1)}
            print(command, row, Path(scratch, f"{command}.txt").read_text()[:600], sep="\n", flush=True)
            known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
            of_size = known.setdefault(f"{options.turns} turns, {options.jobs} processes", {})
            of_size |= {
                "made": datetime.now(UTC).isoformat(timespec="minutes"),
                "machine": machine(),
                "megabytes": round(megabytes),
            }
            of_size.setdefault("measured", {})[f"tokenprof {command}"] = row
            RESULTS.write_text(json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    main()

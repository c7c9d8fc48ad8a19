"""Kills an ingest at random moments and checks that the next one makes the store whole.

    python tests/store/kill_points.py [--points 100] [--seed 0]

Each time, a process ingests logs and is killed (SIGKILL) after a random time; the store must then be what
some commit made it, and the ingest after the last kill must give the totals of one that nobody disturbed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
import tokenprof.store.ingest.ingest as it
it.COMMIT_BYTES = 40_000
import tokenprof.store.ingest.read_log
sys.stdout.write("ready\\n"); sys.stdout.flush()
it.ingest([Path(sys.argv[1])], Path(sys.argv[2]))
"""


def killed(folder: Path, store: Path, after_s: float) -> bool:
    """Start an ingest and kill it after some time; return whether it was still running."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), str(store)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after_s)
    was_running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return was_running


def kill_at_random(
    folder: Path, work: Path, points: int, seed: int, longest_s: float = 0.6
) -> tuple[int, int]:
    """Kill ingests into a store that is begun again whenever it is whole.

    Returns how many were killed while they ran, and how often the store was then made whole with the right
    totals. Raises AssertionError for other totals.
    """
    from stores import everything

    from tokenprof.store.ingest.ingest import ingest
    from tokenprof.store.writing.manifest import read_manifest

    rng = random.Random(seed)
    ingest([folder], work / "undisturbed")
    expected = everything(work / "undisturbed")
    store = work / "store"
    hit = whole = 0
    for _ in range(points):
        hit += killed(folder, store, rng.uniform(0.0, longest_s))
        if read_manifest(store) is not None:
            everything(store)
        if rng.random() < 0.4:
            ingest([folder], store)
            assert everything(store) == expected, "the store differs from one that nobody disturbed"
            whole += 1
            shutil.rmtree(store)
    ingest([folder], store)
    assert everything(store) == expected, "the store differs from one that nobody disturbed"
    return hit, whole + 1


def main() -> None:
    from stores import session_file

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder) / "logs"
        for number in range(24):
            session_file(logs / f"project{number % 3}", number)
        hit, whole = kill_at_random(logs, Path(folder), options.points, options.seed)
    sys.stdout.write(
        f"{options.points} kills, {hit} of a running ingest; {whole} times made whole, same totals\n"
    )


if __name__ == "__main__":
    main()

"""The live view on a growing recording: its share of a core, and whether it ends at the bill.

    python benchmarks/speed/live_view.py SESSION [--seconds 60]

The session is written again line by line over that time, and rotated in the middle. The view runs in a
process of its own; its processor time comes from the operating system.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import tokenprof

VIEW = """
import sys
from pathlib import Path
from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.pictures.live.following import Follower
from tokenprof.pictures.live.terminal_app import LiveApp

class Noted(LiveApp):
    def refresh_view(self):
        super().refresh_view()
        if self._follower.state is not None:
            Path(sys.argv[2]).write_text(str(self._follower.state.billed_usd))

Noted(Follower([Path(sys.argv[1])], price_book(Assumptions())), "growing").run(headless=True, size=(140, 40))
"""


def cpu_s(pid: int) -> float:
    """Return the processor time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("session", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    lines = options.session.read_bytes().splitlines(keepends=True)
    with tempfile.TemporaryDirectory() as folder:
        path, noted = Path(folder) / "run.jsonl", Path(folder) / "noted.txt"
        path.touch()
        view = subprocess.Popen(
            [sys.executable, "-c", VIEW, str(path), str(noted)], stdout=subprocess.DEVNULL
        )
        time.sleep(8)
        began_s, began_cpu_s = time.monotonic(), cpu_s(view.pid)
        for number, line in enumerate(lines):
            if number == len(lines) // 2:
                rotated = path.read_bytes()
                path.rename(path.with_suffix(".1"))
                path.write_bytes(rotated)
            with path.open("ab") as file:
                file.write(line)
            time.sleep(max(0.0, began_s + options.seconds * (number + 1) / len(lines) - time.monotonic()))
        spent_s, took_s = cpu_s(view.pid) - began_cpu_s, time.monotonic() - began_s
        time.sleep(45)
        view.terminate()
        view.wait()
        shown = noted.read_text()
        due = str(tokenprof.load(path).analyze().totals.billed_usd)
    print(datetime.now(UTC).strftime("%Y-%m-%d"), f"{len(lines)} lines in {took_s:.0f} s")
    print(f"{100 * spent_s / took_s:.1f} % of a core while it grew; shows {shown}, the report says {due}")


if __name__ == "__main__":
    main()

"""The first screens that are kept: a person must find the answer on them.

After a change that is meant, write them again and read the diff: python tests/report/first_screens.py
"""

from functools import cache
from pathlib import Path

from sixty_sessions import sixty_sessions

from tokenprof.analysis.analysis import Analysis
from tokenprof.reading.files import read
from tokenprof.report.document import Report, report_of
from tokenprof.report.terminal.text import to_text

FOLDER = Path(__file__).with_name("golden")
DATA = Path(__file__).parents[1] / "data"
LINES = 24
WIDTHS = (60, 80, 120)
FILES = {
    "demo": DATA / "release_0_1" / "run.jsonl",
    "claude_code": DATA / "logs" / "session_log" / "8463c716-a2ea-4c14-9efa-87158ebd9f20.jsonl",
    "codex": DATA / "logs" / "codex" / "rollout.jsonl",
}
NAMES = (*FILES, "sixty_sessions")


@cache
def report(name: str) -> Report:
    """Return the report of one of the runs."""
    run = read([FILES[name]]) if name in FILES else sixty_sessions()
    return report_of(Analysis(run))


def first_screen(name: str, width: int) -> str:
    """Return the first lines of a report as a terminal shows them."""
    return "\n".join(to_text(report(name), width).splitlines()[:LINES]) + "\n"


def path(name: str, width: int) -> Path:
    """Return where a first screen is kept."""
    return FOLDER / f"first_screen_{name}_{width}.txt"


if __name__ == "__main__":
    for name in NAMES:
        for width in WIDTHS:
            path(name, width).write_text(first_screen(name, width), encoding="utf-8")

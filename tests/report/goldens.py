"""The golden reports. To write them again after a change that is meant, and then read the diff:

python tests/report/goldens.py
"""

from pathlib import Path

import contracts

from tokenprof.report.findings import find
from tokenprof.report.terminal.text import to_text

FOLDER = Path(__file__).with_name("golden")
NARROW, WIDE = 80, 120
CASES = [(name, NARROW) for name in contracts.ALL] + [("email_agent", WIDE), ("long_run", WIDE)]


def rendered(name: str, width: int) -> str:
    report = contracts.ALL[name]()
    report["findings"] = find(report)
    return to_text(report, width)


def path(name: str, width: int) -> Path:
    return FOLDER / f"{name}_{width}.txt"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, width in CASES:
        path(name, width).write_text(rendered(name, width), encoding="utf-8")

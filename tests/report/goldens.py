"""The golden reports.

After a change of layout that is meant, write them again and read the diff: python tests/report/goldens.py
"""

from pathlib import Path

import contract_findings
import contracts

from tokenprof.report.document import Report
from tokenprof.report.terminal.text import to_text

FOLDER = Path(__file__).with_name("golden")
PANE, NARROW, WIDE = 60, 80, 120
CASES = [
    *((name, NARROW) for name in contracts.ALL),
    *((name, width) for name in ("email_agent", "long_run") for width in (PANE, WIDE)),
]
FULL = ("email_agent", "unknowns", "fixed_deployment")
"""Reports that are also kept with `--full`, 80 columns wide."""


def with_findings(name: str) -> Report:
    """Return one of the reports of `contracts`, with what there is to find in it."""
    return contract_findings.with_findings(contracts.ALL[name]())


def rendered(name: str, width: int, *, is_full: bool = False) -> str:
    """Return a report as it is printed today."""
    return to_text(with_findings(name), width, is_full=is_full)


def path(name: str, width: int, *, is_full: bool = False) -> Path:
    """Return where a report is kept as it should be printed."""
    return FOLDER / f"{name}_{width}{'_full' if is_full else ''}.txt"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, width in CASES:
        path(name, width).write_text(rendered(name, width), encoding="utf-8")
    for name in FULL:
        path(name, NARROW, is_full=True).write_text(rendered(name, NARROW, is_full=True), encoding="utf-8")

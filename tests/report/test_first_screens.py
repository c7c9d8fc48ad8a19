"""The first screen of the demo, a Claude Code session, sixty sessions and a Codex run."""

import re

import pytest
from first_screens import NAMES, WIDTHS, first_screen, path, report

from tokenprof.report.report_json import report_json
from tokenprof.report.report_reader import read_report
from tokenprof.report.terminal.text import to_text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_golden(name: str, width: int) -> None:
    """Words and billed dollars are as they were; what compute costs is the hardware model's to change."""
    printed, kept = first_screen(name, width), path(name, width).read_text(encoding="utf-8")
    assert answer(printed) == answer(kept)
    assert re.findall(BILLED, printed) == re.findall(BILLED, kept)
    assert max(map(len, printed.splitlines())) <= width


BILLED = r"(?:billed(?: at least)?|saves) ~?\$[\d.,]+"
FIGURE = r"[<~≥]?\$?\d[\d.,]*[%×¢k]?(?:[–-][\d.,]+[%×¢k]?)?"


def answer(text: str) -> str:
    """Return the text up to the tables, without its figures and line ends."""
    return " ".join(re.sub(FIGURE, "#", text.partition("--suggest ranks")[0]).split())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_says_how_much_why_and_what_now(name: str, width: int) -> None:
    text = " ".join(first_screen(name, width).split())
    assert re.search(r"billed (at least )?\$[\d.]+.*compute est\. \$", text)
    assert re.search(r"(Largest part|Most of it): .* of the bill", text)
    assert re.search(r"What to change 1\. saves ~?\$[\d.]+ \(\d+%", text)
    assert "--suggest ranks all" in text


@pytest.mark.parametrize(("name", "most"), [*((name, 110) for name in NAMES[:3]), ("sixty_sessions", 130)])
def test_the_whole_report_is_short(name: str, most: int) -> None:
    assert len(to_text(report(name), 80).splitlines()) <= most


def test_a_text_of_sixty_sessions_is_one_row() -> None:
    rows = [line for line in to_text(report("sixty_sessions"), 80).splitlines() if "system prompt" in line]
    assert sum("360×" in row for row in rows) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_changes_of_a_report_are_in_its_json(name: str) -> None:
    made = report(name)
    again = read_report(report_json(made))
    assert again.changes == tuple(
        type(change)(**{**_fields(change), "share": round(change.share, 4)}) for change in made.changes or ()
    )
    assert to_text(again, 80).splitlines()[:20] == to_text(made, 80).splitlines()[:20]


def _fields(change: object) -> dict[str, object]:
    return {name: getattr(change, name) for name in change.__dataclass_fields__}  # type: ignore[attr-defined]

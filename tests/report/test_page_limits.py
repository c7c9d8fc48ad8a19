"""A report shows as many rows as fit into two pages, whatever the run."""

from __future__ import annotations

from dataclasses import replace

import goldens
from rich.text import Text

from tokenprof.report.terminal.page_limits import MOST_LINES, PageLimits, fitting
from tokenprof.report.terminal.text import to_text


def sections_of(limits: PageLimits) -> list[list[Text]]:
    """Twenty lines that stay, and parts of one line a row; an empty part takes no line between parts."""
    rows = (limits.turns, limits.blocks, limits.groups, limits.slices, limits.findings, limits.warnings)
    return [[Text()] * 20, [], *([Text()] * (30 if each is None else each) for each in rows)]


def lines_in(sections: object) -> int:
    return sum(len(section) + 1 for section in sections if section) - 1  # type: ignore[attr-defined]


def test_what_fits_is_shown_with_the_usual_rows() -> None:
    # 20 + 5 + 5 + 6 + 4 + 2 + 2 rows, and 6 lines between the parts.
    assert lines_in(fitting(sections_of, 50)) == 50


def test_rows_are_taken_off_until_it_fits_and_no_more() -> None:
    assert [len(part) for part in fitting(sections_of, 48)] == [20, 0, 4, 4, 6, 4, 2, 2]
    assert [len(part) for part in fitting(sections_of, 45)] == [20, 0, 4, 4, 4, 3, 2, 2]


def test_what_never_fits_keeps_its_sentences() -> None:
    assert [len(part) for part in fitting(sections_of, 1)] == [20, 0, 3, 3, 3, 2, 1, 1]


def test_what_a_user_asks_for_stays() -> None:
    assert [len(part) for part in fitting(sections_of, 1, turns=9)] == [20, 0, 9, 3, 3, 2, 1, 1]
    assert [len(part) for part in fitting(sections_of, 1, turns=9, is_full=True)] == [
        20,
        0,
        9,
        30,
        40,
        20,
        30,
        30,
    ]


def test_a_long_path_does_not_make_a_report_longer_than_two_pages() -> None:
    report = goldens.with_findings("long_run")
    far = replace(report, sources=tuple(replace(each, file="/far/away" * 40) for each in report.sources))
    assert len(to_text(far, 80).splitlines()) <= MOST_LINES

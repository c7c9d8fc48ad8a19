"""The report as plain text, as a terminal shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenprof.report.document import Report

SUFFIX = ".txt"
WIDTH = 100


def render(
    report: Report, *, turns: int | None = None, blocks: int | None = None, is_full: bool = False
) -> bytes:
    """Return the report as UTF-8 text with at most `turns` turns and `blocks` blocks."""
    from tokenprof.report.terminal.text import to_text

    return to_text(report, WIDTH, turns=turns, blocks=blocks, is_full=is_full).encode()

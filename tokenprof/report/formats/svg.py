"""The terminal report as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenprof.report.document import Report

SUFFIX = ".svg"


def render(
    report: Report, *, turns: int | None = None, blocks: int | None = None, is_full: bool = False
) -> bytes:
    """Return the report as an SVG with at most `turns` turns and `blocks` blocks."""
    from tokenprof.report.terminal.svg import to_svg

    return to_svg(report, turns=turns, blocks=blocks, is_full=is_full).encode()

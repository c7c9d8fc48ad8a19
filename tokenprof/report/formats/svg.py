"""The terminal report as a picture: an SVG that loads nothing from the network."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokenprof.report.document import Report

SUFFIX = ".svg"
WIDTH: Final = 100

_FONT_FACE: Final = re.compile(r"@font-face\s*\{.*?\}\s*", re.S)


def render(
    report: Report, *, turns: int | None = None, blocks: int | None = None, is_full: bool = False
) -> bytes:
    """Return the report as drawn in 100 columns, with at most `turns` turns and `blocks` blocks."""
    from rich.console import Console

    from tokenprof.report.terminal.text import render as draw

    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    draw(report, console, turns=turns, blocks=blocks, is_full=is_full)
    # Whoever looks at the picture would otherwise fetch the fonts that it names.
    return _FONT_FACE.sub("", console.export_svg(title="tokenprof report")).encode()

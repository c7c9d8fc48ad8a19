"""The terminal report as a picture: an SVG that needs nothing from anywhere."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from tokenprof.report.terminal.text import render

WIDTH = 100

_FONT_FACE = re.compile(r"@font-face\s*\{.*?\}\s*", re.S)


def to_svg(report: Mapping[str, Any], *, turns: int | None = None, blocks: int = 15) -> str:
    """Return the report drawn as in a terminal of 100 columns."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    render(report, console, turns=turns, blocks=blocks)
    # The fonts named there would be fetched by whoever looks at the picture.
    return _FONT_FACE.sub("", console.export_svg(title="tokenprof report"))

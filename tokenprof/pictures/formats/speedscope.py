"""The run as a file for speedscope."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis

SUFFIX = ".speedscope.json"


def render_analysis(analysis: Analysis) -> bytes:
    """Return the run in this format."""
    from tokenprof.pictures.exchange.speedscope import speedscope_file
    from tokenprof.pictures.page.page_json import plain_json
    from tokenprof.pictures.views.page_data import title_of
    from tokenprof.pictures.views.spending_tree import spending_tree

    return plain_json(speedscope_file(spending_tree(analysis), title_of(analysis)))

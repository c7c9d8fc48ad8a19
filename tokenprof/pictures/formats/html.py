"""The page: one HTML file that opens from disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenprof.analysis.analysis import Analysis

SUFFIX = ".html"


def render_analysis(
    analysis: Analysis, before: Analysis | None = None, texts: Mapping[str, str] | None = None
) -> bytes:
    """Return the page about a run, compared with another one and with texts of blocks if they are given."""
    from tokenprof.pictures.page.html_page import html_page
    from tokenprof.pictures.views.page_data import page_data

    return html_page(page_data(analysis, before, texts))

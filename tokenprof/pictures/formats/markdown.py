"""The run as the answer as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis

SUFFIX = ".md"


def render_analysis(analysis: Analysis) -> bytes:
    """Return the run in this format."""
    from tokenprof.pictures.exchange.markdown import markdown
    from tokenprof.pictures.views.answer import answer_of
    from tokenprof.pictures.views.cache_events import cache_events
    from tokenprof.pictures.views.page_data import group_lines, title_of
    from tokenprof.report.document import report_of

    report = report_of(analysis)
    answer = answer_of(report)
    misses = cache_events(analysis).misses
    return markdown(title_of(analysis), answer, group_lines(analysis), misses, report).encode()

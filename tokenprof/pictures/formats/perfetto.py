"""The run as trace events, for Perfetto and Chrome's tracing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis

SUFFIX = ".trace.json"


def render_analysis(analysis: Analysis) -> bytes:
    """Return the run in this format."""
    from tokenprof.pictures.exchange.trace_events import trace_events
    from tokenprof.pictures.page.page_json import plain_json
    from tokenprof.pictures.views.cache_events import cache_events
    from tokenprof.pictures.views.page_data import title_of
    from tokenprof.pictures.views.turn_columns import turn_columns

    events = trace_events(title_of(analysis), turn_columns(analysis.turns), cache_events(analysis))
    return plain_json(events)

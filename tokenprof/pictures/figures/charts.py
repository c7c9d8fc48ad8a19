"""The figures there are, as Vega-Lite specifications. A figure is a function here and a line in `FIGURES`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import altair as alt

from tokenprof.analysis.analysis import Analysis
from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean
from tokenprof.pictures.views.answer import answer_of
from tokenprof.pictures.views.basis import dollar_map
from tokenprof.pictures.views.cache_events import cache_events
from tokenprof.pictures.views.context_bands import ContextBands, context_over_turns
from tokenprof.pictures.views.page_data import group_lines
from tokenprof.pictures.views.turn_columns import CACHE_STATES, turn_columns
from tokenprof.report.document import report_of

WIDTH, HEIGHT = 560, 300
TOOLS_SHOWN: Final = 15
STATE_COLOURS: Final = ("#3aa09a", "#dfa43a", "#c9506b")
MONEY, COMPUTE, MISS = "#1f7a4d", "#b4530a", "#c0263d"
PALETTE: Final = (
    *("#8fb4e8", "#b7a4e3", "#f2b27c", "#9fd3a4", "#e6a6c8", "#f0d075", "#7cc4cf"),
    *("#d9b892", "#c5cf85", "#a9b8c9", "#e59a90", "#b5dccb", "#c9c0f0"),
)

Row = dict[str, Any]
Chart = Any
"""A chart of Altair, or several laid over one another; its types do not tell these apart."""


def _data(rows: Iterable[Row]) -> alt.InlineData:
    return alt.InlineData(values=[{key: _plain(value) for key, value in row.items()} for row in rows])


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def context(analysis: Analysis) -> Chart:
    """The context over turns, stacked by kind in prompt order, with cache misses and compactions."""
    bands = context_over_turns(analysis.ledger).kind
    areas = _stacked(bands.names, PALETTE, "kind", _by_name(bands))
    events = cache_events(analysis)
    marks = [{"turn": miss.turn, "event": "cache miss"} for miss in events.misses]
    marks += [{"turn": turn, "event": "compaction"} for turn in events.compactions]
    if not marks:
        return areas
    rules = (
        alt.Chart(_data(marks))
        .mark_rule(strokeDash=[3, 2])
        .encode(
            x="turn:Q",
            stroke=alt.Stroke(
                "event:N",
                title="event",
                scale=alt.Scale(domain=["cache miss", "compaction"], range=[MISS, "#16181d"]),
            ),
        )
    )
    return areas + rules


def cache(analysis: Analysis) -> Chart:
    """The context over turns by cache state: read from the cache, written to it, fresh."""
    bands = context_over_turns(analysis.ledger).kind
    rows = [
        {
            "turn": turn,
            "band": state,
            "order": place,
            "tokens": sum(band[turn] for band in bands.tokens[place]),
        }
        for place, state in enumerate(CACHE_STATES)
        for turn in range(len(analysis.turns))
    ]
    return _stacked(CACHE_STATES, STATE_COLOURS, "cache", rows)


def _by_name(bands: ContextBands) -> list[Row]:
    return [
        {
            "turn": turn,
            "band": name,
            "order": place,
            "tokens": sum(state[place][turn] for state in bands.tokens),
        }
        for place, name in enumerate(bands.names)
        for turn in range(len(bands.tokens[0][place]))
    ]


def _stacked(names: Iterable[str], colours: Iterable[str], title: str, rows: list[Row]) -> Chart:
    scale = alt.Scale(domain=list(names), range=list(colours))
    return (
        alt.Chart(_data(rows))
        .mark_area(interpolate="step")
        .encode(
            x=alt.X("turn:Q", title="turn"),
            y=alt.Y("tokens:Q", title="tokens of the prompt", stack="zero", axis=alt.Axis(format="~s")),
            color=alt.Color("band:N", title=title, scale=scale),
            order="order:Q",
        )
    )


def bill(analysis: Analysis) -> Chart:
    """What each turn was billed and cost to compute, on a log scale, with the interval of the estimate."""
    turns = turn_columns(analysis.turns)
    rows = [
        {
            "turn": turn,
            "billed": usd,
            "low": turns.compute_low_usd[turn],
            "mid": turns.compute_mid_usd[turn],
            "high": turns.compute_high_usd[turn],
        }
        for turn, usd in enumerate(turns.billed_usd)
    ]
    base = alt.Chart(_data(rows)).encode(x=alt.X("turn:Q", title="turn"))
    scale = alt.Scale(type="log")
    area = base.transform_filter("datum.low > 0").mark_area(opacity=0.25, color=COMPUTE)
    compute = base.transform_filter("datum.mid > 0").mark_line(color=COMPUTE, strokeWidth=1.2)
    points = base.transform_filter("datum.billed > 0").mark_circle(color=MONEY, size=14, opacity=1)
    title = "US dollars: billed (points), compute (line, low to high)"
    return (
        area.encode(y=alt.Y("low:Q", scale=scale, title=title), y2="high:Q")
        + compute.encode(y=alt.Y("mid:Q", scale=scale))
        + points.encode(y=alt.Y("billed:Q", scale=scale))
    )


def classes(analysis: Analysis) -> Chart:
    """What the bill is for: price classes, by dollars."""
    lines = answer_of(report_of(analysis)).classes
    rows = [{"name": line.label, "usd": line.billed_usd} for line in lines if line.billed_usd]
    return _bars(rows, "billed [US dollars]", MONEY)


def tools(analysis: Analysis) -> Chart:
    """What each tool was billed: schema, calls and results."""
    lines = [line for line in group_lines(analysis) if line.kind == "tool" and line.billed_usd]
    lines.sort(key=lambda line: -(line.billed_usd or 0))
    rows = [{"name": line.name, "usd": line.billed_usd} for line in lines[:TOOLS_SHOWN]]
    return _bars(rows, "billed [US dollars]", PALETTE[0])


def _bars(rows: list[Row], title: str, colour: str) -> Chart:
    return (
        alt.Chart(_data(rows))
        .mark_bar(color=colour)
        .encode(
            x=alt.X("usd:Q", title=title),
            y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
        )
    )


def dollar(analysis: Analysis) -> Chart:
    """Where the billed dollar goes, from the chips up: middle estimates with their intervals."""
    found = dollar_map(analysis.chain)
    if found is None:
        raise InputError("No turn of this run has both a bill and an estimate of its compute.")
    rows = [
        {"name": step.name, "low": step.low_usd, "usd": step.mid_usd, "high": step.high_usd}
        for step in found.steps
    ]
    bars = _bars(rows, "US dollars, middle estimate with its interval", PALETTE[0])
    interval = alt.Chart(_data(rows)).mark_rule().encode(x="low:Q", x2="high:Q", y=alt.Y("name:N", sort=None))
    return bars + interval


FIGURES: Final[Mapping[str, Callable[[Analysis], Chart]]] = {
    "context": context,
    "cache": cache,
    "bill": bill,
    "classes": classes,
    "tools": tools,
    "dollar": dollar,
}


def figure(analysis: Analysis, name: str) -> Chart:
    """Return a figure about a run as an Altair chart.

    Raises `InputError` for a name that no figure has, and for a figure of what the run does not show.
    """
    if name not in FIGURES:
        known = ", ".join(FIGURES)
        raise InputError(f"There is no figure {name!r}.{did_you_mean(name, FIGURES)} There are {known}.")
    chart = FIGURES[name](analysis).properties(width=WIDTH, height=HEIGHT)
    return chart.configure(font="Helvetica, Arial, sans-serif", background="white").configure_view(
        stroke=None
    )

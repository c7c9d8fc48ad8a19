"""The figures there are, as Vega-Lite specifications. A figure is a function here and a line in `FIGURES`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import ceil, floor, log10
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
from tokenprof.report import numbers
from tokenprof.report.document import report_of

WIDTH, HEIGHT, BAR_STEP = 560, 300, 30
TOOLS_SHOWN: Final = 15
STATE_COLOURS: Final = ("#3aa09a", "#dfa43a", "#c9506b")
MONEY, COMPUTE, MISS = "#1f7a4d", "#b4530a", "#c0263d"
INK, SOFT, GRID = "#14171c", "#545b69", "#e6e9ee"
PALETTE: Final = (
    *("#8fb4e8", "#b7a4e3", "#f2b27c", "#9fd3a4", "#e6a6c8", "#f0d075", "#7cc4cf"),
    *("#d9b892", "#c5cf85", "#a9b8c9", "#e59a90", "#b5dccb", "#c9c0f0"),
)
NOT_PLACED, OVERHEAD = "#cdd2da", "#b3bac6"
KIND_COLOURS: Final[Mapping[str, str]] = {
    "system": PALETTE[0],
    "tool schema": PALETTE[1],
    "user": PALETTE[2],
    "assistant": PALETTE[3],
    "thinking": PALETTE[4],
    "tool call": PALETTE[5],
    "tool result": PALETTE[6],
    "skill": PALETTE[7],
    "skills index": PALETTE[8],
    "memory": PALETTE[9],
    "reminder": PALETTE[10],
    "summary": PALETTE[11],
    "output": PALETTE[12],
    "overhead": OVERHEAD,
    "not placed": NOT_PLACED,
}
"""The colours that the page gives to kinds; other kinds take the first of the palette."""

CLASS_COLOURS: Final[Mapping[str, str]] = {
    "cache_read": STATE_COLOURS[0],
    "uncached_input": STATE_COLOURS[2],
    "output": PALETTE[0],
    "reasoning": PALETTE[0],
    "fee": OVERHEAD,
}
"""The colours of price classes; the others write to the cache."""

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
    colours = [KIND_COLOURS.get(name, PALETTE[0]) for name in bands.names]
    areas = _stacked(bands.names, colours, "kind", _by_name(bands))
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
                legend=alt.Legend(symbolType="stroke", symbolStrokeWidth=2),
                scale=alt.Scale(domain=["cache miss", "compaction"], range=[MISS, INK]),
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
            x=_turns(),
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
    base = alt.Chart(_data(rows)).encode(x=_turns())
    known = [float(value) for row in rows for value in (row["billed"], row["low"], row["high"]) if value]
    if not known:
        raise InputError("No turn of this run has a bill or an estimate of its compute.")
    powers = range(floor(log10(min(known))), ceil(log10(max(known))) + 1)
    axis = alt.Axis(values=[10.0**power for power in powers], format="$~r")
    scale = alt.Scale(type="log", nice=False)
    names = ["billed", "compute, middle estimate", "compute, low to high"]
    colours = alt.Scale(domain=names, range=[MONEY, COMPUTE, "#f0d0b3"])

    kind = alt.Color("kind:N", scale=colours, legend=alt.Legend(title=None, orient="top"))

    def of(name: str) -> Any:
        return base.transform_calculate(kind=f"'{name}'").encode(color=kind)

    def dollars(field: str) -> Any:
        return alt.Y(field, scale=scale, axis=axis, title="per turn")

    area = of(names[2]).transform_filter("datum.low > 0").mark_area()
    compute = of(names[1]).transform_filter("datum.mid > 0").mark_line(strokeWidth=1.2)
    points = of(names[0]).transform_filter("datum.billed > 0").mark_circle(size=16, opacity=1)
    return (
        area.encode(y=dollars("low:Q"), y2="high:Q")
        + compute.encode(y=dollars("mid:Q"))
        + points.encode(y=dollars("billed:Q"))
    )


def _turns() -> Any:
    return alt.X("turn:Q", title="turn", scale=alt.Scale(nice=False), axis=alt.Axis(grid=False))


def classes(analysis: Analysis) -> Chart:
    """What the bill is for: price classes, by dollars."""
    lines = answer_of(report_of(analysis)).classes
    rows = [
        {
            "name": line.label,
            "usd": line.billed_usd,
            "colour": CLASS_COLOURS.get(line.name, STATE_COLOURS[1]),
            "text": f"{line.billed}  {line.share_text}",
        }
        for line in lines
        if line.billed_usd
    ]
    return _bars(rows, "billed")


def tools(analysis: Analysis) -> Chart:
    """What each tool was billed: schema, calls and results."""
    lines = [line for line in group_lines(analysis) if line.kind == "tool" and line.billed_usd]
    lines.sort(key=lambda line: -(line.billed_usd or 0))
    rows = [
        {
            "name": line.name,
            "usd": line.billed_usd,
            "colour": PALETTE[6],
            "text": numbers.usd(line.billed_usd),
        }
        for line in lines[:TOOLS_SHOWN]
    ]
    return _bars(rows, "billed")


def _bars(rows: list[Row], title: str) -> Chart:
    """Return a bar for each row, and its `text` at the end; where it has an interval, that stands there."""
    base = alt.Chart(_data(rows)).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=240, labelFontSize=12))
    )
    bars = base.mark_bar(size=18, cornerRadius=2).encode(
        x=alt.X("usd:Q", title=title, axis=alt.Axis(format="$~r", tickCount=6)),
        color=alt.Color("colour:N", scale=None),
    )
    end = "high:Q" if rows and "high" in rows[0] else "usd:Q"
    texts = base.mark_text(align="left", dx=6, color=SOFT).encode(x=end, text="text:N")
    return (bars + texts).properties(height=alt.Step(BAR_STEP))


def dollar(analysis: Analysis) -> Chart:
    """Where the billed dollar goes, from the chips up: middle estimates with their intervals."""
    found = dollar_map(analysis.chain)
    if found is None:
        raise InputError("No turn of this run has both a bill and an estimate of its compute.")
    rows = [
        {
            "name": step.name,
            "low": step.low_usd,
            "usd": step.mid_usd,
            "high": step.high_usd,
            "colour": PALETTE[at % len(PALETTE)],
            "text": f"{numbers.usd(numbers.decimal_of(step.mid_usd))}",
        }
        for at, step in enumerate(found.steps)
    ]
    base = alt.Chart(_data(rows)).encode(y=alt.Y("name:N", sort=None))
    interval = base.mark_rule(color=INK).encode(x="low:Q", x2="high:Q")
    ends = [base.mark_tick(color=INK, size=9).encode(x=f"{end}:Q") for end in ("low", "high")]
    bars = _bars(rows, f"of {found.paid} paid: middle estimates, low to high")
    return alt.layer(bars, interval, *ends).properties(height=alt.Step(BAR_STEP))


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
    chart = FIGURES[name](analysis)
    if isinstance(chart.height, alt.utils.schemapi.UndefinedType):
        chart = chart.properties(height=HEIGHT)
    axis = {"titleFontWeight": 500, "titleColor": INK, "labelColor": SOFT, "gridColor": GRID}
    return (
        chart.properties(width=WIDTH)
        .configure(font="Inter, Helvetica, Arial, sans-serif", background="white", padding=12)
        .configure_view(stroke=None)
        .configure_axis(**axis, domain=False, tickColor=GRID, labelFontSize=11, titleFontSize=12)
        .configure_legend(titleFontWeight=600, titleColor=INK, labelColor=INK, symbolType="square")
    )

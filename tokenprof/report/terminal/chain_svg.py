"""Both waterfalls of a billed dollar and the bridge, as an SVG that refers to nothing outside itself."""

from __future__ import annotations

import html
from collections.abc import Sequence
from decimal import Decimal
from math import log10
from typing import Final

from tokenprof.chain.bridge import MARGINAL, Bridge
from tokenprof.chain.section import ChainSection, SectionStep
from tokenprof.facts.inert_text import inert
from tokenprof.pricing.chain.layers import WaterfallStepName
from tokenprof.report.terminal.chain_bridge import cents, times
from tokenprof.report.terminal.chain_waterfall import BY_ACCOUNTS, chain_heading, step_label

WIDTH: Final = 960
LEFT: Final = 250
RIGHT: Final = 300
ROW: Final = 30
HEAD: Final = 44
GAP: Final = 26

COLOURS: Final = {
    WaterfallStepName.APPLICATION: "#8e7cc3",
    WaterfallStepName.DISCOUNT: "#b4a7d6",
    WaterfallStepName.UNEXPLAINED: "#c27ba0",
    WaterfallStepName.RESULT: "#c27ba0",
    WaterfallStepName.OTHER_COSTS: "#a64d79",
    WaterfallStepName.TRAINING: "#e69138",
    WaterfallStepName.GPU_HOUR_MARGIN: "#f1c232",
    WaterfallStepName.CHIPS: "#6aa84f",
    WaterfallStepName.BUILDING: "#45818e",
    WaterfallStepName.POWER: "#3d85c6",
}
BRIDGE: Final = "#3d85c6"
POSTERIOR: Final = "#e69138"
NOTE: Final = (
    "bars: middles, which add up to the whole (hatched: a loss, to the left); "
    "lines: ranges of what is not public, cut at the edge"
)
BRIDGE_HEAD: Final = "From marginal cost to published margins: cost per dollar of list price, logarithmic"
BRIDGE_NOTE: Final = (
    "blue: hardware model; orange: with published prices and margins as evidence; green: published cost of "
    "inference per dollar of revenue"
)
HATCH: Final = (
    '<defs><pattern id="loss" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="6" height="6" fill="#f4cccc"/>'
    '<rect width="3" height="6" fill="#cc0000"/></pattern></defs>'
)


def chain_svg(section: ChainSection) -> str:
    """Return a chain as SVG: the waterfall from what the hours cost, that from accounts, and the bridge."""
    parts: list[str] = []
    top = 0
    for heading, steps in ((chain_heading(section), section.waterfall), (BY_ACCOUNTS, section.by_accounts)):
        shown = [step for step in steps if step.share.mid or not step.share.is_exact]
        if shown:
            parts += _waterfall(heading, shown, top)
            top += HEAD + ROW * len(shown) + GAP
    parts.append(_note(NOTE, top - 8))
    top += 12
    if section.bridge is not None:
        parts += _bridge(section.bridge, section.posterior_bridge, top)
        top += HEAD + ROW * (len(section.bridge.steps) + 2) + GAP
        parts.append(_note(BRIDGE_NOTE, top - 8))
    height = top + 8
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" font-family="ui-sans-serif, system-ui, sans-serif" font-size="13">',
            HATCH,
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _waterfall(heading: str, steps: Sequence[SectionStep], top: int) -> list[str]:
    """Return a waterfall: each step as a bar from where the last ended, on a scale that holds every bar."""
    ends, at = [], Decimal(0)
    for step in steps:
        ends.append((at, at + step.share.mid))
        at += step.share.mid
    least = min(Decimal(0), *(min(pair) for pair in ends))
    most = max(Decimal(1), *(max(pair) for pair in ends))

    def place(share: Decimal) -> Decimal:
        kept = min(max(share, least), most)
        return LEFT + Decimal(WIDTH - LEFT - RIGHT) * (kept - least) / (most - least)

    lines = [_heading(heading, top)]
    bottom = top + HEAD + ROW * len(steps)
    for mark in (Decimal(0), Decimal(1)):
        lines.append(
            f'<line x1="{place(mark):.1f}" x2="{place(mark):.1f}" y1="{top + HEAD - 6}" y2="{bottom}" '
            'stroke="#bbb" stroke-dasharray="2 3"/>'
        )
    for row, (step, (begun, ended)) in enumerate(zip(steps, ends, strict=True)):
        y = top + HEAD + ROW * row
        middle = y + ROW // 2 - 4
        start, end = sorted((place(begun), place(ended)))
        fill = "url(#loss)" if step.share.mid < 0 else COLOURS[step.name]
        lines += [
            _label(step_label(step.name), middle),
            f'<rect x="{start:.1f}" y="{y}" width="{max(end - start, Decimal(1)):.1f}" '
            f'height="{ROW - 10}" fill="{fill}"><title>{escape(step.source)}</title></rect>',
        ]
        low, high = place(begun + step.share.low), place(begun + step.share.high)
        if low != high:
            lines.append(
                f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" '
                'stroke="#333" stroke-opacity="0.6"/>'
            )
        lines.append(_figures(_of_step(step), middle))
    return lines


def _bridge(prior: Bridge, posterior: Bridge | None, top: int) -> list[str]:
    """Return the bridge as levels on one logarithmic scale, the published range as a band."""
    bridges = [bridge for bridge in (prior, posterior) if bridge is not None]
    levels = [bridge.start for bridge in bridges]
    levels += [step.level_after for bridge in bridges for step in bridge.steps]
    levels += [prior.published.low, prior.published.high]
    low, high = log10(float(min(levels))), log10(float(max(levels)))

    def place(level: Decimal) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (log10(float(level)) - low) / ((high - low) or 1.0)

    rows = len(prior.steps) + 2
    band = place(prior.published.high) - place(prior.published.low)
    lines = [
        _heading(BRIDGE_HEAD, top),
        f'<rect x="{place(prior.published.low):.1f}" y="{top + HEAD - 6}" width="{max(band, 2.0):.1f}" '
        f'height="{ROW * rows}" fill="#d9ead3"><title>{escape(prior.published_source)}</title></rect>',
    ]
    names = [(MARGINAL, "power only"), *((step.name, step.source) for step in prior.steps)]
    for row, (name, source) in enumerate(names):
        y = top + HEAD + ROW * row
        middle = y + ROW // 2 - 4
        lines.append(_label(name, middle, source))
        said = []
        for bridge, colour, offset in zip(bridges, (BRIDGE, POSTERIOR), (-3, 4), strict=False):
            level = bridge.start if row == 0 else bridge.steps[row - 1].level_after
            before = level if row == 0 else _before(bridge, row)
            lines.append(
                f'<line x1="{place(before):.1f}" x2="{place(level):.1f}" y1="{middle + offset}" '
                f'y2="{middle + offset}" stroke="{colour}" stroke-width="4"/>'
                f'<circle cx="{place(level):.1f}" cy="{middle + offset}" r="3.5" fill="{colour}"/>'
            )
            factor = "" if row == 0 else f"{times(bridge.steps[row - 1].factor.mid)} = "
            said.append(f"{factor}{cents(level)}")
        lines.append(_figures("; ".join(said), middle))
    middle = top + HEAD + ROW * (rows - 1) + ROW // 2 - 4
    residuals = "; ".join(times(bridge.residual) for bridge in bridges)
    lines += [
        _label("published, per revenue $", middle, prior.published_source),
        _figures(f"{cents(prior.published.mid)}, not explained: {residuals}", middle),
    ]
    return lines


def _before(bridge: Bridge, row: int) -> Decimal:
    return bridge.start if row == 1 else bridge.steps[row - 2].level_after


def _heading(text: str, top: int) -> str:
    return f'<text x="16" y="{top + 26}" font-size="15" font-weight="bold">{escape(text)}</text>'


def _note(text: str, y: int) -> str:
    return f'<text x="16" y="{y}" fill="#666" font-size="11">{escape(text)}</text>'


def _label(text: str, middle: int, title: str = "") -> str:
    about = f"<title>{escape(title)}</title>" if title else ""
    return f'<text x="{LEFT - 10}" y="{middle + 5}" text-anchor="end">{escape(text)}{about}</text>'


def _figures(text: str, middle: int) -> str:
    return f'<text x="{WIDTH - RIGHT + 14}" y="{middle + 5}" font-size="12">{escape(text)}</text>'


def _of_step(step: SectionStep) -> str:
    share = step.share
    ends = "" if share.is_exact else f" ({_percent(share.low)} to {_percent(share.high)})"
    sign = "-" if step.usd.mid < 0 else ""
    return f"{sign}${abs(step.usd.mid):.3g}, {_percent(share.mid)}{ends}"


def _percent(share: Decimal) -> str:
    return f"{100 * float(share):,.3g} %" if abs(share) < 10 else f"{100 * float(share):,.0f} %"


def escape(text: str) -> str:
    """Return a text for an element or attribute of the picture."""
    return html.escape(inert(text))

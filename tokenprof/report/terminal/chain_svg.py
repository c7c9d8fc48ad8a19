"""The billed dollar as a waterfall, drawn as an SVG that refers to nothing outside itself."""

from __future__ import annotations

import html
from decimal import Decimal
from typing import Final

from tokenprof.chain.section import ChainSection, SectionStep
from tokenprof.facts.inert_text import inert
from tokenprof.pricing.chain.layers import WaterfallStepName
from tokenprof.report.terminal.chain_waterfall import chain_heading, step_label

WIDTH: Final = 860
LEFT: Final = 220
RIGHT: Final = 230
ROW: Final = 34
TOP: Final = 56

COLOURS: Final = {
    WaterfallStepName.APPLICATION: "#8e7cc3",
    WaterfallStepName.LAB_MARGIN: "#c27ba0",
    WaterfallStepName.TRAINING: "#e69138",
    WaterfallStepName.GPU_HOUR_MARGIN: "#f1c232",
    WaterfallStepName.CHIPS: "#6aa84f",
    WaterfallStepName.BUILDING: "#45818e",
    WaterfallStepName.POWER: "#3d85c6",
}
NOTE: Final = "bars: middles, which add up to the whole; lines: ranges, where the figure is not public"


def chain_svg(section: ChainSection) -> str:
    """Return a chain's waterfall as SVG: a bar per step from where the last ended, its range as a line."""
    height = TOP + ROW * len(section.waterfall) + 30
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="ui-sans-serif, system-ui, sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="16" y="28" font-size="16" font-weight="bold">{escape(chain_heading(section))}</text>',
    ]
    begun = Decimal(0)
    for row, step in enumerate(section.waterfall):
        lines += _bar(step, begun, TOP + ROW * row)
        begun += step.share.mid
    lines.append(f'<text x="16" y="{height - 10}" fill="#666" font-size="11">{NOTE}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _bar(step: SectionStep, begun: Decimal, top: int) -> list[str]:
    """Return a step as a bar that begins at a share of the dollar, with its label, range and figures."""
    start, end = sorted((_place(begun), _place(begun + step.share.mid)))
    low, high = _place(begun + step.share.low), _place(begun + step.share.high)
    middle = top + ROW // 2 - 4
    lines = [
        f'<text x="{LEFT - 10}" y="{middle + 5}" text-anchor="end">{escape(step_label(step.name))}</text>',
        f'<rect x="{start:.1f}" y="{top}" width="{max(end - start, Decimal(1)):.1f}" height="{ROW - 10}" '
        f'fill="{COLOURS[step.name]}"><title>{escape(step.source)}</title></rect>',
    ]
    if low != high:
        lines.append(
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" '
            'stroke="#333" stroke-opacity="0.6"/>'
        )
    figures = escape(_figures(step))
    return [*lines, f'<text x="{WIDTH - RIGHT + 12}" y="{middle + 5}">{figures}</text>']


def _place(share: Decimal) -> Decimal:
    """Return where a share of the dollar lies on the picture, kept within the dollar."""
    return LEFT + Decimal(WIDTH - LEFT - RIGHT) * min(max(share, Decimal(0)), Decimal(1))


def _figures(step: SectionStep) -> str:
    share = step.share
    ends = "" if share.is_exact else f" ({100 * share.low:.1f} to {100 * share.high:.1f} %)"
    return f"${step.usd.mid:.4g}, {100 * share.mid:.1f} %{ends}"


def escape(text: str) -> str:
    """Return a text for an element or attribute of the picture."""
    return html.escape(inert(text))

"""The billed dollar as a waterfall, drawn: an SVG that needs nothing from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from html import escape
from typing import Any, Final

from tokenprof.report.terminal.chain_text import SHORT, chain_heading

WIDTH: Final = 860
LEFT: Final = 220
RIGHT: Final = 230
ROW: Final = 34
TOP: Final = 56

COLOURS: Final = {
    "application or aggregator": "#8e7cc3",
    "lab margin: everything else, and profit": "#c27ba0",
    "training": "#e69138",
    "GPU-hour margin": "#f1c232",
    "chips": "#6aa84f",
    "building": "#45818e",
    "power": "#3d85c6",
}
OTHER: Final = "#888888"


def chain_svg(chain: Mapping[str, Any]) -> str:
    """Return a chain's waterfall as SVG: a bar per step from where the last ended, its range as a line."""
    steps = chain["waterfall"]
    room = Decimal(WIDTH - LEFT - RIGHT)
    height = TOP + ROW * len(steps) + 30
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="ui-sans-serif, system-ui, sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="16" y="28" font-size="16" font-weight="bold">{escape(chain_heading(chain))}</text>',
    ]

    def place(share: Decimal) -> Decimal:
        return LEFT + room * min(max(share, Decimal(0)), Decimal(1))

    begun = Decimal(0)
    for row, step in enumerate(steps):
        share = {end: Decimal(step["share"][end]) for end in ("low", "mid", "high")}
        top = TOP + ROW * row
        start, end = sorted((place(begun), place(begun + share["mid"])))
        low, high = place(begun + share["low"]), place(begun + share["high"])
        middle = top + ROW // 2 - 4
        name = SHORT.get(step["name"], step["name"])
        lines += [
            f'<text x="{LEFT - 10}" y="{middle + 5}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{start:.1f}" y="{top}" width="{max(end - start, Decimal(1)):.1f}" height="{ROW - 10}" '
            f'fill="{COLOURS.get(step["name"], OTHER)}"><title>{escape(step["source"])}</title></rect>',
        ]
        if low != high:
            lines.append(
                f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" '
                'stroke="#333" stroke-opacity="0.6"/>'
            )
        lines.append(
            f'<text x="{WIDTH - RIGHT + 12}" y="{middle + 5}">{escape(_figures(step["usd"], share))}</text>'
        )
        begun += share["mid"]
    note = "bars: middles, which add up to the whole; lines: ranges, where the truth is not public"
    lines.append(f'<text x="16" y="{height - 10}" fill="#666" font-size="11">{note}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _figures(usd: Mapping[str, str], share: Mapping[str, Decimal]) -> str:
    known = share["low"] == share["high"]
    between = "" if known else f" ({100 * share['low']:.1f} to {100 * share['high']:.1f} %)"
    return f"${Decimal(usd['mid']):.4g}, {100 * share['mid']:.1f} %{between}"

"""The chain as text: where a billed dollar goes, section by section."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.chain.chain_detail import ChainDetail
from tokenprof.chain.section import ChainSection
from tokenprof.pricing.chain.figures import Figure
from tokenprof.report.terminal.chain_bridge import bridge_lines, evidence_lines
from tokenprof.report.terminal.chain_hardware import (
    generation_lines,
    latency_lines,
    technique_lines,
    utilisation_lines,
    waiting_lines,
)
from tokenprof.report.terminal.chain_numbers import plain
from tokenprof.report.terminal.chain_prices import (
    application_lines,
    layer_lines,
    path_lines,
    shaped_lines,
    spread_lines,
    tool_lines,
)
from tokenprof.report.terminal.chain_waterfall import accounts_lines, margin_lines, waterfall_lines
from tokenprof.report.terminal.grid import paragraph
from tokenprof.report.terminal.wording import SOFT

_ASCII: Final = str.maketrans("×–—…·█▉▊▋▌▍▎▏", "x--.-#######-")


def chain_lines(
    section: ChainSection, console: Console, *, detail: ChainDetail | None = None, brief: bool = False
) -> list[Text]:
    """Return a chain as lines.

    `brief` is what a report shows in full: the waterfalls, the margins and the bridge to published ones.
    `detail` is what `tokenprof chain` adds.
    """
    parts = [
        waterfall_lines(section, console),
        accounts_lines(section, console),
        margin_lines(section, console),
        bridge_lines(section, console),
        evidence_lines(section, console),
    ]
    if not brief:
        parts += [
            layer_lines(section, console),
            path_lines(section, console),
            application_lines(section, console),
            spread_lines(section, console),
        ]
        parts += [] if detail is None else _detail_parts(section, detail, console)
        parts += [shaped_lines(section.cost_shaped, console), _assumption_lines(section, console)]
    lines: list[Text] = []
    for part in parts:
        lines += [Text(), *part] if lines and part else part
    return lines


def render_chain(section: ChainSection, console: Console, detail: ChainDetail | None = None) -> None:
    """Print a chain to a console, in the console's width."""
    for line in chain_lines(section, console, detail=detail):
        console.print(in_ascii(line) if console.options.ascii_only else line, soft_wrap=True, highlight=False)


def chain_text(section: ChainSection, detail: ChainDetail | None = None, width: int = 80) -> str:
    """Return a chain as plain text of a width [columns]."""
    page, console = _page(width)
    render_chain(section, console, detail)
    return page.getvalue()


def in_ascii(line: Text) -> Text:
    """Return a line for a terminal that knows only ASCII, one character for one, so that columns align."""
    text = line.plain.translate(_ASCII).encode("ascii", "replace").decode("ascii")
    return Text(text, spans=line.spans, style=line.style)


def _detail_parts(section: ChainSection, detail: ChainDetail, console: Console) -> Iterable[list[Text]]:
    yield utilisation_lines(detail.sweeps, console)
    yield generation_lines(detail.sweeps, console)
    yield technique_lines(detail.techniques, console)
    yield waiting_lines(detail.waiting, console)
    yield latency_lines(detail.latency, console)
    yield tool_lines(detail.tool_payments, console)


def _assumption_lines(section: ChainSection, console: Console) -> list[Text]:
    lines = [Text("What this rests on", "bold")]
    for row in section.assumptions:
        text = f"{row.name}: {row.source}"
        if isinstance(row, Figure):
            mark = ", assumed" if row.assumed else ""
            value = row.value
            text = (
                f"{row.name} {plain(value.mid)} ({plain(value.low)}-{plain(value.high)}{mark}): {row.source}"
            )
        lines += paragraph(Text(text, SOFT), console, lead=Text("· ", SOFT), indent=2)
    return lines


def _page(width: int) -> tuple[StringIO, Console]:
    """Return a page to write on, and a console of a width that writes on it without colour."""
    page = StringIO()
    return page, Console(
        file=page, width=width, color_system=None, force_terminal=False, legacy_windows=False
    )

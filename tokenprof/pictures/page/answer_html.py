"""The first screen of the page as HTML, so that the answer is there before any script has run."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from tokenprof.facts.inert_text import inert

if TYPE_CHECKING:
    from tokenprof.pictures.views.answer import ClassLine, SavingChange
    from tokenprof.pictures.views.page_data import PageData

CLASS_COLOURS: Final = {
    "uncached_input": "fresh",
    "cache_read": "read",
    "output": "output",
    "reasoning": "output",
    "fee": "fee",
}


def text(value: str) -> str:
    """Return text that others chose for a place in HTML: escaped, without what hides or reverses text."""
    return escape(inert(value), quote=True)


def answer_html(data: PageData) -> str:
    """Return the section that says what the run cost, what drove that, and what to change."""
    answer = data.answer
    at_least = "at least " if answer.is_lower_bound else ""
    parts = [
        '<section id="answer" class="answer" aria-labelledby="h-answer">',
        f'<h1 id="h-answer">{text(data.title)}</h1>',
        '<dl class="figures">',
        f'<div><dt>billed {at_least}</dt><dd class="money">{text(answer.billed)}</dd></div>',
        f'<div><dt>to compute, estimated</dt><dd class="compute">'
        f"{text(_middle(answer.compute))}<small>{text(_ends(answer.compute))}</small></dd></div>",
        f"<div><dt>billed ÷ compute</dt><dd>{text(answer.ratio)}"
        f"<small>{text(answer.ratio_range)}</small></dd></div>",
        "</dl>",
        f'<p class="driver">{text(answer.driver)}</p>',
        f'<p class="soft">{text(answer.about)}</p>',
        _classes(answer.classes),
        _changes(answer.changes),
        _warnings(answer.warnings),
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _middle(interval: str) -> str:
    """Return the figure in brackets of `$0.34–6.43 ($1.48)`, or all of it."""
    return interval.partition("(")[2].rstrip(")") or interval


def _ends(interval: str) -> str:
    """Return `$0.34–6.43` of `$0.34–6.43 ($1.48)`."""
    return interval.partition(" (")[0]


def _classes(lines: tuple[ClassLine, ...]) -> str:
    shown = [line for line in lines if line.share]
    if not shown:
        return ""
    rows = "".join(
        '<li><svg width="11" height="11" aria-hidden="true">'
        f'<rect width="11" height="11" rx="3" class="k-{_colour(line)}"/></svg>'
        f" {text(line.label)} <strong>{text(line.billed)}</strong> "
        f'<span class="soft">{text(line.share_text)}</span></li>'
        for line in shown
    )
    left, bars = 0.0, []
    for line in shown:
        share = 100 * (line.share or 0)
        bars.append(f'<rect x="{left:.3f}%" width="{share:.3f}%" height="14" class="k-{_colour(line)}"/>')
        left += share
    return (
        f'<svg class="class-bar" width="100%" height="14" aria-hidden="true">{"".join(bars)}</svg>'
        f'<ul class="class-list" aria-label="What the bill is for">{rows}</ul>'
    )


def _colour(line: ClassLine) -> str:
    return CLASS_COLOURS.get(line.name, "written")


def _changes(changes: tuple[SavingChange, ...]) -> str:
    if not changes:
        return '<p class="soft">No finding promises a saving for this run.</p>'
    return f'<h2 class="hidden">What to change</h2><ol class="changes">{"".join(map(_change, changes))}</ol>'


def _change(change: SavingChange) -> str:
    turns = ",".join(map(str, (change.turns[0], change.turns[-1]))) if change.turns else ""
    command = f"<code>{text(change.command)}</code>" if change.command else ""
    button = f'<button type="button" data-turns="{turns}">Show the turns</button>' if turns else ""
    return (
        f'<li><span class="saves">saves {text(change.saves)} ({text(change.share)})</span>'
        f"<strong>{text(change.title)}</strong><p>{text(change.detail)}</p>{command}{button}</li>"
    )


def _warnings(warnings: tuple[str, ...]) -> str:
    if not warnings:
        return ""
    items = "".join(f"<li>{text(warning)}</li>" for warning in warnings)
    return f'<div class="warnings"><strong>What this leaves out</strong><ul>{items}</ul></div>'

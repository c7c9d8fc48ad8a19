"""The answer as Markdown: for a pull request, a chat or a wiki."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from tokenprof.facts.inert_text import markdown_text
from tokenprof.pictures.views.answer import Answer
from tokenprof.pictures.views.cache_events import MissMark
from tokenprof.pictures.views.names import shown
from tokenprof.pictures.views.page_data import GroupLine
from tokenprof.report import numbers
from tokenprof.report.document import Report
from tokenprof.report.phrases import kind_and_name, named_call

ROWS: Final = 10
BLOCKS: Final = 8


def markdown(
    title: str,
    answer: Answer,
    groups: Sequence[GroupLine],
    misses: Sequence[MissMark],
    report: Report,
) -> str:
    """Return what a run cost, what to change and what it was for, as tables of Markdown."""
    return "\n".join(_lines(title, answer, groups, misses, report)) + "\n"


def _lines(
    title: str,
    answer: Answer,
    groups: Sequence[GroupLine],
    misses: Sequence[MissMark],
    report: Report,
) -> Iterator[str]:
    yield f"# {markdown_text(title)}\n"
    yield f"**{markdown_text(answer.headline)}**\n"
    if answer.driver:
        yield f"{markdown_text(answer.driver)}\n"
    yield f"{markdown_text(answer.about)}\n"
    if answer.changes:
        yield "## What to change\n"
        for place, change in enumerate(answer.changes, start=1):
            said, detail = markdown_text(change.title), markdown_text(change.detail)
            yield f"{place}. **saves {change.saves} ({change.share})**: {said}. {detail}"
        yield ""
    yield from _table(
        "What the bill is for",
        ("price class", "tokens", "billed", "compute, estimated", "billed ÷ compute"),
        (
            (line.label, numbers.tokens(line.tokens), line.billed, line.compute, line.ratio)
            for line in answer.classes
        ),
    )
    own = [group for group in groups if group.kind in ("tool", "skill")]
    yield from _table(
        "Tools and skills",
        ("kind", "name", "billed tokens", "billed"),
        (
            (group.kind, group.name, numbers.tokens(group.billed_tokens), numbers.usd(group.billed_usd))
            for group in sorted(own, key=lambda each: -(each.billed_usd or Decimal(0)))
        ),
    )
    costliest = sorted(report.rows.blocks, key=lambda row: -(row.known_usd or Decimal(0)))[:BLOCKS]
    yield from _table(
        "Most expensive blocks",
        ("block", "tokens", "turns", "billed over the run"),
        (
            (
                kind_and_name(row.kind, shown(named_call(row.name, row.label))),
                numbers.tokens(row.tokens),
                f"{row.turns_carried:,}",
                numbers.usd(row.known_usd),
            )
            for row in costliest
            if row.known_usd
        ),
    )
    yield from _table(
        "Cache misses",
        ("turn", "cause", "first changed block", "tokens", "extra"),
        (
            (
                str(miss.turn),
                miss.cause_in_words,
                miss.block,
                numbers.tokens(miss.tokens),
                numbers.usd(miss.usd),
            )
            for miss in misses
        ),
    )
    if answer.warnings:
        yield "## What this leaves out\n"
        yield from (f"- {markdown_text(warning)}" for warning in answer.warnings)
        yield ""
    yield "Compute is an estimate and always a range; it is never added to the bill."


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a table with the first rows, and how many more there are; nothing without rows."""
    every = list(rows)
    if not every:
        return
    yield f"## {title}\n"
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in every[:ROWS]:
        yield "| " + " | ".join(map(markdown_text, row)) + " |"
    if len(every) > ROWS:
        yield f"\n… and {len(every) - ROWS} more."
    yield ""

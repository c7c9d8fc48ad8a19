"""The turns summed by tag, by agent, by model and by day."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.analysis.rows.row_types import RunRows, TurnRow
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.adding import exact_sum_usd
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import printable, unknown_state
from tokenprof.report.terminal.grid import Aside, Column, TableRow, table
from tokenprof.report.terminal.wording import BAD, MID, MONEY, namer, together

_SLICE_COLUMNS: Final = (
    Column("", "left", flex=True, comfort=16),
    Column("turns"),
    Column("prompts"),
    Column("cached", gap=1),
    Column("output", gap=1, drop=1),
    Column("billed", style=MONEY),
    Column("share", gap=1, drop=2),
    Column("", "left", gap=1, drop=3),
    Column("", "left", gap=1),
)


def slice_tables(rows: RunRows, console: Console, most: int) -> list[Text]:
    """Return the turns summed by tag, agent, model and day: each of them that tells turns apart otherwise.

    `most` is how many rows each table has.
    """
    named = any(turn.agent is not None for turn in rows.turns)
    keys: dict[str, Callable[[TurnRow], str]] = {
        "By tag": lambda turn: " ".join(f"{key}={value}" for key, value in sorted(turn.tags.items())),
        "By agent" if named else "By context": namer(rows.turns),
        "By model": lambda turn: turn.model or numbers.UNKNOWN,
        "By day": lambda turn: numbers.UNKNOWN if turn.at is None else f"{turn.at.astimezone(UTC):%Y-%m-%d}",
    }
    lines: list[Text] = []
    known: set[frozenset[tuple[int, ...]]] = set()
    for title, key in keys.items():
        sliced = _sliced(rows.turns, key)
        division = frozenset(tuple(turn.index for turn in own) for own in sliced.values())
        if len(sliced) < 2 or division in known:
            continue
        known.add(division)
        lines += [Text()] if lines else []
        slices = {name: _slice_of(own) for name, own in sliced.items()}
        lines += slice_table(title, slices, rows.totals.billed_usd, console, most)
    return lines


@frozen
class TurnSlice:
    """Some turns summed. `known_usd` is None if none of them has a bill, counts if none has usage."""

    turns: int
    prompt_tokens: int | None
    read_tokens: int
    output_tokens: int | None
    known_usd: Decimal | None
    unknown: Mapping[str, int]


def _slice_of(own: Sequence[TurnRow]) -> TurnSlice:
    usages = [turn.usage for turn in own if turn.usage is not None]
    return TurnSlice(
        turns=len(own),
        prompt_tokens=sum(turn.context_tokens or 0 for turn in own) if usages else None,
        read_tokens=sum(usage.cache_read_tokens for usage in usages),
        output_tokens=sum(usage.all_output_tokens for usage in usages) if usages else None,
        known_usd=exact_sum_usd(turn.billed_usd for turn in own),
        unknown=Counter(state for turn in own if (state := unknown_state(turn))),
    )


def slice_table(
    title: str,
    slices: Mapping[str, TurnSlice],
    whole_usd: Decimal | None,
    console: Console,
    most: int,
) -> list[Text]:
    """Return a table of some slices of all turns, the most expensive first."""
    billed = {name: each.known_usd for name, each in slices.items()}
    ranked = sorted(slices, key=lambda name: billed[name] or Decimal(0), reverse=True)
    shown = ranked[:most]
    decimals = numbers.decimals_for(billed[name] for name in shown)
    shares = {name: numbers.fraction(billed[name], whole_usd) for name in shown}
    rows: list[TableRow | Aside] = []
    for name in shown:
        own = slices[name]
        cells: list[str | Text] = [
            printable(name) or "(none)",
            f"{own.turns:,}",
            numbers.tokens(own.prompt_tokens),
            numbers.percent(numbers.fraction(own.read_tokens, own.prompt_tokens)),
            numbers.tokens(own.output_tokens),
            numbers.usd(billed[name], decimals),
            numbers.percent(shares[name]),
            Text(numbers.bar(shares[name], shares[shown[0]], 6), MID),
            Text(" ".join(f"+ {number} {state}" for state, number in own.unknown.items()), BAD),
        ]
        rows.append(TableRow(cells))
    if len(ranked) > len(shown):
        left_out = together((billed[name] for name in ranked[most:]), whole_usd)
        rows.append(Aside(f"… {len(ranked) - len(shown)} more, {left_out}"))
    return table(title, _SLICE_COLUMNS, rows, console)


def _sliced(turns: Sequence[TurnRow], key: Callable[[TurnRow], str]) -> dict[str, list[TurnRow]]:
    sliced: dict[str, list[TurnRow]] = defaultdict(list)
    for turn in turns:
        sliced[key(turn)].append(turn)
    return dict(sliced)

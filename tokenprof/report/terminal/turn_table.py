"""The turns in time order, and their sums by tag and by agent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.analysis.rows.row_types import RunRows, TurnRow
from tokenprof.costing.cache_misses import CacheMiss
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import printable, unknown_state, without_price
from tokenprof.report.terminal.grid import Aside, Column, TableRow, table
from tokenprof.report.terminal.wording import (
    AT_LEAST,
    BAD,
    MID,
    MONEY,
    SOFT,
    WARN,
    namer,
    together,
    weight_of_turn,
)

_MOST_SLICES: Final = 20

_TURN_COLUMNS: Final = (
    Column("#"),
    Column("at", "left", drop=3),
    Column("who", "left", flex=True, comfort=10),
    Column("model", "left", flex=True, comfort=16, drop=4),
    Column("prompt"),
    Column("cached", gap=1),
    Column("output", gap=1),
    Column("billed", style=MONEY, gap=1),
    Column("compute est.", style=MID),
    Column("", "left", gap=1, drop=2),
    Column("ratio", gap=1),
    Column("", "left", gap=1, drop=5),
    Column("", "left", drop=6),
)

_SLICE_COLUMNS: Final = (
    Column("", "left", flex=True, comfort=16),
    Column("turns"),
    Column("prompts"),
    Column("cached", gap=1),
    Column("output", gap=1),
    Column("billed", style=MONEY),
    Column("share", gap=1),
    Column("", "left", gap=1, drop=1),
    Column("", "left", gap=1),
)


def turn_table(rows: RunRows, console: Console, limit: int | None) -> list[Text]:
    """Return the turns in time order; past about `limit`, the first, the most expensive and the last."""
    turns = rows.turns
    if not turns:
        return []
    shown = _abridged(turns, limit)
    billed_decimals = numbers.decimals_for(turn.billed_usd for turn in shown)
    compute_decimals = numbers.estimate_decimals(turn.hardware_usd for turn in shown)
    name_of = {block.id: block.name for block in rows.blocks}
    who, clock = namer(turns), _clock(turns)
    several_models = len({turn.model for turn in turns}) > 1
    most_usd = max(turn.billed_usd or Decimal(0) for turn in turns)

    def row(turn: TurnRow) -> TableRow:
        usage, estimate, ratios = turn.usage, turn.hardware_usd, turn.price_to_cost
        lower_bound = AT_LEAST if turn.output_incomplete and usage is not None else ""
        read = None if usage is None else numbers.fraction(usage.cache_read_tokens, turn.context_tokens)
        cells: list[str | Text] = [
            Text(str(turn.index), SOFT),
            Text(clock(turn), SOFT),
            who(turn),
            printable(turn.model or numbers.UNKNOWN) if several_models else "",
            numbers.tokens(turn.context_tokens),
            numbers.percent(read),
            lower_bound + numbers.tokens(None if usage is None else usage.all_output_tokens),
            _billed(turn, billed_decimals, lower_bound),
            numbers.mid_usd(estimate, compute_decimals),
            Text(numbers.usd_range(estimate, compute_decimals), SOFT),
            Text(numbers.mid_ratio(ratios), "bold"),
            Text(numbers.ratio_range(ratios), SOFT),
            Text(numbers.bar(turn.billed_usd, most_usd, 16), MID),
        ]
        return TableRow(cells, notes=_notes(turn, name_of))

    return table("Turns", _TURN_COLUMNS, _with_gaps(turns, shown, row), console)


def slice_tables(rows: RunRows, console: Console) -> list[Text]:
    """Return the turns summed by tag if tags differ, and by agent if there are several."""
    turns = rows.turns
    by_tag = _sliced(turns, lambda turn: " ".join(f"{k}={v}" for k, v in sorted(turn.tags.items())))
    by_who = _sliced(turns, namer(turns))
    whole_usd = rows.totals.billed_usd
    lines: list[Text] = []
    if len(by_tag) > 1:
        lines += _slice_table("By tag", by_tag, whole_usd, console)
    if len(by_who) > 1 and len(by_who) != len(by_tag):
        lines += [Text()] if lines else []
        named = any(turn.agent is not None for turn in turns)
        lines += _slice_table("By agent" if named else "By context", by_who, whole_usd, console)
    return lines


def _slice_table(
    title: str, sliced: Mapping[str, Sequence[TurnRow]], whole_usd: Decimal | None, console: Console
) -> list[Text]:
    billed = {name: numbers.sum_usd(turn.billed_usd for turn in own) for name, own in sliced.items()}
    ranked = sorted(sliced, key=lambda name: billed[name] or Decimal(0), reverse=True)
    shown = ranked[:_MOST_SLICES]
    decimals = numbers.decimals_for(billed[name] for name in shown)
    shares = {name: numbers.fraction(billed[name], whole_usd) for name in shown}
    rows: list[TableRow | Aside] = []
    for name in shown:
        own = sliced[name]
        usages = [turn.usage for turn in own if turn.usage is not None]
        prompt = sum(turn.context_tokens or 0 for turn in own) if usages else None
        read = sum(usage.cache_read_tokens for usage in usages)
        output = sum(usage.all_output_tokens for usage in usages) if usages else None
        unknown = Counter(state for turn in own if (state := unknown_state(turn)))
        cells: list[str | Text] = [
            printable(name) or "(none)",
            f"{len(own):,}",
            numbers.tokens(prompt),
            numbers.percent(numbers.fraction(read, prompt)),
            numbers.tokens(output),
            numbers.usd(billed[name], decimals),
            numbers.percent(shares[name]),
            Text(numbers.bar(shares[name], shares[shown[0]], 6), MID),
            Text(" ".join(f"+ {number} {state}" for state, number in unknown.items()), BAD),
        ]
        rows.append(TableRow(cells))
    if len(ranked) > len(shown):
        rows.append(Aside(f"… {len(ranked) - len(shown)} more"))
    return table(title, _SLICE_COLUMNS, rows, console)


def _billed(turn: TurnRow, decimals: int, lower_bound: str) -> Text:
    unknown = unknown_state(turn)
    return Text(unknown, BAD) if unknown else Text(lower_bound + numbers.usd(turn.billed_usd, decimals))


def _notes(turn: TurnRow, name_of: Mapping[str, str]) -> list[Text]:
    """Return what is unusual about a turn, as lines to hang under it."""
    notes: list[Text] = []
    if turn.status == "error":
        notes.append(Text("ended in an error", BAD))
    elif turn.status == "partial":
        notes.append(Text("cut off before its end: the output is at least what was counted", BAD))
    elif turn.output_rest_in:
        notes.append(Text("the rest of its output is counted in another turn", SOFT))
    elif turn.output_incomplete:
        notes.append(Text("the source lacks its final output count: the output is at least this", BAD))
    if not turn.is_measured:
        notes.append(Text("the provider reported no usage", BAD))
    elif turn.is_unpriced:
        notes.append(Text(f"no price known for {printable(without_price(turn))}", BAD))
    if turn.cache_miss is not None and turn.cache_miss.cause != "first_use":
        notes.append(Text(_miss(turn.cache_miss, name_of), WARN))
    if turn.attempts > 1:
        notes.append(Text(f"{turn.attempts} attempts, the last one billed", SOFT))
    return notes


def _miss(miss: CacheMiss, name_of: Mapping[str, str]) -> str:
    """Return a cache miss in words: `cache miss, changed: starting at bash, its description, …`."""
    cause = miss.cause.replace("_", " ").replace("ttl", "TTL")
    parts = []
    if miss.block is not None:
        parts.append(f"starting at {printable(name_of.get(miss.block, miss.block))}")
    if miss.field:
        # An expiry says how long the entry lay idle; everything else names what changed.
        is_part = miss.block is not None and miss.cause != "ttl_expired"
        parts.append(f"its {printable(miss.field)}" if is_part else printable(miss.field))
    parts.append(f"{miss.tokens:,} tokens")
    parts.append("cost unknown" if miss.usd is None else f"+{numbers.usd(miss.usd)}")
    return f"cache miss, {cause}: {', '.join(parts)} (by {miss.evidence})"


def _abridged(turns: Sequence[TurnRow], limit: int | None) -> Sequence[TurnRow]:
    """Return about `limit` turns in order: half from the two ends, half the most expensive between them.

    A single turn between two that are shown is shown too, instead of a line that leaves it out.
    """
    if limit is None or len(turns) <= limit:
        return turns
    edge = max(1, limit // 4)
    places = range(edge, len(turns) - edge)
    by_weight = sorted(places, key=lambda place: weight_of_turn(turns[place]), reverse=True)
    between = by_weight[: max(0, limit - 2 * edge)]
    kept = {*range(edge), *between, *range(len(turns) - edge, len(turns))}
    kept |= {place for place in places if {place - 1, place + 1} <= kept}
    return [turns[place] for place in sorted(kept)]


def _with_gaps(
    turns: Sequence[TurnRow], shown: Sequence[TurnRow], row: Callable[[TurnRow], TableRow]
) -> list[TableRow | Aside]:
    """Return rows of the shown turns, with a line for each stretch that is left out."""
    keep = {turn.index for turn in shown}
    body: list[TableRow | Aside] = []
    gap: list[TurnRow] = []
    for turn in turns:
        if turn.index not in keep:
            gap.append(turn)
            continue
        if gap:
            left_out = together(each.billed_usd for each in gap)
            body.append(Aside(f"   … {len(gap):,} turns left out, {left_out}"))
            gap = []
        body.append(row(turn))
    return body


def _sliced(turns: Sequence[TurnRow], key: Callable[[TurnRow], str]) -> dict[str, list[TurnRow]]:
    sliced: dict[str, list[TurnRow]] = defaultdict(list)
    for turn in turns:
        sliced[key(turn)].append(turn)
    return dict(sliced)


def _clock(turns: Sequence[TurnRow]) -> Callable[[TurnRow], str]:
    """Return a function that writes when a turn began, in UTC: the time alone if all fall on one day."""
    days = {turn.at.astimezone(UTC).date() for turn in turns if turn.at is not None}
    form = "%H:%M:%S" if len(days) <= 1 else "%m-%d %H:%M"

    def write(turn: TurnRow) -> str:
        return numbers.UNKNOWN if turn.at is None else turn.at.astimezone(UTC).strftime(form)

    return write

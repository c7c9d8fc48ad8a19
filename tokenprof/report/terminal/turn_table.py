"""The turns in time order, with what is unusual about each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.analysis.rows.row_types import RunRows, TurnRow
from tokenprof.costing.cache_misses import CacheMiss
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import printable, unknown_state, without_price
from tokenprof.report.terminal.grid import Aside, Column, TableRow, paragraph, table
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

_NOTES_REPEATED: Final = 3
"""A note that more turns than these have is said once, under the table."""

_SHORT_OUTPUT: Final = "the source lacks its final output count: the output is at least this"

_FIELDS_IN_WORDS: Final = {"added": "which is new", "cleared": "which was cleared"}
"""Values of a miss's field that name no part of a block."""

_TURN_COLUMNS: Final = (
    Column("#"),
    Column("at", "left", drop=4),
    Column("who", "left", flex=True, comfort=10),
    Column("model", "left", flex=True, comfort=16, drop=5),
    Column("prompt"),
    Column("cached", gap=1),
    Column("output", gap=1),
    Column("billed", style=MONEY, gap=1),
    Column("compute est.", style=MID, drop=1),
    Column("", "left", gap=1, drop=3),
    Column("ratio", gap=1),
    Column("", "left", gap=1, drop=6),
    Column("", "left", drop=7),
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
    counted = Counter(_told_once(note.plain) for turn in turns for note in _notes(turn, name_of))
    repeated = {text: count for text, count in counted.items() if count > _NOTES_REPEATED}

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
        notes = [note for note in _notes(turn, name_of) if _told_once(note.plain) not in repeated]
        return TableRow(cells, notes=notes)

    lines = table("Turns", _TURN_COLUMNS, _with_gaps(turns, shown, row), console)
    for text in _common_notes(turns, repeated):
        lines += paragraph(Text(text, SOFT), console, indent=2)
    return lines


def _billed(turn: TurnRow, decimals: int, lower_bound: str) -> Text:
    unknown = unknown_state(turn)
    return Text(unknown, BAD) if unknown else Text(lower_bound + numbers.usd(turn.billed_usd, decimals))


def _common_notes(turns: Sequence[TurnRow], repeated: Mapping[str, int]) -> Iterator[str]:
    """Yield a line for each note that many turns share, in place of one under each of them."""
    for text, count in repeated.items():
        of_all = "every turn" if count == len(turns) else f"{count:,} of {len(turns):,} turns"
        yield f"{of_all}: {text}"


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
        notes.append(Text(_short_output(turn), BAD))
    if not turn.is_measured:
        reason = "its counts cannot be used" if turn.notes else "the provider reported no usage"
        notes.append(Text(reason, BAD))
    elif turn.is_unpriced:
        notes.append(Text(f"no price known for {printable(without_price(turn))}", BAD))
    if turn.cache_miss is not None and turn.cache_miss.cause != "first_use":
        notes.append(Text(_miss(turn.cache_miss, name_of), WARN))
    if turn.attempts > 1:
        notes.append(Text(f"{turn.attempts} attempts, the last one billed", SOFT))
    return notes


def _short_output(turn: TurnRow) -> str:
    found = turn.output_tokens_estimate
    if found is None:
        return _SHORT_OUTPUT
    low, mid, high = (numbers.tokens(round(end)) for end in (found.low, found.mid, found.high))
    return f"{_SHORT_OUTPUT}, and by what the next prompt repeats about {mid} tokens ({low} to {high})"


def _told_once(note: str) -> str:
    """Return what notes of many turns have in common: an estimate of each is in the warning below."""
    return _SHORT_OUTPUT if note.startswith(_SHORT_OUTPUT) else note


def _miss(miss: CacheMiss, name_of: Mapping[str, str]) -> str:
    """Return a cache miss in words: `cache miss, changed: starting at bash, its description, …`."""
    cause = miss.cause.replace("_", " ").replace("ttl", "TTL")
    parts = []
    if miss.block is not None:
        parts.append(f"starting at {printable(name_of.get(miss.block, miss.block))}")
    if miss.field:
        # An expiry says how long the entry lay idle; everything else names what changed.
        is_part = miss.block is not None and miss.cause != "ttl_expired"
        field = _FIELDS_IN_WORDS.get(miss.field)
        parts.append(field or (f"its {printable(miss.field)}" if is_part else printable(miss.field)))
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


def _clock(turns: Sequence[TurnRow]) -> Callable[[TurnRow], str]:
    """Return a function that writes when a turn began, in UTC: the time alone if all fall on one day."""
    days = {turn.at.astimezone(UTC).date() for turn in turns if turn.at is not None}
    form = "%H:%M:%S" if len(days) <= 1 else "%m-%d %H:%M"

    def write(turn: TurnRow) -> str:
        return numbers.UNKNOWN if turn.at is None else turn.at.astimezone(UTC).strftime(form)

    return write

"""The turns in time order, and their sums by tag and by agent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.report import numbers
from tokenprof.report.labels_in_words import printable
from tokenprof.report.terminal.grid import Aside, Column, TableRow, table
from tokenprof.report.terminal.wording import (
    BAD,
    MID,
    MONEY,
    SOFT,
    WARN,
    Json,
    namer,
    together,
    unknown_state,
    weight,
    without_price,
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


def turn_table(report: Json, console: Console, limit: int | None) -> list[Text]:
    """Return the turns in time order; past about `limit`, the first, the dearest and the last of them."""
    turns: Sequence[Json] = report["turns"]
    if not turns:
        return []
    shown = _abridged(turns, limit)
    billed_decimals = numbers.decimals_for(turn["billed_usd"] for turn in shown)
    compute_decimals = numbers.estimate_decimals(turn["hardware_usd"] for turn in shown)
    name_of = {block["id"]: block["name"] for block in report["blocks"]}
    who, clock = namer(turns), _clock(turns)
    several_models = len({turn["model"] for turn in turns}) > 1
    dearest = max((Decimal(turn["billed_usd"] or 0) for turn in turns), default=None)

    def row(turn: Json) -> TableRow:
        usage, estimate, ratios = turn["usage"], turn["hardware_usd"], turn.get("price_to_cost")
        lower_bound = "≥" if turn.get("output_incomplete") and usage is not None else ""
        billed = None if turn["billed_usd"] is None else Decimal(turn["billed_usd"])
        cells: list[str | Text] = [
            Text(str(turn["index"]), SOFT),
            Text(clock(turn), SOFT),
            who(turn),
            printable(turn["model"] or numbers.UNKNOWN) if several_models else "",
            numbers.tokens(turn["context_tokens"]),
            numbers.percent(numbers.fraction(usage["cache_read"], turn["context_tokens"]) if usage else None),
            lower_bound + numbers.tokens(usage["output"] + usage["reasoning"] if usage else None),
            _billed(turn, billed_decimals, lower_bound),
            numbers.mid_usd(estimate, compute_decimals),
            Text(numbers.usd_range(estimate, compute_decimals), SOFT),
            Text(numbers.ratio(ratios["mid"] if ratios else None), "bold"),
            Text(numbers.ratio_range(ratios), SOFT),
            Text(numbers.bar(billed, dearest, 16), MID),
        ]
        return TableRow(cells, notes=_notes(turn, name_of))

    return table("Turns", _TURN_COLUMNS, _with_gaps(turns, shown, row), console)


def slice_tables(report: Json, console: Console) -> list[Text]:
    """Return the turns summed by tag where tags differ, and by agent where there are several."""
    turns: Sequence[Json] = report["turns"]
    by_tag = _sliced(turns, lambda turn: " ".join(f"{k}={v}" for k, v in sorted(turn["tags"].items())))
    by_who = _sliced(turns, namer(turns))
    lines: list[Text] = []
    if len(by_tag) > 1:
        lines += _slice_table("By tag", by_tag, report, console)
    if len(by_who) > 1 and len(by_who) != len(by_tag):
        lines += [Text()] if lines else []
        named = any(turn["agent"] is not None for turn in turns)
        lines += _slice_table("By agent" if named else "By context", by_who, report, console)
    return lines


def _slice_table(
    title: str, sliced: Mapping[str, Sequence[Json]], report: Json, console: Console
) -> list[Text]:
    billed = {name: numbers.sum_usd(turn["billed_usd"] for turn in own) for name, own in sliced.items()}
    ranked = sorted(sliced, key=lambda name: Decimal(billed[name] or 0), reverse=True)
    shown = ranked[:_MOST_SLICES]
    decimals = numbers.decimals_for(billed[name] for name in shown)
    shares = {name: numbers.fraction(billed[name], report["totals"]["billed_usd"]) for name in shown}
    rows: list[TableRow | Aside] = []
    for name in shown:
        own = sliced[name]
        measured = [turn for turn in own if turn["usage"] is not None]
        prompt = sum(turn["context_tokens"] for turn in measured) if measured else None
        read = sum(turn["usage"]["cache_read"] for turn in measured)
        output = sum(turn["usage"]["output"] + turn["usage"]["reasoning"] for turn in measured)
        unknown = Counter(state for turn in own if (state := unknown_state(turn)))
        cells: list[str | Text] = [
            printable(name) or "(none)",
            f"{len(own):,}",
            numbers.tokens(prompt),
            numbers.percent(numbers.fraction(read, prompt)),
            numbers.tokens(output if measured else None),
            numbers.usd(billed[name], decimals),
            numbers.percent(shares[name]),
            Text(numbers.bar(shares[name], shares[shown[0]], 6), MID),
            Text(" ".join(f"+ {number} {state}" for state, number in unknown.items()), BAD),
        ]
        rows.append(TableRow(cells))
    if len(ranked) > len(shown):
        rows.append(Aside(f"… {len(ranked) - len(shown)} more"))
    return table(title, _SLICE_COLUMNS, rows, console)


def _billed(turn: Json, decimals: int, lower_bound: str) -> Text:
    unknown = unknown_state(turn)
    return Text(unknown, BAD) if unknown else Text(lower_bound + numbers.usd(turn["billed_usd"], decimals))


def _notes(turn: Json, name_of: Mapping[str, str]) -> list[Text]:
    """Return what is unusual in a turn, as lines to hang under it."""
    notes: list[Text] = []
    if turn["status"] == "error":
        notes.append(Text("ended in an error", BAD))
    elif turn["status"] == "partial":
        notes.append(Text("cut before its end: the output is at least what was counted", BAD))
    elif turn.get("output_rest_in"):
        notes.append(Text("the rest of its output is counted in a turn of what only the sum tells", SOFT))
    elif turn.get("output_incomplete"):
        notes.append(Text("its final output count is not in the source: at least this", BAD))
    if turn["usage"] is None:
        notes.append(Text("the provider reported no usage", BAD))
    elif turn["billed_usd"] is None:
        notes.append(Text(f"no price known for {printable(without_price(turn))}", BAD))
    miss = turn["cache_miss"]
    if miss is not None and miss["cause"] != "first_use":
        notes.append(Text(_miss(miss, name_of), WARN))
    if turn["attempts"] > 1:
        notes.append(Text(f"{turn['attempts']} attempts, the last one billed", SOFT))
    return notes


def _miss(miss: Json, name_of: Mapping[str, str]) -> str:
    """Return a cache miss in words: `cache miss, changed: from bash on, its description, 1,204 tokens, …`."""
    cause = miss["cause"].replace("_", " ").replace("ttl", "TTL")
    parts = []
    if miss["block"] is not None:
        parts.append(f"from {printable(name_of.get(miss['block'], miss['block']))} on")
    if miss["field"]:
        parts.append(f"its {printable(miss['field'])}")
    if miss["tokens"] is not None:
        parts.append(f"{miss['tokens']:,} tokens")
    parts.append("cost unknown" if miss["usd"] is None else f"+{numbers.usd(miss['usd'])}")
    return f"cache miss, {cause}: {', '.join(parts)} (by {miss['evidence']})"


def _abridged(turns: Sequence[Json], limit: int | None) -> Sequence[Json]:
    """Return about `limit` turns in order: a quarter first ones, a quarter last ones, the rest dearest.

    A single turn between two that are shown is shown too, in the place of a line that leaves it out.
    """
    if limit is None or len(turns) <= limit:
        return turns
    edge = max(1, limit // 4)
    places = range(edge, len(turns) - edge)
    dearest = sorted(places, key=lambda place: weight(turns[place]), reverse=True)[: max(0, limit - 2 * edge)]
    kept = {*range(edge), *dearest, *range(len(turns) - edge, len(turns))}
    kept |= {place for place in places if {place - 1, place + 1} <= kept}
    return [turns[place] for place in sorted(kept)]


def _with_gaps(
    turns: Sequence[Json], shown: Sequence[Json], row: Callable[[Json], TableRow]
) -> list[TableRow | Aside]:
    """Return rows of the shown turns, with a line for each stretch that is left out."""
    keep = {turn["index"] for turn in shown}
    body: list[TableRow | Aside] = []
    gap: list[Json] = []
    for turn in turns:
        if turn["index"] not in keep:
            gap.append(turn)
            continue
        if gap:
            body.append(Aside(f"   … {len(gap):,} turns left out, {together(gap)}"))
            gap = []
        body.append(row(turn))
    return body


def _sliced(turns: Sequence[Json], key: Callable[[Json], str]) -> dict[str, list[Json]]:
    sliced: dict[str, list[Json]] = defaultdict(list)
    for turn in turns:
        sliced[key(turn)].append(turn)
    return dict(sliced)


def _clock(turns: Sequence[Json]) -> Callable[[Json], str]:
    """Return a writer of times: the clock alone where all turns fall on one day."""
    one_day = len({turn["at"][:10] for turn in turns if turn["at"]}) <= 1

    def write(turn: Json) -> str:
        at: str | None = turn["at"]
        if at is None:
            return numbers.UNKNOWN
        return at[11:19] if one_day else f"{at[5:10]} {at[11:16]}"

    return write

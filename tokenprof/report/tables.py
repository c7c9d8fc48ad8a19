"""The tables of the terminal report: price classes, turns, blocks, tools and skills, contexts and tags.

Each function takes the report's JSON object and returns lines that fit the console, none where there
is nothing to show. What the provider pinned and what is estimated are told apart in every row that
shows a size: `=` against `±`, `$` against `~$`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from math import ceil, floor, log10
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from tokenprof.report import numbers
from tokenprof.report.check import sum_usd
from tokenprof.report.grid import RULE, Aside, Column, Row, paragraph, table

Json = Mapping[str, Any]

CLASS_LABELS: Final = {
    "uncached_input": "fresh input",
    "cache_read": "cache read",
    "cache_write_5m": "cache write 5m",
    "cache_write_1h": "cache write 1h",
    "cache_write_30m": "cache write 30m",
    "cache_write_12h": "cache write 12h",
    "cache_write": "cache write",
    "output": "output",
    "reasoning": "reasoning",
    "fee": "fees",
}
"""The price classes in words, in the order they are shown."""

KIND_LABELS: Final = {
    "provider_overhead": "overhead",
    "unattributed": "not placed",
    "tool": "tool schema",
}
"""Kinds whose word in the report is not the contract's with its underscores taken out."""

MONEY: Final = "bold"
MID: Final = "cyan"
SOFT: Final = "dim"
WARN: Final = "yellow"
BAD: Final = "red"

_GAUGE_CELLS: Final = 24


def classes(report: Json, console: Console) -> list[Text]:
    """Return the headline table: each price class's tokens, bill, compute and the ratio of the two."""
    rows = sorted(report["classes"], key=lambda row: list(CLASS_LABELS).index(row["class"]))
    rows = [row for row in rows if row["tokens"] or row.get("count")]
    if not rows:
        return []
    totals = report["totals"]
    billed_decimals = numbers.decimals_for(row["billed_usd"] for row in [*rows, totals])
    compute_decimals = _interval_decimals(row["hardware_usd"] for row in [*rows, totals])
    whole = totals["billed_usd"]
    gauge = _gauge([row["price_to_cost"] for row in [*rows, totals]])

    def cells(label: str, amount: str, row: Json) -> list[str | Text]:
        share = numbers.percent(numbers.fraction(row["billed_usd"], whole))
        estimate, ratios = row["hardware_usd"], row["price_to_cost"]
        return [
            label,
            amount,
            numbers.usd(row["billed_usd"], billed_decimals),
            share,
            _mid(estimate, compute_decimals),
            Text(numbers.usd_range(estimate, compute_decimals), SOFT),
            _mid_share(estimate, totals["hardware_usd"]),
            Text(numbers.ratio(ratios and ratios["mid"]), "bold"),
            Text(numbers.ratio_range(ratios), SOFT),
            gauge(ratios),
        ]

    body: list[Row | Aside] = [Row(cells(CLASS_LABELS[row["class"]], _amount(row), row)) for row in rows]
    prompt_and_output = sum(row["tokens"] for row in rows)
    body += [RULE, Row(cells("total", numbers.tokens(prompt_and_output), totals))]
    columns = [
        Column("", "left"),
        Column("tokens"),
        Column("billed", style=MONEY),
        Column("of bill", gap=1, drop=4),
        Column("compute est.", style=MID),
        Column("", "left", gap=1, drop=2),
        Column("of all", gap=1, drop=3),
        Column("billed ÷ compute"),
        Column("", "left", gap=1, drop=1),
        Column("1× at ┆", "left", drop=5),
    ]
    return table("Price classes", columns, body, console)


def turns(report: Json, console: Console, limit: int | None) -> list[Text]:
    """Return the turns in time order; past `limit`, only the first, the dearest and the last of them."""
    every: Sequence[Json] = report["turns"]
    if not every:
        return []
    shown = _abridged(every, limit)
    billed_decimals = numbers.decimals_for(turn["billed_usd"] for turn in shown)
    compute_decimals = _interval_decimals(turn["hardware_usd"] for turn in shown)
    name_of = {block["id"]: block["name"] for block in report["blocks"]}
    who = _who(every)
    clock = _clock(every)
    dearest = max((turn["billed_usd"] or "0" for turn in every), key=Decimal)
    several_models = len({turn["model"] for turn in every}) > 1

    def row(turn: Json) -> Row:
        usage, ratios = turn["usage"], turn.get("price_to_cost")
        at_least = "≥" if turn.get("output_incomplete") else ""
        written = None if usage is None else usage["output"] + usage["reasoning"]
        read = numbers.fraction(usage and usage["cache_read"], turn["context_tokens"])
        cells: list[str | Text] = [
            Text(str(turn["index"]), SOFT),
            Text(clock(turn), SOFT),
            who(turn),
            (turn["model"] or numbers.UNKNOWN) if several_models else "",
            numbers.tokens(turn["context_tokens"]),
            numbers.percent(read),
            (at_least if written is not None else "") + numbers.tokens(written),
            _billed(turn, billed_decimals, at_least),
            _mid(turn["hardware_usd"], compute_decimals),
            Text(numbers.usd_range(turn["hardware_usd"], compute_decimals), SOFT),
            Text(numbers.ratio(ratios and ratios["mid"]), "bold"),
            Text(numbers.ratio_range(ratios), SOFT),
            Text(numbers.bar(numbers.fraction(turn["billed_usd"], dearest), Decimal(1), 16), MID),
        ]
        return Row(cells, notes=_turn_notes(turn, name_of))

    columns = [
        Column("#"),
        Column("at", drop=3),
        Column("who", "left", flex=True, least=8),
        Column("model", "left", flex=True, least=12, drop=4),
        Column("prompt"),
        Column("cached", gap=1),
        Column("output", gap=1),
        Column("billed", style=MONEY),
        Column("compute est.", style=MID),
        Column("", "left", gap=1, drop=2),
        Column("ratio", gap=1),
        Column("", "left", gap=1, drop=5),
        Column("", "left", drop=6),
    ]
    return table("Turns", columns, _with_gaps(every, shown, row), console)


def blocks(report: Json, console: Console, limit: int) -> list[Text]:
    """Return the blocks by what they were billed over the run, dearest first."""
    every = sorted(
        (block for block in report["blocks"] if _weight(block) > (0, 0)), key=_weight, reverse=True
    )
    if not every:
        return []
    shown, rest = every[:limit], every[limit:]
    sent = Counter(
        block for turn in report["turns"] for block in {entry["block"] for entry in turn["entries"]}
    )
    decimals = numbers.decimals_for(block["billed_usd"] for block in shown)
    compute_decimals = _interval_decimals(block["hardware_usd"] for block in shown)
    whole = report["totals"]["billed_usd"]
    longest = numbers.fraction(shown[0]["billed_usd"], whole)
    cells_of_bar = 6 if console.width < 100 else 16

    def row(block: Json) -> Row:
        share = numbers.fraction(block["billed_usd"], whole)
        exact = block["state"] == "exact"
        size, state = block["tokens"], block["state"]
        about = numbers.bounds(size, block["tokens_low"], block["tokens_high"], state)
        cells: list[str | Text] = [
            Text(KIND_LABELS.get(block["kind"], block["kind"].replace("_", " ")), SOFT),
            printable(block["name"]),
            numbers.tokens(size),
            Text(about, SOFT if exact else WARN),
            f"{sent[block['id']]}×",
            Text(_span(block["born_turn"], block["last_turn"]), SOFT),
            numbers.tokens(block["billed_tokens"]),
            _block_usd(block, decimals),
            numbers.percent(share),
            Text(numbers.bar(share, longest, cells_of_bar), MID),
            _mid(block["hardware_usd"], compute_decimals),
            Text(numbers.usd_range(block["hardware_usd"], compute_decimals), SOFT),
        ]
        return Row(cells)

    columns = [
        Column("", "left"),
        Column("", "left", flex=True, least=14),
        Column("size"),
        Column("", "left", gap=1),
        Column("sent"),
        Column("in turns", "left", gap=1, drop=3),
        Column("Σ tokens", gap=1),
        Column("billed", style=MONEY),
        Column("share", gap=1),
        Column("", "left", gap=1, drop=1),
        Column("compute est.", style=MID, drop=4),
        Column("", "left", gap=1, drop=5),
    ]
    body: list[Row | Aside] = [row(block) for block in shown]
    if rest:
        body.append(Aside(f"… {numbers.count(len(rest), 'more block')}, {_together(rest, whole)}"))
    legend = Text("= pinned by the bill   ± and ~ estimated inside what the bill pins", SOFT)
    lines = table("Blocks, by what they cost over the run", columns, body, console)
    return lines + paragraph(legend, console, indent=2)


def groups(report: Json, console: Console) -> list[Text]:
    """Return what each tool cost as schema, calls and results, and each skill as index and body."""
    named: Sequence[Json] = [
        group for group in report.get("groups", []) if group["kind"] in ("tool", "skill")
    ]
    named = sorted((group for group in named if _weight(group) > (0, 0)), key=_weight, reverse=True)
    if not named:
        return []
    by_id = {block["id"]: block for block in report["blocks"]}
    parts = [_parts(group, by_id) for group in named]
    whole = report["totals"]["billed_usd"]
    amounts = [group["billed_usd"] for group in named]
    longest = numbers.fraction(amounts[0], whole)
    decimals = numbers.decimals_for([*amounts, *(part for row in parts for part in row)])
    rows: list[Row | Aside] = []
    for group, (described, called, returned) in zip(named, parts, strict=True):
        share = numbers.fraction(group["billed_usd"], whole)
        members = [by_id[name] for name in group["blocks"] if name in by_id]
        estimated = any(block["state"] == "estimated" for block in members)
        cells: list[str | Text] = [
            Text(group["kind"], SOFT),
            printable(group["name"]),
            *(_part(amount, decimals) for amount in (described, called, returned)),
            ("~" if estimated else "") + numbers.usd(group["billed_usd"], decimals),
            numbers.percent(share),
            Text(numbers.bar(share, longest, 6), MID),
        ]
        rows.append(Row(cells))
    columns = [
        Column("", "left"),
        Column("", "left", flex=True, least=14),
        Column("schema, index"),
        Column("calls"),
        Column("results, body"),
        Column("billed", style=MONEY),
        Column("share", gap=1),
        Column("", "left", gap=1, drop=1),
    ]
    return table("Tools and skills", columns, rows, console)


def slices(report: Json, console: Console) -> list[Text]:
    """Return the turns summed by tag where runs are tagged, and by agent where there are several."""
    every: Sequence[Json] = report["turns"]
    lines: list[Text] = []
    tagged = _sliced(every, lambda turn: " ".join(f"{k}={v}" for k, v in sorted(turn["tags"].items())))
    if len(tagged) > 1:
        lines += _slice_table("By tag", tagged, report, console)
    by_who = _sliced(every, _who(every))
    if len(by_who) > 1:
        lines += [Text()] if lines else []
        lines += _slice_table("By agent", by_who, report, console)
    return lines


def printable(text: str) -> str:
    """Return a name in one line without control characters, which a terminal would obey."""
    return "".join(char if char.isprintable() else "·" for char in " ".join(text.split()))


def _slice_table(
    title: str, sliced: Mapping[str, Sequence[Json]], report: Json, console: Console
) -> list[Text]:
    ranked = sorted(sliced.items(), key=lambda item: _known_usd(item[1]), reverse=True)[:20]
    sums = {name: sum_usd(turn["billed_usd"] for turn in own) for name, own in ranked}
    texts = {name: None if amount is None else format(amount, "f") for name, amount in sums.items()}
    decimals = numbers.decimals_for(texts.values())
    longest = numbers.fraction(texts[ranked[0][0]], report["totals"]["billed_usd"])
    rows: list[Row | Aside] = []
    for name, own in ranked:
        measured = [turn["usage"] for turn in own if turn["usage"] is not None]
        prompt = sum(turn["context_tokens"] for turn in own if turn["context_tokens"] is not None)
        read = sum(usage["cache_read"] for usage in measured)
        share = numbers.fraction(texts[name], report["totals"]["billed_usd"])
        unknown = Counter(state for turn in own if (state := unknown_state(turn)))
        cells: list[str | Text] = [
            printable(name) or "(none)",
            f"{len(own):,}",
            numbers.tokens(prompt) if measured else numbers.UNKNOWN,
            numbers.percent(numbers.fraction(read, prompt)),
            numbers.tokens(sum(usage["output"] + usage["reasoning"] for usage in measured))
            if measured
            else "—",
            numbers.usd(texts[name], decimals),
            numbers.percent(share),
            Text(numbers.bar(share, longest, 6), MID),
            Text(" ".join(f"+ {number} {state}" for state, number in unknown.items()), WARN),
        ]
        rows.append(Row(cells))
    if len(sliced) > len(ranked):
        rows.append(Aside(f"… {len(sliced) - len(ranked)} more"))
    columns = [
        Column("", "left", flex=True),
        Column("turns"),
        Column("prompts"),
        Column("cached", gap=1),
        Column("output", gap=1),
        Column("billed", style=MONEY),
        Column("share", gap=1),
        Column("", "left", gap=1, drop=1),
        Column("", "left", gap=1),
    ]
    return table(title, columns, rows, console)


def unknown_state(turn: Json) -> str:
    """Return `unmeasured`, `unpriced` or nothing: why a turn has no bill."""
    if turn["usage"] is None:
        return "unmeasured"
    return "unpriced" if turn["billed_usd"] is None else ""


def _billed(turn: Json, decimals: int, at_least: str) -> Text:
    unknown = unknown_state(turn)
    return Text(unknown, BAD) if unknown else Text(at_least + numbers.usd(turn["billed_usd"], decimals))


def _block_usd(block: Json, decimals: int) -> Text:
    if block["billed_usd"] is None:
        return Text("unpriced", BAD)
    return Text(("" if block["state"] == "exact" else "~") + numbers.usd(block["billed_usd"], decimals))


def _turn_notes(turn: Json, name_of: Mapping[str, str]) -> list[Text]:
    """Return what is unusual in a turn, as lines to hang under it."""
    notes: list[Text] = []
    if turn["status"] == "error":
        notes.append(Text("ended in an error", BAD))
    elif turn["status"] == "partial" or turn.get("output_incomplete"):
        notes.append(Text("cut before its end: the output is at least what was counted", BAD))
    if turn["usage"] is None:
        notes.append(Text("the provider reported no usage", BAD))
    elif turn["billed_usd"] is None:
        notes.append(Text(f"no price known for {turn['model']}", BAD))
    miss = turn["cache_miss"]
    if miss is not None and miss["cause"] != "first_use":
        notes.append(Text(_miss(miss, name_of), WARN))
    if turn["attempts"] > 1:
        notes.append(Text(f"{turn['attempts']} attempts, the last one billed", SOFT))
    return notes


def _miss(miss: Json, name_of: Mapping[str, str]) -> str:
    """Return a cache miss in words: `cache miss, changed: bash (description), 1,204 tokens, +$0.0069`."""
    cause = miss["cause"].replace("_", " ").replace("ttl", "TTL")
    parts = []
    if miss["block"] is not None:
        parts.append(f"from {printable(name_of.get(miss['block'], miss['block']))} on")
    if miss["field"]:
        parts.append(f"its {miss['field']}")
    if miss["tokens"] is not None:
        parts.append(f"{miss['tokens']:,} tokens")
    parts.append("cost unknown" if miss["usd"] is None else f"+{numbers.usd(miss['usd'])}")
    return f"cache miss, {cause}: {', '.join(parts)} (by {miss['evidence']})"


def _abridged(every: Sequence[Json], limit: int | None) -> Sequence[Json]:
    """Return at most `limit` turns in order: a quarter first ones, a quarter last ones, the rest dearest."""
    if limit is None or len(every) <= limit:
        return every
    edge = max(1, limit // 4)
    middle = every[edge:-edge]
    dearest = sorted(middle, key=_weight, reverse=True)[: max(0, limit - 2 * edge)]
    return [*every[:edge], *sorted(dearest, key=lambda turn: turn["index"]), *every[-edge:]]


def _with_gaps(every: Sequence[Json], shown: Sequence[Json], row: Callable[[Json], Row]) -> list[Row | Aside]:
    """Return rows of the shown turns, with a line for each stretch that is left out."""
    keep = {turn["index"] for turn in shown}
    body: list[Row | Aside] = []
    gap: list[Json] = []
    for turn in every:
        if turn["index"] not in keep:
            gap.append(turn)
            continue
        if gap:
            body.append(Aside(f"   … {numbers.count(len(gap), 'turn')} left out, {_together(gap, None)}"))
            gap = []
        body.append(row(turn))
    return body


def _together(parts: Sequence[Json], whole: str | None) -> str:
    """Return what several turns or blocks were billed in one phrase."""
    total = sum_usd(part["billed_usd"] for part in parts)
    if total is None:
        return "unpriced"
    amount = format(total, "f")
    share = numbers.fraction(amount, whole)
    return f"{numbers.usd(amount)} together" + (f" ({numbers.percent(share)})" if share is not None else "")


def _parts(group: Json, by_id: Mapping[str, Json]) -> tuple[str | None, str | None, str | None]:
    """Return a group's bill as (schema or index, calls, results or body); the index is what is left over."""
    sums: dict[str, list[str | None]] = defaultdict(list)
    for name in group["blocks"]:
        block = by_id.get(name)
        if block is not None:
            sums[block["kind"]].append(block["billed_usd"])
    calls = _sum_text(sums["tool_call"] + sums["server_state"])
    results = _sum_text(sums["tool_result"] + sums["skill"])
    if group["billed_usd"] is None:
        return None, calls, results
    rest = Decimal(group["billed_usd"]) - Decimal(calls or 0) - Decimal(results or 0)
    return (format(rest, "f") if rest > 0 else None), calls, results


def _part(amount: str | None, decimals: int) -> Text:
    return Text("·", SOFT) if amount is None else Text(numbers.usd(amount, decimals))


def _sum_text(amounts: Iterable[str | None]) -> str | None:
    total = sum_usd(amounts)
    return None if total is None else format(total, "f")


def _sliced(every: Sequence[Json], key: Callable[[Json], str]) -> dict[str, list[Json]]:
    sliced: dict[str, list[Json]] = defaultdict(list)
    for turn in every:
        sliced[key(turn)].append(turn)
    return dict(sliced)


def _who(every: Sequence[Json]) -> Callable[[Json], str]:
    """Return a namer of turns: the agent, and its context if it has several; empty where all are one."""
    contexts: dict[str | None, set[str]] = defaultdict(set)
    for turn in every:
        contexts[turn["agent"]].add(turn["context"])
    alone = sum(len(own) for own in contexts.values()) <= 1

    def name(turn: Json) -> str:
        if alone:
            return ""
        if turn["agent"] is None:
            return printable(turn["context"])
        several = len(contexts[turn["agent"]]) > 1
        return printable(f"{turn['agent']} {turn['context']}" if several else turn["agent"])

    return name


def _clock(every: Sequence[Json]) -> Callable[[Json], str]:
    """Return a writer of times: the clock alone where all turns fall on one day."""
    one_day = len({turn["at"][:10] for turn in every if turn["at"]}) <= 1

    def write(turn: Json) -> str:
        at = turn["at"]
        if at is None:
            return numbers.UNKNOWN
        return str(at[11:19] if one_day else f"{at[5:10]} {at[11:16]}")

    return write


def _span(born: int | None, last: int | None) -> str:
    if born is None or last is None:
        return ""
    return str(born) if born == last else f"{born}–{last}"


def _amount(row: Json) -> str:
    return f"{row['count']}×" if row["class"] == "fee" else numbers.tokens(row["tokens"])


def _mid(estimate: numbers.Interval | None, decimals: int) -> str:
    return numbers.UNKNOWN if estimate is None else numbers.usd(estimate["mid"], decimals)


def _mid_share(estimate: numbers.Interval | None, whole: numbers.Interval | None) -> str:
    return numbers.percent(numbers.fraction(estimate and estimate["mid"], whole and whole["mid"]))


def _interval_decimals(estimates: Iterable[numbers.Interval | None]) -> int:
    """Return decimals for a column of estimates: what its middle figures need, since the ends are soft."""
    mids = [estimate["mid"] for estimate in estimates if estimate is not None]
    return numbers.decimals_for(mids, numbers.ESTIMATE_DIGITS)


def _weight(part: Json) -> tuple[Decimal, int]:
    """Return what a turn, block or group is ranked by: its bill, then its tokens."""
    tokens = part.get("billed_tokens", part.get("context_tokens"))
    return Decimal(part["billed_usd"] or 0), tokens or 0


def _known_usd(every: Sequence[Json]) -> Decimal:
    return sum_usd(turn["billed_usd"] for turn in every) or Decimal(0)


def _gauge(ratios: Sequence[numbers.Interval | None]) -> Callable[[numbers.Interval | None], Text]:
    """Return a drawer of ratios on one logarithmic scale: the range as a line, 1× as a tick."""
    known = [ratio for ratio in ratios if ratio is not None and Decimal(ratio["low"]) > 0]
    if not known:
        return lambda ratio: Text()
    first = min(0.0, floor(min(log10(float(ratio["low"])) for ratio in known) * 2) / 2)
    last = max(0.0, ceil(max(log10(float(ratio["high"])) for ratio in known) * 2) / 2)

    def cell(value: float) -> int:
        return round((value - first) / (last - first or 1) * (_GAUGE_CELLS - 1))

    def draw(ratio: numbers.Interval | None) -> Text:
        line = [" "] * _GAUGE_CELLS
        line[cell(0.0)] = "┆"
        if ratio is not None and Decimal(ratio["low"]) > 0:
            low, mid, high = (cell(log10(float(ratio[end]))) for end in ("low", "mid", "high"))
            line[low : high + 1] = "─" * (high + 1 - low)
            line[mid] = "●"
        return Text("".join(line).rstrip(), MID)

    return draw

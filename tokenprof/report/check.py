"""Whether a report adds up: the conservation rules of `tokenprof.report/2`, checked on the JSON itself.

Exact where the contract is exact: tokens are integers and money is summed as decimals without
rounding, so a cent that went missing anywhere between the bill and the blocks is found here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tokenprof.facts.adding import exact_sum_usd
from tokenprof.facts.own_decimals import EXACT_DIGITS, own_decimals

USAGE_KEYS: Final = (
    "uncached_input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "cache_write_30m",
    "cache_write_12h",
    "cache_write",
    "output",
    "reasoning",
    "fee",
)
"""The disjoint classes of a `usage` object, in the order they are shown."""

_RATIO_TOLERANCE: Final = Decimal("0.01")

Json = Mapping[str, Any]


def check(report: Json) -> None:
    """Assert the conservation rules on a report.

    Raises AssertionError with a sentence naming the turn, block or class that does not add up and
    both figures.
    """
    turns: Sequence[Json] = report["turns"]
    blocks: Sequence[Json] = report["blocks"]
    with own_decimals(EXACT_DIGITS):
        _check_turn_order(turns)
        lists_entries = report.get("entries_omitted") is None
        for turn in turns if lists_entries else ():
            _check_turn(turn)
        if lists_entries:
            _check_blocks(turns, blocks)
            _check_classes(report["classes"], turns)
        else:
            _check_sums(turns, blocks, report["classes"])
        _check_totals(report["totals"], turns)
        for where, holder in _estimates(report):
            _check_estimate(where, holder)


def _require(holds: bool, otherwise: str) -> None:
    """Raise AssertionError with the sentence; an `assert` would be silent under `python -O`."""
    if not holds:
        raise AssertionError(otherwise)


def _check_turn_order(turns: Sequence[Json]) -> None:
    indexes = [turn["index"] for turn in turns]
    _require(
        indexes == sorted(set(indexes)), f"turns[].index must rise from turn to turn, but reads {indexes}."
    )
    times = [turn["at"] for turn in turns if turn["at"] is not None]
    _require(times == sorted(times), "turns[] must be in time order, but turns[].at goes back.")


def _check_turn(turn: Json) -> None:
    """Assert that a turn's entries are its usage, class by class, and its bill."""
    name = f"Turn {turn['index']}"
    entries: Sequence[Json] = turn["entries"]
    usage = turn["usage"]
    if usage is None:
        _require(not entries, f"{name} is unmeasured (usage is null) but has {len(entries)} entries.")
        _require(turn["billed_usd"] is None, f"{name} is unmeasured but billed ${turn['billed_usd']}.")
        return
    placed: dict[str, int] = defaultdict(int)
    for entry in entries:
        placed[entry["class"]] += entry["tokens"]
    for key in USAGE_KEYS:
        _require(
            placed[key] == usage[key],
            f"{name}: entries hold {placed[key]:,} tokens of {key}, but usage says {usage[key]:,}.",
        )
    amounts = [entry["billed_usd"] for entry in entries]
    billed = turn["billed_usd"]
    unpriced = sum(amount is None for amount in amounts)
    if billed is None:
        _require(
            unpriced > 0, f"{name} is unpriced (billed_usd is null), but each of its entries has a price."
        )
        return
    _require(unpriced == 0, f"{name} is billed ${billed}, but {unpriced} of its entries have no price.")
    total = _total_usd(amounts)
    _require(
        Decimal(total) == Decimal(billed), f"{name}: entries add up to ${total}, but it is billed ${billed}."
    )


def _check_blocks(turns: Sequence[Json], blocks: Sequence[Json]) -> None:
    """Assert that each block carries the sum of its entries, and each entry lies on a block."""
    names = [block["id"] for block in blocks]
    _require(len(names) == len(set(names)), "blocks[].id must be unique, but some id stands twice.")
    entries: dict[str, list[Json]] = {name: [] for name in names}
    for turn in turns:
        for entry in turn["entries"]:
            block = entry["block"]
            _require(
                block in entries, f"Turn {turn['index']}: an entry names block {block}, which blocks[] lacks."
            )
            entries[block].append(entry)
    indexes = {turn["index"] for turn in turns}
    for block in blocks:
        name, own = f"Block {block['id']} ({block['name']})", entries[block["id"]]
        carried = sum(entry["tokens"] for entry in own)
        _require(
            (block["billed_tokens"] or 0) == carried,
            f"{name}: billed_tokens is {block['billed_tokens']}, but its entries hold {carried:,}.",
        )
        _same_usd(name, block["billed_usd"], [entry["billed_usd"] for entry in own])
        _check_size(name, block)
        for key in ("born_turn", "last_turn"):
            _require(
                block[key] is None or block[key] in indexes, f"{name}: {key} {block[key]} is not a turn."
            )


def _check_sums(turns: Sequence[Json], blocks: Sequence[Json], classes: Sequence[Json]) -> None:
    """Assert, without entries, that blocks and classes add up to the tokens and the money of the turns."""
    usages = [turn["usage"] for turn in turns if turn["usage"] is not None]
    billed = sum(usage[key] for usage in usages for key in USAGE_KEYS)
    carried = sum(block["billed_tokens"] or 0 for block in blocks)
    _require(carried == billed, f"Blocks hold {carried:,} tokens together, but the turns {billed:,}.")
    for row in classes:
        placed = sum(usage[row["class"]] for usage in usages)
        if row["class"] != "fee":
            _require(
                row["tokens"] == placed, f"Class {row['class']}: {row['tokens']:,} tokens, usage {placed:,}."
            )
    total = [turn["billed_usd"] for turn in turns if turn["usage"] is not None]
    if None not in total:
        for name, rows in (("Blocks", blocks), ("Classes", classes)):
            held = _total_usd([row["billed_usd"] for row in rows])
            due = _total_usd(total)
            _require(held == due, f"{name} are billed ${held} together, but the turns ${due}.")
    for block in blocks:
        _check_size(f"Block {block['id']} ({block['name']})", block)
    _check_groups(blocks)


def _check_groups(blocks: Sequence[Json]) -> None:
    """Blocks that are exact together add up to what the bill gives for them."""
    sums: dict[tuple[object, int], list[int]] = defaultdict(list)
    due: dict[tuple[object, int], int] = {}
    for block in blocks:
        group = block.get("exact_group")
        if group is not None:
            key = block["context"], group["number"]
            sums[key].append(block["tokens"])
            due[key] = group["tokens"]
    for key, tokens in due.items():
        _require(
            sum(sums[key]) == tokens,
            f"The blocks of group {key[1]} in {key[0]} have {sum(sums[key])} tokens, but {tokens} together.",
        )


def _check_size(name: str, block: Json) -> None:
    size, low, high = block["tokens"], block["tokens_low"], block["tokens_high"]
    if block["state"] == "exact":
        _require(
            size == low == high, f"{name} is exact, so its bounds must equal {size}; they are {low}–{high}."
        )
    elif size is not None and low is not None and high is not None:
        _require(low <= size <= high, f"{name}: size {size} is outside its bounds {low}–{high}.")


def _check_totals(totals: Json, turns: Sequence[Json]) -> None:
    """Assert that the totals are the turns' sums, and say how much they leave out."""
    measured = [turn for turn in turns if turn["usage"] is not None]
    expected = {
        "turns": len(turns),
        "unmeasured_turns": len(turns) - len(measured),
        "unpriced_turns": sum(turn["billed_usd"] is None for turn in measured),
        "partial_turns": sum(turn["status"] == "partial" for turn in turns),
    }
    for key, number in expected.items():
        _require(totals[key] == number, f"totals.{key} is {totals[key]}, but the turns make it {number}.")
    for key in USAGE_KEYS:
        placed = sum(turn["usage"][key] for turn in measured)
        said = totals["usage"][key] if totals["usage"] is not None else 0
        _require(said == placed, f"totals.usage.{key} is {said:,}, but the turns hold {placed:,}.")
    _same_usd("totals", totals["billed_usd"], [turn["billed_usd"] for turn in turns])
    _check_ratio_is_whole("totals", totals, [turn["billed_usd"] for turn in measured])


def _check_classes(classes: Sequence[Json], turns: Sequence[Json]) -> None:
    """Assert that the headline table has each class once, with the sums of its entries."""
    names = [row["class"] for row in classes]
    _require(len(names) == len(set(names)), f"classes[] must name each class once, but reads {names}.")
    entries: dict[str, list[Json]] = defaultdict(list)
    for turn in turns:
        for entry in turn["entries"]:
            entries[entry["class"]].append(entry)
    for name in entries:
        _require(name in names, f"classes[] lacks {name}, which turns were billed for.")
    for row in classes:
        own = entries[row["class"]]
        placed = sum(entry["tokens"] for entry in own)
        _require(
            row["tokens"] == placed,
            f"Class {row['class']}: {row['tokens']:,} tokens, but entries hold {placed:,}.",
        )
        name = f"Class {row['class']}"
        _same_usd(name, row["billed_usd"], [entry["billed_usd"] for entry in own])
        _check_ratio_is_whole(name, row, [entry["billed_usd"] for entry in own])


def _total_usd(amounts: Sequence[str | None]) -> str:
    """Return the exact sum of the amounts that are known, as the report writes money."""
    total = exact_sum_usd(None if amount is None else Decimal(amount) for amount in amounts)
    return format((total or Decimal(0)).normalize(), "f")


def _same_usd(name: str, said: str | None, amounts: Sequence[str | None]) -> None:
    """Assert that an amount is the exact sum of what is known under it; null only where some is not."""
    total = _total_usd(amounts)
    if said is None:
        unknown = not amounts or None in amounts
        _require(unknown, f"{name}: billed_usd is null, but all under it is priced, ${total} in sum.")
        return
    same = Decimal(said) == Decimal(total)
    _require(same, f"{name}: ${said} billed, but what lies under it adds up to ${total}.")
    known = not amounts or any(amount is not None for amount in amounts)
    _require(known, f"{name}: ${said} billed, but nothing under it has a price; unknown is null, not 0.")


def _check_ratio_is_whole(name: str, holder: Json, amounts: Sequence[str | None]) -> None:
    """Assert that no ratio is formed of a bill that leaves out tokens whose compute is counted."""
    unknown = sum(amount is None for amount in amounts)
    _require(
        unknown == 0 or holder["price_to_cost"] is None,
        f"{name}: price_to_cost must be null, because {unknown} of the amounts under it are unknown.",
    )


def _estimates(report: Json) -> Iterable[tuple[str, Json]]:
    """Yield everything that carries a hardware estimate, with its name."""
    yield "totals", report["totals"]
    for row in report["classes"]:
        yield f"Class {row['class']}", row
    for turn in report["turns"]:
        yield f"Turn {turn['index']}", turn
        for entry in turn["entries"] or ():
            yield f"Turn {turn['index']}, entry {entry['block']} {entry['class']}", entry
    for block in report["blocks"]:
        yield f"Block {block['id']}", block


def _check_estimate(name: str, holder: Json) -> None:
    """Assert that intervals are ordered and that price_to_cost is billed over hardware, ends crossed."""
    for key in ("hardware_usd", "hardware_opportunity_usd", "hardware_marginal_usd", "price_to_cost"):
        interval = holder.get(key)
        if interval is not None:
            low, mid, high = (Decimal(interval[end]) for end in ("low", "mid", "high"))
            _require(low <= mid <= high, f"{name}: {key} is not low ≤ mid ≤ high: {low}, {mid}, {high}.")
    ratios = holder.get("price_to_cost")
    if ratios is None:
        return
    billed, hardware = holder["billed_usd"], holder["hardware_usd"]
    _require(billed is not None, f"{name} has a price_to_cost although it is unpriced.")
    _require(hardware is not None, f"{name} has a price_to_cost although its compute is unknown.")
    for end, other in (("low", "high"), ("mid", "mid"), ("high", "low")):
        product = Decimal(ratios[end]) * Decimal(hardware[other])
        _require(
            abs(product - Decimal(billed)) <= _RATIO_TOLERANCE * Decimal(billed),
            f"{name}: price_to_cost.{end} × hardware_usd.{other} is ${product:f}, but ${billed} was billed.",
        )

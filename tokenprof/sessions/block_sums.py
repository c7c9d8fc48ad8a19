"""The blocks of a session that are kept, and the tools and skills that they make up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import reduce
from operator import itemgetter
from typing import Final

from tokenprof.analysis.rows.row_types import BlockRow, GroupRow
from tokenprof.data_classes.frozen import replaced
from tokenprof.sessions.session_sums import BlockKey, GroupSum

KEPT_BLOCKS: Final = 40
"""How many of the blocks that only one session is likely to hold are kept of each session."""

SHARED_KINDS: Final = frozenset(
    {"system", "tool", "skills_index", "skill", "memory", "provider_overhead", "unattributed", "reminder"}
)
"""Kinds of blocks that many sessions hold alike."""

WITHOUT_A_TEXT: Final = frozenset({"provider_overhead", "unattributed"})


def block_key(block: BlockRow) -> BlockKey:
    """Return what a block must share with others to be shown as one with them: its text."""
    text = "" if block.kind in WITHOUT_A_TEXT else block.digest or f"{block.context} {block.id}"
    return BlockKey(block.kind, block.name, text)


def kept_blocks(blocks: Sequence[BlockRow]) -> tuple[tuple[BlockRow, ...], int, Decimal]:
    """Return the blocks of a session to keep, each text once; then how many others, and their known bill."""
    by_key: dict[BlockKey, list[BlockRow]] = defaultdict(list)
    for block in blocks:
        if block.billed_tokens:
            by_key[block_key(block)].append(block)
    shared = [own for key, own in by_key.items() if key.kind in SHARED_KINDS]
    others = [(_known_usd(own), own) for key, own in by_key.items() if key.kind not in SHARED_KINDS]
    others.sort(key=itemgetter(0), reverse=True)
    left_usd = sum((known_usd for known_usd, _ in others[KEPT_BLOCKS:]), Decimal(0))
    listed = [*shared, *(own for _, own in others[:KEPT_BLOCKS])]
    return tuple(_bare(reduce(add_blocks, own)) for own in listed), len(others[KEPT_BLOCKS:]), left_usd


def _known_usd(blocks: Sequence[BlockRow]) -> Decimal:
    return sum((block.known_usd or Decimal(0) for block in blocks), Decimal(0))


def _bare(block: BlockRow) -> BlockRow:
    """Return a block without what means nothing outside its session."""
    return replaced(
        block, born_turn=None, last_turn=None, hardware_usd=None, children=(), uses=None, replaces=None
    )


def add_blocks(one: BlockRow, other: BlockRow) -> BlockRow:
    """Return one text in two places as one block. Its size is that of the first."""
    known = [each.known_usd for each in (one, other) if each.known_usd is not None]
    is_unpriced = one.billed_usd is None or other.billed_usd is None
    known_usd = sum(known, Decimal(0)) if known else None
    return replaced(
        one,
        billed_tokens=(one.billed_tokens or 0) + (other.billed_tokens or 0),
        billed_usd=None if is_unpriced else known_usd,
        at_least_usd=known_usd,
        turns_carried=one.turns_carried + other.turns_carried,
        state="exact" if one.state == other.state == "exact" else "estimated",
    )


def group_sums(groups: Sequence[GroupRow], by_id: Mapping[str, BlockRow]) -> dict[tuple[str, str], GroupSum]:
    """Return what each tool, skill and MCP server was billed, in parts."""
    return {
        (group.kind, group.name): _group_sum(group, [by_id[each] for each in group.blocks if each in by_id])
        for group in groups
        if group.kind != "agent"
    }


def _group_sum(group: GroupRow, members: Collection[BlockRow]) -> GroupSum:
    amounts: dict[str, list[Decimal]] = defaultdict(list)
    for block in members:
        if block.known_usd is not None:
            amounts[block.kind].append(block.known_usd)
    return GroupSum(
        blocks=len(members),
        billed_tokens=group.billed_tokens,
        known_usd=_total(each for own in amounts.values() for each in own),
        called_usd=_total((*amounts["tool_call"], *amounts["output"], *amounts["server_state"])),
        returned_usd=_total((*amounts["tool_result"], *amounts["skill"])),
        is_complete=all(block.billed_usd is not None or not block.billed_tokens for block in members),
        is_exact=all(block.state == "exact" for block in members),
    )


def _total(amounts: Iterable[Decimal]) -> Decimal | None:
    known = list(amounts)
    return sum(known, Decimal(0)) if known else None

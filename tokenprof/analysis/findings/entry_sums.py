"""What findings need from the pairs of turn and block, gathered in one pass over those of a saved report.

The pairs grow with the square of a run, so no finding iterates over them. For a run that was just read, the
same figures come from sums (`ledger_sums`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from tokenprof.analysis.rows.row_types import BlockRow, RunRows, TurnRow
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.adding import exact_sum_usd
from tokenprof.pricing.usage import INPUT_CLASSES

LEAST_DUPLICATE_TOKENS: Final = 64


@dataclass(slots=True)
class RepeatedText:
    """A text that stood more than once in a prompt.

    `extra_blocks` are the ids of its copies beside the first of a prompt, `extra_usd` the bill of each of
    their entries, `turns` the turns whose prompts held it more than once, `copies` how often at most.
    """

    copies: int = 1
    extra_blocks: dict[str, None] = field(default_factory=dict)
    turns: dict[int, None] = field(default_factory=dict)
    extra_usd: list[Decimal | None] = field(default_factory=list)


@frozen
class EntrySums:
    """What findings need of the entries.

    `resent_tokens` are prompt tokens of blocks that an earlier turn had too, `reread_tokens` the part of them
    that was read from the cache. `turns_of` are the turns that were billed for a watched block, `first_usd`
    its bill in the first of them (None if no price is known). `repeated` are texts by digest.
    """

    resent_tokens: int
    reread_tokens: int
    turns_of: Mapping[str, tuple[int, ...]]
    first_usd: Mapping[str, Decimal | None]
    repeated: Mapping[str, RepeatedText]


class _Pass:
    """The sums while they are made."""

    def __init__(self, watched: Collection[str], digests: Mapping[str, str]) -> None:
        self.watched = frozenset(watched)
        self.digests = digests
        self.seen: set[str] = set()
        self.resent_tokens = 0
        self.reread_tokens = 0
        self.turns_of: dict[str, list[int]] = {block_id: [] for block_id in watched}
        self.first_usd: dict[str, list[Decimal | None]] = defaultdict(list)
        self.repeated: dict[str, RepeatedText] = defaultdict(RepeatedText)

    def take(self, turn: TurnRow) -> None:
        """Add the entries of the next turn."""
        in_turn: set[str] = set()
        copies: dict[str, dict[str, None]] = {}
        for entry in turn.entries:
            block_id = entry.block
            in_turn.add(block_id)
            if block_id in self.watched:
                self._watch(block_id, turn.index, entry.billed_usd)
            if entry.cls not in INPUT_CLASSES:
                continue
            if block_id in self.seen:
                self.resent_tokens += entry.tokens
                if entry.cls == "cache_read":
                    self.reread_tokens += entry.tokens
            digest = self.digests.get(block_id)
            if digest is not None:
                same = copies.setdefault(digest, {})
                same[block_id] = None
                if block_id != next(iter(same)):
                    text = self.repeated[digest]
                    text.copies = max(text.copies, len(same))
                    text.extra_blocks[block_id] = None
                    text.turns[turn.index] = None
                    text.extra_usd.append(entry.billed_usd)
        self.seen |= in_turn

    def _watch(self, block_id: str, turn: int, billed_usd: Decimal | None) -> None:
        turns = self.turns_of[block_id]
        if not turns or turns[-1] != turn:
            turns.append(turn)
        if len(turns) == 1:
            self.first_usd[block_id].append(billed_usd)


def entry_sums(rows: RunRows, watched: Collection[str]) -> EntrySums:
    """Return what findings need from the entries of a run, in one pass over all of them.

    `watched` are the ids of blocks whose turns are wanted.
    """
    found = _Pass(watched, repeated_digests(rows.blocks))
    for turn in rows.turns:
        found.take(turn)
    return EntrySums(
        resent_tokens=found.resent_tokens,
        reread_tokens=found.reread_tokens,
        turns_of={block_id: tuple(turns) for block_id, turns in found.turns_of.items()},
        first_usd={block_id: exact_sum_usd(amounts) for block_id, amounts in found.first_usd.items()},
        repeated=found.repeated,
    )


def repeated_digests(blocks: Collection[BlockRow]) -> Mapping[str, str]:
    """Return the digests that several blocks share, by block id, short texts left out."""
    by_digest: dict[str, list[str]] = defaultdict(list)
    for block in blocks:
        if block.digest is not None and (block.tokens or 0) >= LEAST_DUPLICATE_TOKENS:
            by_digest[block.digest].append(block.id)
    return {block_id: digest for digest, ids in by_digest.items() if len(ids) > 1 for block_id in ids}

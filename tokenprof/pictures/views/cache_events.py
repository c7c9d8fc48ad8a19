"""What happened to the cache: misses with what broke the prefix, compactions, and the waits between calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from tokenprof.analysis.analysis import Analysis
from tokenprof.costing.prompt_changes import first_change
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Block
from tokenprof.pictures.views.names import labelled, shown
from tokenprof.pictures.views.turn_columns import seconds_since
from tokenprof.pictures.views.word_difference import WordRun, word_difference
from tokenprof.pricing.cache.cache_rules import TTL_S

CAUSES_IN_WORDS: Final = {
    "changed": "the prompt changed",
    "ttl_expired": "time to live ran out",
    "below_minimum": "below the smallest cacheable prompt",
    "lookback": "more than 20 blocks since the last breakpoint",
    "reordered": "blocks in another order",
    "model_changed": "another model",
    "first_use": "first use",
    "unknown": "no reason found",
}

EARLIER_COMPARED: Final = 32
"""Earlier prompts in which the one that a changed prompt grew out of is looked for."""

NO_TEXTS: Final[Mapping[str, str]] = MappingProxyType({})

_EVICTED_BY_COMPACTION: Final = "compaction"


@frozen
class MissMark:
    """A cache miss: its turn, cause, the first block that changed (empty: none), and what it cost.

    `words` are what changed in that block, word by word; empty unless its texts were asked for and known.
    """

    turn: int
    cause: str
    cause_in_words: str
    block: str
    block_number: int
    field: str
    tokens: int
    usd: Decimal | None
    evidence: str
    words: tuple[WordRun, ...] = ()


@frozen
class Wait:
    """The time between the end of a call and the next of its context.

    `held_tokens` lay in the cache meanwhile. `ttl_s` is the time to live of the entry, None if the
    recording does not show one. `lost_usd` is what the expiry cost; None if nothing expired.
    """

    turn: int
    next_turn: int
    start_s: float
    end_s: float
    held_tokens: int
    ttl_s: float | None
    is_expired: bool
    lost_usd: Decimal | None


@frozen
class CacheEvents:
    """Everything that happened to the cache of a run."""

    misses: tuple[MissMark, ...]
    compactions: tuple[int, ...]
    waits: tuple[Wait, ...]


def cache_events(analysis: Analysis, texts: Mapping[str, str] = NO_TEXTS) -> CacheEvents:
    """Return the cache events of a run; the first use of a prefix is not a miss.

    `texts` are those of blocks by digest, for whoever asks to see what changed in them.
    """
    return CacheEvents(_misses(analysis, texts), compaction_turns(analysis), waits_of(analysis))


def _misses(analysis: Analysis, texts: Mapping[str, str]) -> tuple[MissMark, ...]:
    prompts = analysis.run.prompts() if texts else ()
    placed = analysis.ledger.attribution.blocks
    numbers = {block.id: number for number, block in enumerate(analysis.blocks)}
    found = []
    for turn in analysis.turns:
        miss = turn.cache_miss
        if miss is None or miss.cause == "first_use":
            continue
        number = numbers.get(miss.block or "", -1)
        block = analysis.blocks[number] if number >= 0 else None
        blamed = placed.get(miss.block or "")
        found.append(
            MissMark(
                turn=turn.index,
                cause=miss.cause,
                cause_in_words=CAUSES_IN_WORDS.get(miss.cause, miss.cause),
                block="" if block is None else labelled(block.kind, block.name),
                block_number=number,
                field=shown(miss.field or ""),
                tokens=miss.tokens,
                usd=miss.usd,
                evidence=miss.evidence,
                words=_changed_words(turn.index, prompts, texts, blamed.block) if texts and blamed else (),
            )
        )
    return tuple(found)


def _changed_words(
    index: int, prompts: Sequence[Sequence[Block]], texts: Mapping[str, str], blamed: Block
) -> tuple[WordRun, ...]:
    """Return what changed in the first block in which a prompt differs from the earlier one most like it.

    Nothing if that is not the block that is blamed for the miss: its words would explain something else.
    """
    earlier = range(max(0, index - EARLIER_COMPARED), index)
    changes = ((first_change(prompts[index], prompts[at], len(prompts[at])), at) for at in earlier)
    found = [(change.at, at, change.block) for change, at in changes if change is not None and change.block]
    if not found:
        return ()
    place, before, block = max(found, key=lambda each: each[:2])
    if block.digest != blamed.digest:
        return ()
    counterpart = [each for each in prompts[before] if not each.deferred][place]
    now, then = texts.get(block.digest), texts.get(counterpart.digest)
    if now is None:
        return ()
    is_same_block = (counterpart.kind, counterpart.name) == (block.kind, block.name)
    return word_difference(then if then is not None and is_same_block else "", now)


def compaction_turns(analysis: Analysis) -> tuple[int, ...]:
    """Return the turns whose prompt is the first after a compaction of their context."""
    turns_of: dict[str, list[int]] = {}
    for turn in analysis.turns:
        turns_of.setdefault(turn.context, []).append(turn.index)
    found = set()
    for block in analysis.blocks:
        if block.kind == "summary" and block.born_turn is not None:
            found.add(block.born_turn)
        elif block.evicted_by == _EVICTED_BY_COMPACTION and block.last_turn is not None:
            last, turns = block.last_turn, turns_of.get(block.context or "", [])
            found.update([turn for turn in turns if turn > last][:1])
    return tuple(sorted(found))


def waits_of(analysis: Analysis) -> tuple[Wait, ...]:
    """Return the waits of a run in which something lay in the cache, in the order of their calls."""
    began = min((turn.at for turn in analysis.turns if turn.at is not None), default=None)
    newest: dict[str, int] = {}
    found = []
    for turn in analysis.turns:
        before = newest.get(turn.context)
        newest[turn.context] = turn.index
        if before is None:
            continue
        last = analysis.turns[before]
        start, end = seconds_since(began, last.at), seconds_since(began, turn.at)
        if start is None or end is None or last.usage is None:
            continue
        start += last.duration_s or 0.0
        held = last.usage.input_tokens - last.usage.uncached_input_tokens
        if end <= start or not held:
            continue
        miss = turn.cache_miss
        is_expired = miss is not None and miss.cause == "ttl_expired"
        found.append(
            Wait(
                turn=before,
                next_turn=turn.index,
                start_s=start,
                end_s=end,
                held_tokens=held,
                ttl_s=_ttl_s(analysis, before),
                is_expired=is_expired,
                lost_usd=miss.usd if miss is not None and is_expired else None,
            )
        )
    return tuple(found)


def _ttl_s(analysis: Analysis, turn: int) -> float | None:
    """Return the longest time to live that a turn marked, or wrote if it shows no marks."""
    facts = analysis.run.turns[turn]
    marked = [float(TTL_S[mark.ttl]) for mark in facts.breakpoints]
    if not marked and facts.usage is not None:
        written = facts.usage.by_class()
        marked = [float(TTL_S[ttl]) for ttl in TTL_S if written.get(f"cache_write_{ttl}")]
    return max(marked, default=None)

"""The usage that planned calls would be billed for: by the cache rules where they explain the recorded bill.

A call whose recorded bill the rules explain is played through them again. Any other call keeps the classes
that its tokens were billed in: the source hides part of its prompt, or its provider's cache is best effort.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import Any, cast

from tokenprof.attribute.classes import PROMPT_ORDER
from tokenprof.attribute.solve import largest_remainder
from tokenprof.costing.cache_replay import response_began_s
from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.cache.anthropic_cache import AnthropicCache, CacheSplit, Lookup
from tokenprof.pricing.cache.cache_rules import SECTIONS, TTL_S, CacheRuleError
from tokenprof.pricing.cache.prompt_prefixes import PrefixRow, PromptPrefixes, salts_of
from tokenprof.pricing.usage import INPUT_CLASSES, TokenClass, Usage
from tokenprof.whatif.geometry.block_rows import SizedRow, count_below
from tokenprof.whatif.geometry.planned_calls import Geometry, PlannedCall

RUNS = {"tool_call": "tool_use", "tool_result": "tool_result"}
"""Kinds that the lookback counts once per run of them, by their names in the cache rules."""

WRITES = tuple(cls for cls in INPUT_CLASSES if cls.startswith("cache_write"))

Counts = tuple[int, ...]
"""The tokens of a prompt by class, in the order of `INPUT_CLASSES`."""


@frozen
class ReplayedCall:
    """A call with the predicted counts of its prompt; `by_rules` says that the cache rules gave them."""

    call: PlannedCall
    counts: Counts
    by_rules: bool

    @property
    def usage(self) -> Usage:
        """The counts with the planned output and the recorded fees."""
        if self.counts == counts_of(self.call.usage):
            return self.call.usage
        named = {f"{cls}_tokens": tokens for cls, tokens in zip(INPUT_CLASSES, self.counts, strict=True)}
        return replace(self.call.usage, **cast(dict[str, Any], named))


def counts_of(usage: Usage) -> Counts:
    """Return the tokens of a prompt by class."""
    return _input_counts(usage)


_input_counts: Callable[[Usage], Counts] = attrgetter(*(f"{cls}_tokens" for cls in INPUT_CLASSES))
_PLACE = {str(cls): at for at, cls in enumerate(INPUT_CLASSES)}
_READ, _FRESH = _PLACE[TokenClass.CACHE_READ], _PLACE[TokenClass.UNCACHED_INPUT]
_WRITE_5M, _WRITE_1H = _PLACE[TokenClass.CACHE_WRITE_5M], _PLACE[TokenClass.CACHE_WRITE_1H]
_MISSED_FIRST = tuple(_PLACE[cls] for cls in PROMPT_ORDER if cls != TokenClass.CACHE_READ)


def explained_calls(recorded: Geometry) -> frozenset[int]:
    """Return the indices of the turns whose bills the cache rules explain to the token."""
    splits = _play(recorded)
    return frozenset(
        call.index
        for call, split in zip(recorded.calls, splits, strict=True)
        if split is not None and _counts_of_split(split) == counts_of(call.usage)
    )


def replay(planned: Geometry, recorded: Geometry, explained: frozenset[int]) -> tuple[ReplayedCall, ...]:
    """Return the usage of each planned call. `explained` are the turns that follow the cache rules."""
    splits = _play(planned) if explained else [None] * len(planned.calls)
    was = {call.index: call for call in recorded.calls}
    gaps = _gaps_s(planned) if any(call.ttl for call in planned.calls) else [None] * len(planned.calls)
    found = []
    cached: dict[str, int] = {}
    for place, (call, split) in enumerate(zip(planned.calls, splits, strict=True)):
        by_rules = split is not None and call.index in explained
        if split is not None and by_rules:
            counts = _counts_of_split(split)
        elif _same_prompt(call, was[call.index]):
            counts = counts_of(call.usage)
        else:
            counts = _as_billed(call, gaps[place], cached.get(call.turn.context, 0))
        if call.kept_tokens:
            counts = _with_kept(counts, call.kept_tokens)
        cached[call.turn.context] = sum(counts) - counts[_FRESH]
        found.append(ReplayedCall(call, counts, by_rules))
    return tuple(found)


def _play(geometry: Geometry) -> list[CacheSplit | None]:
    """Return how Anthropic's rules divide each prompt; None for a call that they say nothing about."""
    cache = AnthropicCache()
    rows = _PrefixRows()
    pending: list[tuple[float, int, Lookup]] = []
    found: list[CacheSplit | None] = [None] * len(geometry.calls)
    order = sorted(range(len(geometry.calls)), key=lambda at: geometry.calls[at].turn.started_at)
    for at in order:
        call = geometry.calls[at]
        turn = call.turn
        if turn.provider != "anthropic" or turn.hidden_prefix or not call.length:
            continue
        at_s = turn.started_at.timestamp()
        while pending and pending[0][0] <= at_s:
            began_s, _, done = heapq.heappop(pending)
            cache.commit(done, began_s)
        try:
            looked_up = cache.lookup(
                rows.prompt(call),
                call.marks,
                at_s,
                turn.model,
                scope=turn.provider,
                on=turn.started_at.date(),
            )
        except CacheRuleError:
            continue
        found[at] = looked_up.split
        heapq.heappush(pending, (response_began_s(turn), at, looked_up))
    return found


class _PrefixRows:
    """The prefix keys of each row of blocks; a call costs what it adds to the longest one before."""

    def __init__(self) -> None:
        self._rows: dict[tuple[SizedRow, tuple[str, ...]], PrefixRow] = {}

    def prompt(self, call: PlannedCall) -> PromptPrefixes:
        salts = tuple(salts_of(call.turn.settings).values())
        salt_of = dict(zip(SECTIONS, salts, strict=True))
        row = self._rows.setdefault((call.row, salts), PrefixRow())
        for block in call.row.blocks[len(row.keys) : call.length]:
            salt = salt_of[block.block.section if block.block else "messages"]
            row.add(block.key + salt, block.tokens, RUNS.get(block.kind, ""))
        return PromptPrefixes(row, call.length, sum(block.tokens for block in call.tail))


def _counts_of_split(split: CacheSplit) -> Counts:
    counts = [0] * len(INPUT_CLASSES)
    counts[_READ], counts[_FRESH] = split.read_tokens, split.uncached_tokens
    counts[_WRITE_5M], counts[_WRITE_1H] = split.write_5m_tokens, split.write_1h_tokens
    return tuple(counts)


def _same_prompt(call: PlannedCall, recorded: PlannedCall) -> bool:
    """Whether a call sends the recorded prompt, cached for as long."""
    return call is recorded or (
        call.row is recorded.row
        and call.length == recorded.length
        and call.tail is recorded.tail
        and call.ttl is None
    )


def _as_billed(call: PlannedCall, gap_s: float | None, cached_before: int) -> Counts:
    """Return the recorded usage with the tokens that a lever added or took away, in their own classes."""
    counts = _counts_by_place(call)
    return tuple(counts) if call.ttl is None else _with_ttl(counts, call.ttl, gap_s, cached_before)


def _counts_by_place(call: PlannedCall) -> list[int]:
    """Return the tokens of a planned prompt by class: each block keeps the classes of its recorded place."""
    counts = [0] * len(INPUT_CLASSES)
    kept = call.row.kept_ends
    cut: dict[tuple[str, int | None], list[tuple[int, int]]] = {}
    for span in call.spans:
        at = _PLACE[span.cls]
        counts[at] += kept[span.after] - kept[span.first]
        for part in span.parts:
            cut.setdefault((part.block, part.place), []).append((at, part.tokens))
    tail = {block.id: block.tokens for block in call.tail} if cut else {}
    for (block, place), parts in cut.items():
        planned = tail.get(block, 0) if place is None else kept[place + 1] - kept[place]
        for at, tokens in _scaled(parts, planned):
            counts[at] += tokens
    if call.row.inserted:
        for place in call.row.inserted[: count_below(call.row.inserted, call.length)]:
            put_in = call.row.blocks[place]
            counts[_PLACE[put_in.billed_as or TokenClass.UNCACHED_INPUT]] += put_in.tokens
    # A block that was billed nothing has no class of its own.
    counts[_FRESH] += call.tokens - sum(counts)
    return counts


def _scaled(parts: list[tuple[int, int]], planned: int) -> list[tuple[int, int]]:
    """Return the classes of a block's tokens as it was billed, scaled to its planned size."""
    if sum(tokens for _, tokens in parts) == planned:
        return parts
    sizes = largest_remainder([float(tokens) for _, tokens in parts], planned)
    return [(at, size) for (at, _), size in zip(parts, sizes, strict=True)]


def _with_ttl(counts: list[int], ttl: str, gap_s: float | None, cached_before: int) -> Counts:
    """Return the tokens by class if every write lived for `ttl`, judged by the clock alone."""
    writes = [_PLACE[cls] for cls in WRITES]
    written, read = sum(counts[at] for at in writes), counts[_READ]
    if gap_s is not None and gap_s >= TTL_S[ttl]:
        written, read = written + read, 0
    elif gap_s is not None and gap_s >= TTL_S["5m"]:
        kept = max(0, min(cached_before - read, written))
        written, read = written - kept, read + kept
    for at in writes:
        counts[at] = 0
    counts[_READ], counts[_PLACE[f"cache_write_{ttl}"]] = read, written
    return tuple(counts)


def _with_kept(counts: Counts, kept_tokens: int) -> Counts:
    """Return the counts with the first tokens after those read from the cache read as well."""
    found = list(counts)
    for at in _MISSED_FIRST:
        moved = min(found[at], kept_tokens)
        found[at], found[_READ], kept_tokens = found[at] - moved, found[_READ] + moved, kept_tokens - moved
    return tuple(found)


def _gaps_s(geometry: Geometry) -> list[float | None]:
    """Return the seconds since the previous call of the same context; None for its first call."""
    newest: dict[str, PlannedCall] = {}
    found: list[float | None] = []
    for call in geometry.calls:
        before = newest.get(call.turn.context)
        gap = (call.turn.started_at - before.turn.started_at).total_seconds() if before else None
        found.append(gap)
        newest[call.turn.context] = call
    return found

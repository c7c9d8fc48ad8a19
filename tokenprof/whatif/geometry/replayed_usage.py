"""The usage that planned calls would be billed for: by the cache rules where they explain the recorded bill.

A call whose recorded bill the rules explain is played through them again. Any other call keeps the classes
that its tokens were billed in: the source hides part of its prompt, or its provider's cache is best effort.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from tokenprof.attribute.solve import largest_remainder
from tokenprof.costing.cache_replay import response_began_s
from tokenprof.pricing.cache.anthropic_cache import AnthropicCache, CacheSplit, Lookup
from tokenprof.pricing.cache.cache_rules import SECTIONS, TTL_S, CacheRuleError
from tokenprof.pricing.cache.prompt_prefixes import PrefixRow, PromptPrefixes, salts_of
from tokenprof.pricing.usage import INPUT_CLASSES, TokenClass, Usage
from tokenprof.whatif.geometry.planned_calls import Geometry, PlannedCall, SizedBlock

RUNS = {"tool_call": "tool_use", "tool_result": "tool_result"}
"""Kinds that the lookback counts once per run of them, by their names in the cache rules."""

WRITES = tuple(cls for cls in INPUT_CLASSES if cls.startswith("cache_write"))


@dataclass(frozen=True, slots=True)
class ReplayedCall:
    """A call with its predicted usage; `by_rules` says that the cache rules gave it."""

    call: PlannedCall
    usage: Usage
    by_rules: bool


def explained_calls(recorded: Geometry) -> frozenset[int]:
    """Return the indices of the turns whose bills the cache rules explain to the token."""
    splits = _play(recorded)
    return frozenset(
        call.index
        for call, split in zip(recorded.calls, splits, strict=True)
        if split is not None and _with_split(call.usage, split) == call.usage
    )


def replay(planned: Geometry, recorded: Geometry, explained: frozenset[int]) -> tuple[ReplayedCall, ...]:
    """Return the usage of each planned call. `explained` are the turns that follow the cache rules."""
    splits = _play(planned) if explained else [None] * len(planned.calls)
    as_recorded = set(map(id, recorded.calls))
    gaps = _gaps_s(planned)
    found = []
    cached: dict[str, int] = {}
    for place, (call, split) in enumerate(zip(planned.calls, splits, strict=True)):
        if split is not None and call.index in explained:
            usage, by_rules = _with_split(call.usage, split), True
        elif id(call) in as_recorded:
            usage, by_rules = call.usage, False
        else:
            usage, by_rules = _as_billed(call, gaps[place], cached.get(call.turn.context, 0)), False
        cached[call.turn.context] = usage.input_tokens - usage.uncached_input_tokens
        found.append(ReplayedCall(call, usage, by_rules))
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
        if turn.provider != "anthropic" or turn.hidden_prefix or not call.blocks:
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
    """The prefix keys of each context's prompts; a call costs what it adds to the one before."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, tuple[str, ...]], tuple[PrefixRow, list[tuple[str, int]]]] = {}

    def prompt(self, call: PlannedCall) -> PromptPrefixes:
        salts = tuple(salts_of(call.turn.settings).values())
        salt_of = dict(zip(SECTIONS, salts, strict=True))
        row, items = self._rows.get((call.turn.context, salts), (PrefixRow(), []))
        wanted = [(block.key, block.tokens) for block in call.blocks]
        same = next(
            (at for at, (a, b) in enumerate(zip(items, wanted, strict=False)) if a != b),
            min(len(items), len(wanted)),
        )
        if same < len(items):
            row, items = PrefixRow(row.keys[:same], row.ends[:same], row.kinds[:same]), items[:same]
        for block in call.blocks[same:]:
            salt = salt_of[block.block.section if block.block else "messages"]
            row.add(block.key + salt, block.tokens, RUNS.get(block.kind, ""))
        self._rows[call.turn.context, salts] = row, wanted
        return PromptPrefixes(row, len(wanted), sum(block.tokens for block in call.tail))


def _with_split(usage: Usage, split: CacheSplit) -> Usage:
    return replace(
        usage,
        cache_read_tokens=split.read_tokens,
        cache_write_5m_tokens=split.write_5m_tokens,
        cache_write_1h_tokens=split.write_1h_tokens,
        cache_write_30m_tokens=0,
        cache_write_12h_tokens=0,
        cache_write_tokens=0,
        uncached_input_tokens=split.uncached_tokens,
    )


def _as_billed(call: PlannedCall, gap_s: float | None, cached_before: int) -> Usage:
    """Return the recorded usage with the tokens that a lever added or took away, in their own classes."""
    tokens: dict[str, int] = defaultdict(int)
    for block in (*call.blocks, *call.tail):
        for cls, count in classes_of(block):
            tokens[cls] += count
    if call.ttl is not None:
        tokens = _with_ttl(tokens, call, gap_s, cached_before)
    counts = {f"{cls}_tokens": tokens.get(cls, 0) for cls in INPUT_CLASSES}
    return replace(call.usage, **cast(dict[str, Any], counts))


def classes_of(block: SizedBlock) -> list[tuple[str, int]]:
    """Return the classes of a block's tokens as it was billed, scaled to its planned size."""
    before = sum(count for _, count in block.billed_as)
    if before == block.tokens:
        return list(block.billed_as)
    if not before:
        return [(TokenClass.UNCACHED_INPUT, block.tokens)] if block.tokens else []
    parts = largest_remainder([float(count) for _, count in block.billed_as], block.tokens)
    return [(cls, part) for (cls, _), part in zip(block.billed_as, parts, strict=True)]


def _with_ttl(
    tokens: Mapping[str, int], call: PlannedCall, gap_s: float | None, cached_before: int
) -> dict[str, int]:
    """Return the tokens by class if every write lived for `call.ttl`, judged by the clock alone."""
    found = {cls: count for cls, count in tokens.items() if cls not in WRITES}
    written = sum(count for cls, count in tokens.items() if cls in WRITES)
    lives_s = TTL_S[call.ttl or "5m"]
    read = found.get(TokenClass.CACHE_READ, 0)
    if gap_s is not None and gap_s >= lives_s:
        written, read = written + read, 0
    elif gap_s is not None and gap_s >= TTL_S["5m"]:
        kept = max(0, min(cached_before - read, written))
        written, read = written - kept, read + kept
    found[TokenClass.CACHE_READ] = read
    found[f"cache_write_{call.ttl}"] = written
    return found


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

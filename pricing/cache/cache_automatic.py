"""Prompt caches that need no markers, by their published rules, offline: OpenAI's two, and DeepSeek's.

Until GPT-5.5 OpenAI matched any earlier prefix, in steps of 128 tokens. From GPT-5.6 it matches exactly at
breakpoints, which it places by itself at the ends of messages. DeepSeek keeps whole units. All three are
best effort at the provider: what is simulated here is an upper bound of what a bill will show, and a bill
outranks it. Sources: https://developers.openai.com/api/docs/guides/prompt-caching and
https://api-docs.deepseek.com/guides/kv_cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

from tokenprof.pricing.cache.cache_rules import (
    DEEPSEEK_IDLE_S,
    OPENAI_IDLE_S,
    OPENAI_MAX_LOOKUPS,
    OPENAI_MAX_WRITES,
    OPENAI_STEP_TOKENS,
    TTL_S,
    CacheRuleError,
    minimum_cacheable,
)
from tokenprof.pricing.cache.cache_simulator import AnyBlock, CacheBlock, prefix_keys

Scope = tuple[str, str]


@dataclass(frozen=True, slots=True)
class AutomaticSplit:
    """How the prompt of one call divides, in tokens; the four add up to the prompt."""

    read_tokens: int
    write_30m_tokens: int
    write_12h_tokens: int
    uncached_tokens: int


@dataclass(frozen=True, slots=True)
class AutomaticLookup:
    """The outcome of a request's lookup, to be committed when its response begins."""

    split: AutomaticSplit
    scope: Scope
    writes: tuple[tuple[bytes, float], ...] = field(repr=False)


class _Entries:
    """Prefixes that live for a while after their last use."""

    def __init__(self) -> None:
        self._lives: dict[tuple[Scope, bytes], tuple[float, float]] = {}

    def alive(self, scope: Scope, key: bytes, at_s: float) -> bool:
        life = self._lives.get((scope, key))
        return life is not None and at_s < life[1]

    def touch(self, scope: Scope, key: bytes, at_s: float) -> None:
        idle_s, _ = self._lives[scope, key]
        self._lives[scope, key] = (idle_s, at_s + idle_s)

    def write(self, scope: Scope, writes: Iterable[tuple[bytes, float]], at_s: float) -> None:
        for key, idle_s in writes:
            held_s, _ = self._lives.get((scope, key), (0.0, 0.0))
            longest_s = max(held_s, idle_s)
            self._lives[scope, key] = (longest_s, at_s + longest_s)


class OpenAIPrefixCache:
    """OpenAI's cache before GPT-5.6: the longest earlier prefix, in steps of 128 tokens from 1,024 on."""

    def __init__(self, idle_s: float = OPENAI_IDLE_S):
        """`idle_s` is how long an unused prefix stays: up to an hour in memory, a day with 24 h retention."""
        self._idle_s = idle_s
        self._entries = _Entries()

    def call(self, blocks: Sequence[AnyBlock], at_s: float, model: str, scope: str = "") -> AutomaticSplit:
        """Return how a call's prompt divides, with what it leaves behind visible at once."""
        found = self.lookup(blocks, at_s, model, scope)
        self.commit(found, at_s)
        return found.split

    def lookup(self, blocks: Sequence[AnyBlock], at_s: float, model: str, scope: str = "") -> AutomaticLookup:
        """Return what a request reads; blocks are matched whole. `scope` holds the `prompt_cache_key`."""
        prompt, where = [CacheBlock(*block) for block in blocks], (scope, model)
        keys = list(prefix_keys(prompt))
        common = 0
        for key, size in zip(keys, accumulate(block.tokens for block in prompt), strict=True):
            if not self._entries.alive(where, key, at_s):
                break
            self._entries.touch(where, key, at_s)
            common = size
        read = common - common % OPENAI_STEP_TOKENS
        if read < minimum_cacheable("openai", model).tokens:
            read = 0
        total = sum(block.tokens for block in prompt)
        return AutomaticLookup(
            AutomaticSplit(read, 0, 0, total - read), where, tuple((key, self._idle_s) for key in keys)
        )

    def commit(self, found: AutomaticLookup, at_s: float) -> None:
        """Make the request's prefixes visible, from the moment its response begins."""
        self._entries.write(found.scope, found.writes, at_s)


class OpenAIBreakpointCache:
    """OpenAI's cache from GPT-5.6 on: exact matches at breakpoints, implicit ones at the ends of messages."""

    def __init__(self) -> None:
        self._entries = _Entries()

    def call(
        self,
        blocks: Sequence[AnyBlock],
        message_ends: Sequence[int],
        breakpoints: Sequence[tuple[int, str]],
        at_s: float,
        model: str,
        scope: str = "",
        mode: Literal["implicit", "explicit"] = "implicit",
    ) -> AutomaticSplit:
        """Return how a call's prompt divides, with its writes visible at once."""
        found = self.lookup(blocks, message_ends, breakpoints, at_s, model, scope, mode)
        self.commit(found, at_s)
        return found.split

    def lookup(
        self,
        blocks: Sequence[AnyBlock],
        message_ends: Sequence[int],
        breakpoints: Sequence[tuple[int, str]],
        at_s: float,
        model: str,
        scope: str = "",
        mode: Literal["implicit", "explicit"] = "implicit",
    ) -> AutomaticLookup:
        """Return what a request reads and will write.

        `message_ends` are the indices of the last block of each message, `breakpoints` the explicit ones
        (index of the last block covered, `30m` or `12h`). Raises `CacheRuleError` for another time to live.
        """
        prompt, where = [CacheBlock(*block) for block in blocks], (scope, model)
        keys = list(prefix_keys(prompt))
        sizes = list(accumulate(block.tokens for block in prompt))
        explicit = dict(sorted(breakpoints))
        for index, ttl in explicit.items():
            if ttl not in ("30m", "12h"):
                raise CacheRuleError(
                    f"Cache breakpoint at block {index}: the time to live '{ttl}' is not 30m or 12h."
                )
        implicit = mode == "implicit" and bool(message_ends)
        candidates = sorted({*explicit, *(message_ends if implicit else ())})[-OPENAI_MAX_LOOKUPS:]
        hit = max(
            (index for index in candidates if self._entries.alive(where, keys[index], at_s)), default=-1
        )
        if hit >= 0:
            self._entries.touch(where, keys[hit], at_s)
        writes = dict(list(explicit.items())[-(OPENAI_MAX_WRITES - implicit) :])
        if implicit:
            writes.setdefault(message_ends[-1], "30m")
        minimum = minimum_cacheable("openai", model).tokens
        return self._split(
            where, keys, sizes, hit, {i: ttl for i, ttl in writes.items() if sizes[i] >= minimum}
        )

    def commit(self, found: AutomaticLookup, at_s: float) -> None:
        """Make the request's writes visible, from the moment its response begins."""
        self._entries.write(found.scope, found.writes, at_s)

    @staticmethod
    def _split(
        where: Scope, keys: list[bytes], sizes: list[int], hit: int, writes: dict[int, str]
    ) -> AutomaticLookup:
        """Bill each written stretch by the time to live of the breakpoint at its end."""
        read = covered = sizes[hit] if hit >= 0 else 0
        written = {"30m": 0, "12h": 0}
        for index in sorted(index for index in writes if index > hit):
            written[writes[index]] += sizes[index] - covered
            covered = sizes[index]
        total = sizes[-1] if sizes else 0
        return AutomaticLookup(
            split=AutomaticSplit(read, written["30m"], written["12h"], total - covered),
            scope=where,
            writes=tuple((keys[index], TTL_S[ttl]) for index, ttl in writes.items() if index > hit),
        )


class DeepSeekCache:
    """DeepSeek's disk cache of whole units, which end where a prompt or output ended, or where two parted."""

    def __init__(self, idle_s: float = DEEPSEEK_IDLE_S, interval_tokens: int | None = None):
        """`interval_tokens` adds a unit every so many tokens; the provider does not say how many."""
        self._idle_s = idle_s
        self._interval_tokens = interval_tokens
        self._units = _Entries()
        self._seen: set[tuple[Scope, bytes]] = set()

    def call(
        self,
        blocks: Sequence[AnyBlock],
        output: Sequence[AnyBlock],
        at_s: float,
        model: str,
        scope: str = "",
    ) -> AutomaticSplit:
        """Return how a call's prompt divides; what it and its output leave behind is visible at once."""
        found = self.lookup(blocks, output, at_s, model, scope)
        self.commit(found, at_s)
        return found.split

    def lookup(
        self,
        blocks: Sequence[AnyBlock],
        output: Sequence[AnyBlock],
        at_s: float,
        model: str,
        scope: str = "",
    ) -> AutomaticLookup:
        """Return what a request reads: the longest unit that is wholly a prefix of it. Writing is free."""
        prompt, where = [CacheBlock(*block) for block in blocks], (scope, model)
        whole = [*prompt, *(CacheBlock(*block) for block in output)]
        keys = list(prefix_keys(whole))
        sizes = list(accumulate(block.tokens for block in whole))
        prompt_range = range(len(prompt))
        hit = max((i for i in prompt_range if self._units.alive(where, keys[i], at_s)), default=-1)
        if hit >= 0:
            self._units.touch(where, keys[hit], at_s)
        read = sizes[hit] if hit >= 0 else 0
        ends = {
            len(prompt) - 1,
            len(whole) - 1,
            max((i for i in prompt_range if (where, keys[i]) in self._seen), default=-1),
        }
        if self._interval_tokens:
            steps = [0, *(size // self._interval_tokens for size in sizes)]
            ends.update(index for index in range(len(whole)) if steps[index + 1] > steps[index])
        self._seen.update((where, key) for key in keys)
        total = sizes[len(prompt) - 1] if prompt else 0
        return AutomaticLookup(
            split=AutomaticSplit(read, 0, 0, total - read),
            scope=where,
            writes=tuple((keys[index], self._idle_s) for index in sorted(ends) if index >= 0),
        )

    def commit(self, found: AutomaticLookup, at_s: float) -> None:
        """Make the units of a request and its output visible."""
        self._units.write(found.scope, found.writes, at_s)

"""Prompt caches that need no breakpoints, by their published rules, offline: OpenAI's two, and DeepSeek's.

Before GPT-5.6 OpenAI matched any earlier prefix, in steps of 128 tokens. From GPT-5.6 on it matches exactly
at breakpoints, which it places by itself at the ends of messages. DeepSeek keeps whole units. All three are
best effort at the provider: a simulation is an upper bound of what a bill will show, and a bill outranks
it. Sources: https://developers.openai.com/api/docs/guides/prompt-caching and
https://api-docs.deepseek.com/guides/kv_cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
from tokenprof.pricing.cache.prompt_prefixes import AnyBlock, Prompt, PromptPrefixes, prefixes_of
from tokenprof.pricing.cache.unread_prefix import UnreadPrefix

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
    """The outcome of a request's lookup, to be committed when its response begins.

    `unread` is a longer prefix of the prompt that the cache had held before and dropped, if there is one.
    """

    split: AutomaticSplit
    scope: Scope
    writes: tuple[tuple[bytes, float], ...] = field(repr=False)
    unread: UnreadPrefix | None = None


@dataclass(slots=True)
class _IdleLife:
    """How long a prefix can lie unused, and when it was last used."""

    idle_s: float
    used_s: float


class _Entries:
    """Prefixes that live for a while after their last use."""

    def __init__(self) -> None:
        self._lives: dict[tuple[Scope, bytes], _IdleLife] = {}

    def alive(self, scope: Scope, key: bytes, at_s: float) -> bool:
        life = self._lives.get((scope, key))
        return life is not None and at_s < life.used_s + life.idle_s

    def touch(self, scope: Scope, key: bytes, at_s: float) -> None:
        self._lives[scope, key].used_s = at_s

    def write(self, scope: Scope, writes: Iterable[tuple[bytes, float]], at_s: float) -> None:
        for key, idle_s in writes:
            held = self._lives.get((scope, key))
            longest_s = max(held.idle_s, idle_s) if held else idle_s
            self._lives[scope, key] = _IdleLife(longest_s, at_s)

    def dropped(
        self, scope: Scope, prompt: PromptPrefixes, hit: int, candidates: Iterable[int], at_s: float
    ) -> UnreadPrefix | None:
        """Return the longest prefix after the hit that was once held; `candidates` come longest first."""
        for index in candidates:
            if index <= hit:
                return None
            life = self._lives.get((scope, prompt.key(index)))
            if life is not None:
                tokens = prompt.size(index) - prompt.size(hit)
                return UnreadPrefix("ttl_expired", tokens, at_s - life.used_s, life.idle_s)
        return None


class OpenAIPrefixCache:
    """OpenAI's cache before GPT-5.6: the longest earlier prefix, in steps of 128 tokens from 1,024 on."""

    def __init__(self, idle_s: float = OPENAI_IDLE_S):
        """`idle_s` is how long an unused prefix stays: up to an hour in memory, a day with 24 h retention."""
        self._idle_s = idle_s
        self._entries = _Entries()

    def call(self, blocks: Prompt, at_s: float, model: str, scope: str = "") -> AutomaticSplit:
        """Return how a call's prompt divides, with what it leaves behind visible at once."""
        found = self.lookup(blocks, at_s, model, scope)
        self.commit(found, at_s)
        return found.split

    def lookup(self, blocks: Prompt, at_s: float, model: str, scope: str = "") -> AutomaticLookup:
        """Return what a request reads; blocks are matched whole. `scope` holds the `prompt_cache_key`."""
        prompt, where = prefixes_of(blocks), (scope, model)
        hit = -1
        while hit + 1 < prompt.length and self._entries.alive(where, prompt.key(hit + 1), at_s):
            hit += 1
            self._entries.touch(where, prompt.key(hit), at_s)
        read = prompt.size(hit) - prompt.size(hit) % OPENAI_STEP_TOKENS
        if read < minimum_cacheable("openai", model).tokens:
            read = 0
        return AutomaticLookup(
            AutomaticSplit(read, 0, 0, prompt.tokens - read),
            where,
            tuple((prompt.key(index), self._idle_s) for index in range(prompt.length)),
            self._entries.dropped(where, prompt, hit, range(prompt.length - 1, -1, -1), at_s),
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
        blocks: Prompt,
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
        blocks: Prompt,
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
        prompt, where = prefixes_of(blocks), (scope, model)
        explicit = dict(sorted(breakpoints))
        for index, ttl in explicit.items():
            if ttl not in ("30m", "12h"):
                raise CacheRuleError(
                    f"Cache breakpoint at block {index}: the time to live '{ttl}' is not 30m or 12h."
                )
        implicit = mode == "implicit" and bool(message_ends)
        candidates = sorted({*explicit, *(message_ends if implicit else ())})[-OPENAI_MAX_LOOKUPS:]
        hit = max(
            (index for index in candidates if self._entries.alive(where, prompt.key(index), at_s)), default=-1
        )
        if hit >= 0:
            self._entries.touch(where, prompt.key(hit), at_s)
        writes = dict(list(explicit.items())[-(OPENAI_MAX_WRITES - implicit) :])
        if implicit:
            writes.setdefault(message_ends[-1], "30m")
        minimum = minimum_cacheable("openai", model).tokens
        written = {i: ttl for i, ttl in sorted(writes.items()) if i > hit and prompt.size(i) >= minimum}
        return AutomaticLookup(
            split=_split_by_ttl(prompt, hit, written),
            scope=where,
            writes=tuple((prompt.key(index), TTL_S[ttl]) for index, ttl in written.items()),
            unread=self._entries.dropped(where, prompt, hit, reversed(candidates), at_s),
        )

    def commit(self, found: AutomaticLookup, at_s: float) -> None:
        """Make the request's writes visible, from the moment its response begins."""
        self._entries.write(found.scope, found.writes, at_s)


def _split_by_ttl(prompt: PromptPrefixes, hit: int, written: dict[int, str]) -> AutomaticSplit:
    """Bill each written stretch by the time to live of the breakpoint at its end."""
    covered = prompt.size(hit)
    tokens = {"30m": 0, "12h": 0}
    for index, ttl in written.items():
        tokens[ttl] += prompt.size(index) - covered
        covered = prompt.size(index)
    return AutomaticSplit(prompt.size(hit), tokens["30m"], tokens["12h"], prompt.tokens - covered)


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
        found = self.lookup([*blocks, *output], len(blocks), at_s, model, scope)
        self.commit(found, at_s)
        return found.split

    def lookup(
        self, blocks: Prompt, prompt_blocks: int, at_s: float, model: str, scope: str = ""
    ) -> AutomaticLookup:
        """Return what a request reads: the longest unit that is wholly a prefix of it. Writing is free.

        `blocks` are the prompt, its first `prompt_blocks` blocks, and the output that followed it.
        """
        whole, where = prefixes_of(blocks), (scope, model)
        prompt = PromptPrefixes(whole.row, prompt_blocks, 0)
        backwards = range(prompt_blocks - 1, -1, -1)
        hit = next((i for i in backwards if self._units.alive(where, prompt.key(i), at_s)), -1)
        if hit >= 0:
            self._units.touch(where, prompt.key(hit), at_s)
        # Every prefix of a seen prefix was seen as well.
        seen = next((i for i in range(whole.length - 1, -1, -1) if (where, whole.key(i)) in self._seen), -1)
        ends = {prompt_blocks - 1, whole.length - 1, min(seen, prompt_blocks - 1)}
        if self._interval_tokens:
            steps = [0, *(whole.size(index) // self._interval_tokens for index in range(whole.length))]
            ends.update(index for index in range(whole.length) if steps[index + 1] > steps[index])
        self._seen.update((where, whole.key(index)) for index in range(seen + 1, whole.length))
        read = prompt.size(hit)
        return AutomaticLookup(
            split=AutomaticSplit(read, 0, 0, prompt.tokens - read),
            scope=where,
            writes=tuple((whole.key(index), self._idle_s) for index in sorted(ends) if index >= 0),
            unread=self._units.dropped(where, prompt, hit, backwards, at_s),
        )

    def commit(self, found: AutomaticLookup, at_s: float) -> None:
        """Make the units of a request and its output visible."""
        self._units.write(found.scope, found.writes, at_s)

"""Anthropic's prompt cache by its published rules, offline: what calls read, write and send fresh.

Works on blocks (a digest and a size), never on text, and on the caller's clock. The rules are those of
https://platform.claude.com/docs/en/build-with-claude/prompt-caching: an entry is a hash of the whole
prefix up to a breakpoint; a lookup starts at each breakpoint and walks back. A bill always outranks a
simulation. `automatic_caches` has the caches that need no breakpoints.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from tokenprof.pricing.cache.cache_rules import (
    LOOKBACK_POSITIONS,
    MAX_BREAKPOINTS,
    ONE_POSITION_RUNS,
    TTL_S,
    CacheRuleError,
    minimum_cacheable,
)
from tokenprof.pricing.cache.prompt_prefixes import Prompt, PromptPrefixes, prefixes_of
from tokenprof.pricing.cache.unread_prefix import MissCause, UnreadPrefix


@dataclass(frozen=True, slots=True)
class CacheSplit:
    """How the prompt of one call divides, in tokens; the four add up to the prompt."""

    read_tokens: int
    write_5m_tokens: int
    write_1h_tokens: int
    uncached_tokens: int


@dataclass(slots=True)
class _Entry:
    """A cached prefix: its time to live, its last use, and from when on it can be read."""

    ttl: str
    used_s: float
    visible_s: float

    @property
    def expires_s(self) -> float:
        return self.used_s + TTL_S[self.ttl]


@dataclass(frozen=True, slots=True)
class Lookup:
    """The outcome of a request's lookup, to be committed when its response begins.

    `read_blocks` is how many blocks at the head were read. `unread` is what else of the prompt the cache
    might have served and why it did not, None if there was no more to serve. `writes` are the prefixes that
    the response will write, with the index of their last block; `too_short` those that stay uncached because
    they are below the minimum.
    """

    split: CacheSplit
    read_blocks: int
    unread: UnreadPrefix | None
    scope: tuple[str, str]
    writes: tuple[tuple[int, bytes, str], ...] = field(repr=False)
    too_short: tuple[tuple[int, bytes], ...] = field(repr=False, default=())

    @property
    def miss(self) -> MissCause | None:
        """Why no more was read; None if there was no more to read."""
        return self.unread.cause if self.unread else None


class AnthropicCache:
    """Anthropic's prompt cache: entries at breakpoints, found from breakpoints.

    A request looks up (and refreshes) entries; what it writes can be read by others only once its
    response has begun, so a server calls `lookup` and then `commit`. `call` does both at one time.
    Times are seconds of any one clock; an entry can be read until just before its time to live has passed.
    """

    def __init__(self, minimum_tokens: int | None = None, on: date | None = None):
        """Use the dated table's minimum per model, or `minimum_tokens` for all; `on` dates the table."""
        self._minimum_tokens = minimum_tokens
        self._on = on
        self._entries: dict[tuple[tuple[str, str], bytes], _Entry] = {}
        self._too_short: set[tuple[tuple[str, str], bytes]] = set()
        # The indices of all blocks with which a prefix ended that was to be cached: a prompt has many more.
        self._marked: dict[tuple[str, str], list[int]] = {}

    def call(
        self,
        blocks: Prompt,
        breakpoints: Sequence[tuple[int, str]],
        at_s: float,
        model: str,
        scope: str = "",
    ) -> CacheSplit:
        """Return how a call's prompt divides, with its writes visible at once."""
        found = self.lookup(blocks, breakpoints, at_s, model, scope)
        self.commit(found, at_s)
        return found.split

    def lookup(
        self,
        blocks: Prompt,
        breakpoints: Sequence[tuple[int, str]],
        at_s: float,
        model: str,
        scope: str = "",
        on: date | None = None,
    ) -> Lookup:
        """Return what a request reads and will write, and refresh the entries that it uses.

        `blocks` are the whole prompt in cache order (tools, system, messages). A breakpoint is the index
        of the last block it covers and its time to live, `5m` or `1h`. `scope` keeps caches apart
        (workspace, organisation), as `model` does; `on` is the day whose rules hold (None: that of the
        cache). Raises `CacheRuleError` for a request that the API refuses: more than four breakpoints,
        or a 1 h one after a 5 m one.
        """
        prompt, where = prefixes_of(blocks), (scope, model)
        asked = _checked_marks(breakpoints, prompt.length)
        minimum = self._minimum(model, on)
        marks = {index: ttl for index, ttl in asked.items() if prompt.size(index) >= minimum}
        hit = -1
        for index in marks:
            position = self._find(where, prompt, index, at_s)
            if position is not None:
                self._entries[where, prompt.key(position)].used_s = at_s
                hit = max(hit, position)
        read = prompt.size(hit)
        written = {index: ttl for index, ttl in marks.items() if index > hit}
        to_1h = prompt.size(max((index for index, ttl in written.items() if ttl == "1h"), default=hit))
        to_last = prompt.size(max(written, default=hit))
        return Lookup(
            split=CacheSplit(
                read_tokens=read,
                write_5m_tokens=to_last - to_1h,
                write_1h_tokens=to_1h - read,
                uncached_tokens=prompt.tokens - to_last,
            ),
            read_blocks=hit + 1,
            unread=self._unread(where, prompt, hit, asked, marks, at_s),
            scope=where,
            writes=tuple((index, prompt.key(index), ttl) for index, ttl in written.items()),
            too_short=tuple((index, prompt.key(index)) for index in asked if index not in marks),
        )

    def commit(self, found: Lookup, at_s: float) -> None:
        """Make a request's writes visible, from the moment its response begins."""
        marked = self._marked.setdefault(found.scope, [])
        for index in (*(at for at, *_ in found.writes), *(at for at, _ in found.too_short)):
            place = bisect_left(marked, index)
            if place == len(marked) or marked[place] != index:
                marked.insert(place, index)
        self._too_short.update((found.scope, key) for _, key in found.too_short)
        for _, key, ttl in found.writes:
            written = _Entry(ttl=ttl, used_s=at_s, visible_s=at_s)
            twin = self._entries.get((found.scope, key))
            # A parallel request may have written the same prefix for longer; it keeps that life.
            if twin is None or twin.expires_s < written.expires_s:
                self._entries[found.scope, key] = written

    def _minimum(self, model: str, on: date | None) -> int:
        if self._minimum_tokens is not None:
            return self._minimum_tokens
        return minimum_cacheable("anthropic", model, on or self._on).tokens

    def _find(self, where: tuple[str, str], prompt: PromptPrefixes, start: int, at_s: float) -> int | None:
        """Walk back from a breakpoint, through at most twenty positions, to a live entry."""
        positions, previous = 0, ""
        for index in range(start, -1, -1):
            kind = prompt.kind(index)
            if kind not in ONE_POSITION_RUNS or kind != previous:
                positions += 1
            if positions > LOOKBACK_POSITIONS:
                return None
            entry = self._entries.get((where, prompt.key(index)))
            if entry is not None and entry.visible_s <= at_s < entry.expires_s:
                return index
            previous = kind
        return None

    def _unread(
        self,
        where: tuple[str, str],
        prompt: PromptPrefixes,
        hit: int,
        asked: Mapping[int, str],
        marks: Mapping[int, str],
        at_s: float,
    ) -> UnreadPrefix | None:
        """Return the longest prefix after the hit that was once to be cached, and why it was not read."""
        last, short = max(marks, default=-1), -1
        marked = self._marked.get(where, [])
        for index in reversed(marked[bisect_right(marked, hit) : bisect_left(marked, prompt.length)]):
            entry = self._entries.get((where, prompt.key(index)))
            if entry is not None:
                tokens = prompt.size(index) - prompt.size(hit)
                if at_s < entry.visible_s:
                    return UnreadPrefix("not_visible", tokens)
                if at_s >= entry.expires_s:
                    return UnreadPrefix("ttl_expired", tokens, at_s - entry.used_s, TTL_S[entry.ttl])
                return UnreadPrefix("unmarked" if index > last else "lookback", tokens)
            if short < 0 and (where, prompt.key(index)) in self._too_short:
                short = index
        if hit < 0 and asked and (short >= 0 or not marks):
            return UnreadPrefix("below_minimum", prompt.size(short))
        if hit >= 0 or not marks:
            return None
        return UnreadPrefix("changed" if where in self._marked else "first_use", 0)


def _checked_marks(breakpoints: Sequence[tuple[int, str]], count: int) -> dict[int, str]:
    if len(breakpoints) > MAX_BREAKPOINTS:
        raise CacheRuleError(
            f"A request may carry {MAX_BREAKPOINTS} cache breakpoints, but this one has {len(breakpoints)}."
        )
    marks: dict[int, str] = {}
    for index, ttl in sorted(breakpoints):
        if not 0 <= index < count:
            raise CacheRuleError(f"A cache breakpoint stands at block {index} of a prompt of {count} blocks.")
        if ttl not in ("5m", "1h"):
            raise CacheRuleError(
                f"Cache breakpoint at block {index}: the time to live '{ttl}' is not 5m or 1h."
            )
        if ttl == "1h" and "5m" in marks.values():
            raise CacheRuleError(f"The 1h cache breakpoint at block {index} must come before any 5m one.")
        marks[index] = ttl
    return marks

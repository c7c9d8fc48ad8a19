"""Anthropic's prompt cache by its published rules, offline: what calls read, write and send fresh.

Works on blocks (a digest and a size), never on text, and on the caller's clock. The rules are those of
https://platform.claude.com/docs/en/build-with-claude/prompt-caching: an entry is a hash of the whole
prefix up to a breakpoint; a lookup starts at each breakpoint and walks back. A bill always outranks a
simulation. `cache_automatic` has the caches that need no markers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b
from itertools import accumulate
from typing import Literal, NamedTuple

from tokenprof.pricing.cache.cache_rules import (
    LOOKBACK_POSITIONS,
    MAX_BREAKPOINTS,
    ONE_POSITION_RUNS,
    SECTIONS,
    TTL_S,
    CacheRuleError,
    Section,
    first_section_lost,
    minimum_cacheable,
)

MissCause = Literal["first_use", "changed", "ttl_expired", "below_minimum", "lookback", "not_visible"]
"""Why a lookup read less than it might have; `changed`: an entry stood on other content."""


class CacheBlock(NamedTuple):
    """A block as the cache sees it. `kind` matters where runs of `tool_use` or `tool_result` count once."""

    digest: str
    tokens: int
    kind: str = ""


AnyBlock = CacheBlock | tuple[str, int]


@dataclass(frozen=True, slots=True)
class CacheSplit:
    """How the prompt of one call divides, in tokens; the four add up to the prompt."""

    read_tokens: int
    write_5m_tokens: int
    write_1h_tokens: int
    uncached_tokens: int


@dataclass(slots=True)
class _Entry:
    """A cached prefix: how long it may lie unused, and until when it lives as things stand."""

    ttl: str
    expires_s: float
    visible_s: float


@dataclass(frozen=True, slots=True)
class Lookup:
    """The outcome of a request's lookup, to be committed when its response begins.

    `read_blocks` is how many blocks at the head were read. `miss` says why not more, None where nothing
    more was to be had. `writes` are the prefixes that the response will write.
    """

    split: CacheSplit
    read_blocks: int
    miss: MissCause | None
    scope: tuple[str, str]
    writes: tuple[tuple[bytes, str], ...] = field(repr=False)


class AnthropicCache:
    """Anthropic's prompt cache: entries at breakpoints, found from breakpoints.

    A request looks up (and refreshes) entries; what it writes can be read by others only once its
    response has begun, so a server calls `lookup` and then `commit`. `call` does both at one time.
    """

    def __init__(self, minimum_tokens: int | None = None, on: date | None = None):
        """Use the dated table's minimum per model, or `minimum_tokens` for all; `on` dates the table."""
        self._minimum_tokens = minimum_tokens
        self._on = on
        self._entries: dict[tuple[tuple[str, str], bytes], _Entry] = {}
        self._scopes: set[tuple[str, str]] = set()

    def call(
        self,
        blocks: Sequence[AnyBlock],
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
        blocks: Sequence[AnyBlock],
        breakpoints: Sequence[tuple[int, str]],
        at_s: float,
        model: str,
        scope: str = "",
    ) -> Lookup:
        """Return what a request reads and will write, and refresh the entries that it uses.

        `blocks` are the whole prompt in cache order (tools, system, messages). A breakpoint is the index
        of the last block it covers and its time to live, `5m` or `1h`. `scope` keeps caches apart
        (workspace, organisation), as `model` does. Raises `CacheRuleError` for a request that the API
        refuses: more than four breakpoints, or a 1 h one behind a 5 m one.
        """
        prompt = [block if isinstance(block, CacheBlock) else CacheBlock(*block) for block in blocks]
        marks = _checked_marks(breakpoints, len(prompt))
        where = (scope, model)
        keys = list(prefix_keys(prompt))
        sizes = list(accumulate(block.tokens for block in prompt))
        minimum = self._minimum(model)
        marks = {index: ttl for index, ttl in marks.items() if sizes[index] >= minimum}
        hit = -1
        for index in marks:
            position = self._find(where, prompt, keys, index, at_s)
            if position is not None:
                self._entries[where, keys[position]].expires_s = (
                    at_s + TTL_S[self._ttl(where, keys[position])]
                )
                hit = max(hit, position)
        read = sizes[hit] if hit >= 0 else 0
        longest_1h = max((index for index, ttl in marks.items() if ttl == "1h" and index > hit), default=hit)
        last = max((index for index in marks if index > hit), default=hit)
        to_1h = sizes[longest_1h] if longest_1h >= 0 else 0
        to_last = sizes[last] if last >= 0 else 0
        return Lookup(
            split=CacheSplit(
                read_tokens=read,
                write_5m_tokens=to_last - to_1h,
                write_1h_tokens=to_1h - read,
                uncached_tokens=(sizes[-1] if sizes else 0) - to_last,
            ),
            read_blocks=hit + 1,
            miss=self._miss(where, keys, hit, last, at_s, had_marks=bool(breakpoints), cacheable=bool(marks)),
            scope=where,
            writes=tuple((keys[index], ttl) for index, ttl in marks.items() if index > hit),
        )

    def commit(self, found: Lookup, at_s: float) -> None:
        """Make a request's writes visible, from the moment its response begins."""
        self._scopes.add(found.scope)
        for key, ttl in found.writes:
            written = _Entry(ttl=ttl, expires_s=at_s + TTL_S[ttl], visible_s=at_s)
            twin = self._entries.get((found.scope, key))
            # A parallel request may have written the same prefix for longer; it keeps that life.
            if twin is None or twin.expires_s < written.expires_s:
                self._entries[found.scope, key] = written

    def _minimum(self, model: str) -> int:
        if self._minimum_tokens is not None:
            return self._minimum_tokens
        return minimum_cacheable("anthropic", model, self._on).tokens

    def _ttl(self, where: tuple[str, str], key: bytes) -> str:
        return self._entries[where, key].ttl

    def _alive(self, where: tuple[str, str], key: bytes, at_s: float) -> bool:
        entry = self._entries.get((where, key))
        return entry is not None and entry.visible_s <= at_s < entry.expires_s

    def _find(
        self, where: tuple[str, str], prompt: list[CacheBlock], keys: list[bytes], start: int, at_s: float
    ) -> int | None:
        """Walk back from a breakpoint, through at most twenty positions, to a live entry."""
        positions, previous = 0, ""
        for index in range(start, -1, -1):
            kind = prompt[index].kind
            if kind not in ONE_POSITION_RUNS or kind != previous:
                positions += 1
            if positions > LOOKBACK_POSITIONS:
                return None
            if self._alive(where, keys[index], at_s):
                return index
            previous = kind
        return None

    def _miss(
        self,
        where: tuple[str, str],
        keys: list[bytes],
        hit: int,
        last: int,
        at_s: float,
        *,
        had_marks: bool,
        cacheable: bool,
    ) -> MissCause | None:
        """Say why the prompt between the hit and the last breakpoint was not read."""
        if not had_marks or (cacheable and hit == last):
            return None
        if not cacheable:
            return "below_minimum"
        for index in range(last, hit, -1):
            entry = self._entries.get((where, keys[index]))
            if entry is None:
                continue
            if at_s < entry.visible_s:
                return "not_visible"
            return "ttl_expired" if at_s >= entry.expires_s else "lookback"
        if hit >= 0:
            return None
        return "changed" if where in self._scopes else "first_use"


def salted(
    blocks: Sequence[AnyBlock], sections: Sequence[Section], settings: Mapping[str, str]
) -> list[CacheBlock]:
    """Return the blocks as the cache keys them: with the request's parameters in the sections they end.

    `settings` holds a digest per request parameter (`tool_choice`, `thinking`, `speed`, …), `sections` where
    each block stands. A parameter is part of every block from the first section that its change loses on.
    """
    loses: dict[Section, list[str]] = {section: [] for section in SECTIONS}
    for name, digest in sorted(settings.items()):
        if section := first_section_lost("anthropic", name):
            loses[section].append(f"{name}={digest}")
    salts, so_far = {}, ""
    for section in SECTIONS:
        so_far = "|".join((so_far, *loses[section]))
        salts[section] = so_far
    return [
        CacheBlock(f"{block[0]}{salts[section]}", *block[1:])
        for block, section in zip(blocks, sections, strict=True)
    ]


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


def prefix_keys(blocks: Sequence[CacheBlock]) -> Iterator[bytes]:
    """Yield, for each block, the key of the prompt up to and including it."""
    state = blake2b(digest_size=16)
    for block in blocks:
        state.update(len(block.digest).to_bytes(4, "big"))
        state.update(block.digest.encode())
        yield state.copy().digest()

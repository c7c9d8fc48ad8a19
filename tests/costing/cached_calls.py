"""Made-up calls, billed by a prompt cache that is written out plainly here, apart from the one in `pricing`.

Sizes are handed to the ledger as counts, so that they are exact and whatever differs is the cache's doing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby

from tokenprof.attribute.counts import prefix_digests
from tokenprof.costing.ledger import Ledger, build_ledger
from tokenprof.facts.types import Block, Breakpoint, Features, Run, Turn
from tokenprof.pricing.book import default_book
from tokenprof.pricing.usage import Usage

START = datetime(2026, 9, 1, 12, tzinfo=UTC)
MODEL, OTHER_MODEL = "claude-opus-4-8", "claude-sonnet-5"
MINIMUM_TOKENS = 1024
"""Of both models on that day."""

LIVES_S = {"5m": 300, "1h": 3600}


def made_block(name: str, tokens: int = 200, kind: str = "user", **more: object) -> Block:
    """A block whose tokens are hidden in its digest, for the ledger's counts to give away."""
    section = {"tool": "tools", "system": "system"}.get(kind, "messages")
    role = {"tool": "tools", "system": "system", "tool_call": "assistant", "assistant": "assistant"}
    return Block(
        kind=kind,
        name=name,
        digest=f"{kind} {name} of {tokens}",
        section=section,
        role=role.get(kind, "user"),
        opens_message=kind in ("user", "system"),
        features=Features(version=1, bytes=4 * tokens, tokens={"o200k_base": tokens}),
        **more,
    )


def size_of(block: Block) -> int:
    return int(block.digest.rpartition(" of ")[2])


@dataclass(frozen=True)
class CachedCall:
    """One request; `marks` are (block, time to live). If it `forgets`, the cache was dropped before it."""

    prompt: Sequence[Block]
    marks: Sequence[tuple[int, str]]
    at_s: float
    context: str = "c1"
    model: str = MODEL
    forgets: bool = False
    duration_s: float = 1.0
    settings: dict[str, str] = field(default_factory=dict)


@dataclass
class PlainCache:
    """The documentation's rules, step by step, with whole prefixes as keys."""

    entries: dict[tuple[str, ...], tuple[str, float, float]] = field(default_factory=dict)

    def bill(self, call: CachedCall) -> Usage:
        keys = [call.model, *(f"{block.digest} {block.opens_message}" for block in call.prompt)]
        sizes = [size_of(block) for block in call.prompt]
        marks = [(at, ttl) for at, ttl in call.marks if sum(sizes[: at + 1]) >= MINIMUM_TOKENS]
        read_to = 0
        for mark, _ in marks:
            for at in range(mark, -1, -1):
                prefix = tuple(keys[: at + 2])
                ttl, used_s, visible_s = self.entries.get(prefix, ("5m", -1e9, 0.0))
                if _positions(call.prompt[at : mark + 1]) > 20:
                    break
                if visible_s <= call.at_s < used_s + LIVES_S[ttl]:
                    self.entries[prefix] = (ttl, call.at_s, visible_s)
                    read_to = max(read_to, at + 1)
                    break
        began_s = call.at_s + call.duration_s
        written = {"5m": 0, "1h": 0}
        covered = read_to
        hours = [mark for mark, ttl in marks if ttl == "1h" and mark >= read_to]
        for mark, ttl in marks:
            if mark < read_to:
                continue
            prefix = tuple(keys[: mark + 2])
            held_ttl, used_s, visible_s = self.entries.get(prefix, ("5m", -1e9, 0.0))
            is_held = call.at_s < used_s + LIVES_S[held_ttl]
            if used_s + LIVES_S[held_ttl] < began_s + LIVES_S[ttl]:
                # What is there already can be read while it is written again.
                self.entries[prefix] = (ttl, began_s, visible_s if is_held else began_s)
            as_hour = bool(hours) and mark <= hours[-1]
            written["1h" if as_hour else "5m"] += sum(sizes[covered : mark + 1])
            covered = mark + 1
        return Usage(
            cache_read_tokens=sum(sizes[:read_to]),
            cache_write_5m_tokens=written["5m"],
            cache_write_1h_tokens=written["1h"],
            uncached_input_tokens=sum(sizes[covered:]),
            output_tokens=7,
        )


def _positions(blocks: Sequence[Block]) -> int:
    """Positions that blocks take in the lookback: a run of calls, or of results, takes one."""
    runs = ((kind, len(list(run))) for kind, run in groupby(block.kind for block in blocks))
    return sum(1 if kind in ("tool_call", "tool_result") else length for kind, length in runs)


def ledger_of(calls: Sequence[CachedCall], *, bills: dict[int, Usage] | None = None) -> Ledger:
    """Bill calls one after the other; `bills` are other usages for some of them."""
    cache, turns, newest = PlainCache(), [], {}
    counts: dict[str, int] = {}
    for index, call in enumerate(calls):
        if call.forgets:
            cache.entries.clear()
        before = newest.get(call.context)
        kept = 0 if before is None else _common(calls[before].prompt, call.prompt)
        newest[call.context] = index
        total = 0
        for digest, block in zip(prefix_digests(call.model, call.prompt), call.prompt, strict=True):
            total += size_of(block)
            counts[digest] = total
        usage = cache.bill(call)
        turns.append(
            Turn(
                id=f"msg_{index}",
                context=call.context,
                provider="anthropic",
                requested_model=call.model,
                model=call.model,
                started_at=START + timedelta(seconds=call.at_s),
                duration_s=call.duration_s,
                status="ok",
                usage=(bills or {}).get(index, usage),
                base=before if kept else None,
                kept=kept,
                added=tuple(call.prompt[kept:]),
                breakpoints=tuple(Breakpoint(at, ttl) for at, ttl in call.marks),
                settings=call.settings,
            )
        )
    ledger = build_ledger(Run(tuple(turns)), default_book(), counts)
    ledger.check()
    return ledger


def _common(left: Sequence[Block], right: Sequence[Block]) -> int:
    pairs = zip(left, right, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))

"""Cache misses explained: what a call could have read of the cache and did not, why, and what that cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tokenprof.facts.types import Block, Turn, block_key
from tokenprof.pricing.usage import INPUT_CLASSES, Usage

if TYPE_CHECKING:
    from tokenprof.costing.ledger import Ledger

TTL_S = {"5m": 300.0, "30m": 1800.0, "1h": 3600.0, "12h": 43200.0}
LOOKBACK_BLOCKS = 20
"""How far Anthropic looks back from a breakpoint for an earlier entry (prompt caching docs, 2026-07)."""

OPENINGS_COMPARED = 32
"""With so many contexts that began before is the first call of a new one compared."""

PROVIDER_CAUSES = {
    "model_changed": "model_changed",
    "system_changed": "changed",
    "tools_changed": "changed",
    "messages_changed": "changed",
    "input_changed": "changed",
    "text_format_changed": "changed",
    "context_compacted": "changed",
}
"""Causes that providers name, in our terms. A changed setting is no change of a block, and has none."""


@dataclass(frozen=True, slots=True)
class CacheMiss:
    """Why `tokens` of a prompt were not read from the cache, and what reading them would have saved.

    `block` is the first one that broke the prefix, `field` the part of it that changed. `evidence`
    is `diff` (the prompts were compared), `clock` (times were) or `provider` (its own diagnostics).
    """

    cause: str
    block: str | None
    field: str | None
    tokens: int
    usd: Decimal | None
    evidence: str


def explain_misses(ledger: Ledger) -> list[CacheMiss | None]:
    """Return, per turn of a ledger, its cache miss or None."""
    run = ledger.run
    prompts = run.prompts()
    newest: dict[str, int] = {}
    openings: list[int] = []
    found: list[CacheMiss | None] = []
    for index, turn in enumerate(run.turns):
        before = newest.get(turn.context)
        if before is None and turn.usage is not None:
            found.append(_opening(ledger, prompts, index, openings))
            openings.append(index)
        else:
            found.append(_explain(ledger, prompts, index, before))
        if turn.usage is not None:
            newest[turn.context] = index
    return found


def _explain(
    ledger: Ledger, prompts: Sequence[Sequence[Block]], index: int, before: int | None
) -> CacheMiss | None:
    turn = ledger.run.turns[index]
    usage = turn.usage
    if usage is None or before is None:
        return None
    earlier = ledger.run.turns[before]
    cached = _cached_tokens(earlier.usage)
    missed = cached - usage.cache_read_tokens
    if missed <= 0:
        return None
    missed = min(missed, usage.input_tokens - usage.cache_read_tokens)
    block, field, cause, evidence = _why(ledger, prompts, index, before)
    if turn.cache_miss_reason in PROVIDER_CAUSES:
        cause, evidence = PROVIDER_CAUSES[turn.cache_miss_reason], "provider"
        missed = turn.cache_missed_tokens or missed
    if missed <= 0:
        return None
    return CacheMiss(cause, block, field, missed, _lost_usd(ledger, index, usage, missed), evidence)


def _opening(
    ledger: Ledger, prompts: Sequence[Sequence[Block]], index: int, openings: Sequence[int]
) -> CacheMiss | None:
    """Explain the first call of a context: it may have lost what another context's first call had cached."""
    turn = ledger.run.turns[index]
    usage = turn.usage
    if usage is None:
        return None
    twin = _twin(ledger, prompts, index, openings)
    if twin is not None:
        again = {block.digest for block in prompts[twin]}
        missed = sum(
            entry.tokens
            for entry in ledger.entries[index]
            if entry.cls in INPUT_CLASSES
            and entry.cls != "cache_read"
            and ledger.attribution.blocks[entry.block].block.digest in again
        )
        block, field, cause, evidence = _why(ledger, prompts, index, twin)
        if missed and cause in ("changed", "reordered", "ttl_expired") and (block or evidence == "clock"):
            return CacheMiss(cause, block, field, missed, _lost_usd(ledger, index, usage, missed), evidence)
    return _first_use(ledger, index, turn, usage)


def _twin(
    ledger: Ledger, prompts: Sequence[Sequence[Block]], index: int, openings: Sequence[int]
) -> int | None:
    """Return the newest first call of another context that cached most of what this prompt holds."""
    turn = ledger.run.turns[index]
    texts = {block.digest: block.features.bytes for block in prompts[index] if not block.deferred}
    for other in reversed(openings[-OPENINGS_COMPARED:]):
        earlier = ledger.run.turns[other]
        began_s = earlier.started_at.timestamp() + (earlier.ttft_s or earlier.duration_s or 0.0)
        if earlier.model != turn.model or not _cached_tokens(earlier.usage):
            continue
        if began_s > turn.started_at.timestamp():
            continue
        common = sum(texts.get(digest, 0) for digest in {block.digest for block in prompts[other]})
        if 2 * common >= sum(texts.values()) > 0:
            return other
    return None


def _first_use(ledger: Ledger, index: int, turn: Turn, usage: Usage) -> CacheMiss | None:
    written = _cached_tokens(usage) - usage.cache_read_tokens
    if not written or usage.cache_read_tokens:
        return None
    first = next(
        (e.block for e in ledger.entries[index] if e.cls not in ("output", "reasoning", "fee")), None
    )
    return CacheMiss("first_use", first, None, written, _lost_usd(ledger, index, usage, written), "diff")


def _cached_tokens(usage: Usage | None) -> int:
    return 0 if usage is None else usage.input_tokens - usage.uncached_input_tokens


def _why(
    ledger: Ledger, prompts: Sequence[Sequence[Block]], index: int, before: int
) -> tuple[str | None, str | None, str, str]:
    """Return (block, field, cause, evidence) of a miss, by comparing the two prompts and their times."""
    turn, earlier = ledger.run.turns[index], ledger.run.turns[before]
    if turn.model != earlier.model:
        return None, None, "model_changed", "diff"
    ours, theirs = _in_order(prompts[index]), _in_order(prompts[before])
    same = next(
        (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if block_key(a) != block_key(b)),
        min(len(ours), len(theirs)),
    )
    cached_blocks = _blocks_within(ledger, before, len(theirs))
    if same < min(cached_blocks, len(theirs)):
        block_id = _id_of(ledger, index, ours, same)
        if same >= len(ours):
            return None, None, "changed", "diff"
        cause = "reordered" if _is_reordered(ours, theirs, ours[same].section) else "changed"
        return block_id, _changed_field(ours[same], theirs), cause, "diff"
    changed_settings = [
        name
        for name in sorted(set(turn.settings) | set(earlier.settings))
        if turn.settings.get(name) != earlier.settings.get(name)
    ]
    if changed_settings:
        return None, changed_settings[0], "changed", "diff"
    idle = (turn.started_at - earlier.started_at).total_seconds()
    ttl = _longest_ttl(earlier)
    if ttl is not None and idle > ttl:
        return None, f"idle {idle:.0f} s, TTL {ttl:.0f} s", "ttl_expired", "clock"
    if turn.breakpoints and max(b.after for b in turn.breakpoints) - same > LOOKBACK_BLOCKS:
        return None, None, "lookback", "diff"
    if not turn.breakpoints and not _cached_tokens(turn.usage) and not turn.hidden_prefix:
        return None, "no cache breakpoint in this request", "changed", "diff"
    return None, None, "unknown", "diff"


def _in_order(prompt: Sequence[Block]) -> list[Block]:
    return [block for block in prompt if not block.deferred]


def _blocks_within(ledger: Ledger, index: int, otherwise: int) -> int:
    """Return how many blocks of a turn's prompt its cached part reached into."""
    usage = ledger.run.turns[index].usage
    reach = _cached_tokens(usage)
    overhead = {
        block_id
        for block_id, placed in ledger.attribution.blocks.items()
        if placed.block.kind in ("provider_overhead", "unattributed")
    }
    seen: list[str] = []
    for entry in ledger.entries[index]:
        cached = entry.cls in INPUT_CLASSES and entry.start < reach and entry.block not in overhead
        if cached and seen[-1:] != [entry.block]:
            seen.append(entry.block)
    return len(seen) if seen else otherwise


def _id_of(ledger: Ledger, index: int, prompt: Sequence[Block], position: int) -> str | None:
    """Return the report's id of the block at a position of a turn's prompt."""
    if position >= len(prompt):
        return None
    target = block_key(prompt[position])
    for entry in ledger.entries[index]:
        placed = ledger.attribution.blocks[entry.block]
        if entry.cls in INPUT_CLASSES and block_key(placed.block) == target:
            return entry.block
    return None


def _is_reordered(ours: Sequence[Block], theirs: Sequence[Block], section: str) -> bool:
    mine = [block.digest for block in ours if block.section == section]
    other = [block.digest for block in theirs if block.section == section]
    return section != "messages" and mine != other and Counter(mine) == Counter(other)


def _changed_field(block: Block, theirs: Sequence[Block]) -> str | None:
    """Return which field of a block differs from its earlier wording (`description`, `input_schema`, …)."""
    earlier = next((b for b in theirs if b.kind == block.kind and b.name == block.name), None)
    if earlier is None:
        return "added"
    fields: Mapping[str, str] = earlier.fields
    changed = [name for name in block.fields if block.fields[name] != fields.get(name)]
    changed += [name for name in fields if name not in block.fields]
    return ", ".join(changed) or "text"


def _longest_ttl(turn: Turn) -> float | None:
    usage = turn.usage
    if turn.breakpoints:
        return max(TTL_S[b.ttl] for b in turn.breakpoints)
    if usage is None:
        return None
    written = [ttl for ttl in TTL_S if usage.tokens_of(f"cache_write_{ttl}")]
    return max((TTL_S[ttl] for ttl in written), default=None)


def _lost_usd(ledger: Ledger, index: int, usage: Usage, missed: int) -> Decimal | None:
    """Return what the missed tokens were billed beyond the price of reading them."""
    from tokenprof.pricing.book import Price

    price = ledger.prices[index]
    read_rate = price.rates.get("cache_read") if isinstance(price, Price) else None
    if not isinstance(price, Price) or read_rate is None:
        return None
    lost, left = Decimal(0), missed
    for entry in ledger.entries[index]:
        if entry.start < usage.cache_read_tokens or entry.cls not in INPUT_CLASSES or not left:
            continue
        rate = price.rates.get(entry.cls)
        if rate is None:
            return None
        tokens = min(entry.tokens, left)
        lost += tokens * (rate - read_rate)
        left -= tokens
    return lost

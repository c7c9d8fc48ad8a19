"""Findings on money that was billed and need not have been: idle schemas, doubled texts, cold caches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from tokenprof.report import numbers_of_json as numbers
from tokenprof.report.finding import (
    Finding,
    agents,
    block_label,
    dead_weight,
    finding,
    listed,
    severity_of,
    times,
    turn_list,
)
from tokenprof.report.labels_in_words import printable
from tokenprof.report.numbers_of_json import Json, prompt_entries

_LEAST_DUPLICATE_TOKENS: Final = 64
_LEAST_RESENT_TOKENS: Final = 10_000
_LOW_HIT_RATE: Final = Decimal("0.5")

_CALL_KINDS: Final = ("tool_call", "tool_result", "server_state")

_MISS_CAUSES: Final = {
    "changed": "the prompt changed before its end",
    "ttl_expired": "its time to live ran out",
    "below_minimum": "the prompt was shorter than the least that is cached",
    "lookback": "the breakpoint came too many blocks after the last one",
    "reordered": "the blocks came in another order",
    "model_changed": "the model changed",
    "unknown": "no cause is known",
}

# A model is changed on purpose and a prompt below the minimum cannot be cached: these promise no saving.
_AVOIDABLE_CAUSES: Final = ("changed", "ttl_expired", "lookback", "reordered")


def cache_misses(report: Json) -> Iterator[Finding]:
    """Find cache misses, one finding a cause. The first use of a prefix is no miss to find fault with."""
    by_cause: dict[str, list[Json]] = defaultdict(list)
    for turn in report["turns"]:
        if turn["cache_miss"] is not None and turn["cache_miss"]["cause"] in _MISS_CAUSES:
            by_cause[turn["cache_miss"]["cause"]].append(turn)
    block_of = {block["id"]: block for block in report["blocks"]}
    for cause, turns in by_cause.items():
        misses = [turn["cache_miss"] for turn in turns]
        blocks = list({m["block"]: block_of[m["block"]] for m in misses if m["block"] in block_of}.values())
        cost = numbers.sum_usd(miss["usd"] for miss in misses)
        tokens = sum(miss["tokens"] or 0 for miss in misses)
        first = f" from {listed(block_label(block) for block in blocks)} on" if blocks else ""
        more = "at a cost that is not known" if cost is None else f"for {numbers.usd(cost)} more than a read"
        # A summary takes the place of what it sums up on purpose: the miss is the price of compaction.
        wanted = any(block["kind"] == "summary" for block in blocks)
        yield finding(
            f"cache-miss-{cause.replace('_', '-')}",
            severity_of(cost, report),
            f"The cache was missed {times(len(turns))}: {_MISS_CAUSES[cause]}",
            f"{turn_list(turns)}: {tokens:,} tokens{first} were billed again, {more}.",
            blocks=blocks,
            turns=turns,
            saves=cost if cause in _AVOIDABLE_CAUSES and not wanted else None,
        )


def low_hit_rate(report: Json) -> Iterator[Finding]:
    """Find runs that did not read from the cache most of what they had sent before."""
    resent = read = 0
    seen: set[str] = set()
    for turn in report["turns"]:
        again = [entry for entry in prompt_entries(turn) if entry["block"] in seen]
        resent += sum(entry["tokens"] for entry in again)
        read += sum(entry["tokens"] for entry in again if entry["class"] == "cache_read")
        seen |= {entry["block"] for entry in turn["entries"]}
    rate = numbers.fraction(read, resent)
    if rate is not None and resent >= _LEAST_RESENT_TOKENS and rate < _LOW_HIT_RATE:
        part = f"Only {numbers.percent(rate)}" if rate else "Nothing"
        title = f"{part} of the context sent again was read from the cache"
        detail = f"{resent:,} tokens had been sent in an earlier turn; {resent - read:,} were billed as new."
        yield finding("low-cache-hit-rate", "medium", title, detail)


def unused_tools(report: Json) -> Iterator[Finding]:
    """Find tools that no turn of their agent called, though its turns carried their schemas."""
    agent_of = agents(report)
    block_of = {block["id"]: block for block in report["blocks"]}
    called = {(agent_of.get(b["context"]), b["name"]) for b in block_of.values() if b["kind"] in _CALL_KINDS}
    for group in report.get("groups", []):
        members = [block_of[name] for name in group["blocks"] if name in block_of]
        called |= {(agent_of.get(b["context"]), group["name"]) for b in members if b["kind"] != "tool"}
    idle = [
        block
        for block in report["blocks"]
        if block["kind"] == "tool"
        and block["billed_tokens"]
        and (agent_of.get(block["context"]), block["name"]) not in called
    ]
    if idle:
        by_name = _usd_by_name(idle)
        amounts = listed(f"{name} {numbers.usd(amount)}" for name, amount in by_name.items())
        title = f"{numbers.count(len(by_name), 'tool')} never called, but carried and billed"
        detail = f"Billed for their schemas: {amounts}. Left out or deferred, that is saved."
        yield dead_weight("tools-never-called", title, detail, report, idle, saves=_sum(idle))


def unused_skills_index(report: Json) -> Iterator[Finding]:
    """Find skills indexes of agents that loaded no skill at all."""
    agent_of = agents(report)
    loading = {agent_of.get(block["context"]) for block in report["blocks"] if block["kind"] == "skill"}
    idle = [
        block
        for block in report["blocks"]
        if block["kind"] == "skills_index"
        and block["billed_tokens"]
        and agent_of.get(block["context"]) not in loading
    ]
    if idle:
        lines = max(len(block["children"]) for block in idle)
        what = f"Its {numbers.count(lines, 'line')} were" if lines else "It was"
        title = "A skills index was carried, but no skill was loaded"
        detail = f"{what} billed {numbers.usd(_sum(idle))} over the run."
        yield dead_weight("skills-index-unused", title, detail, report, idle, saves=_sum(idle))


def untouched_skills(report: Json) -> Iterator[Finding]:
    """Find skills after whose loading no call touched a file or tool that their bodies name."""
    agent_of = agents(report)
    calls = [block for block in report["blocks"] if block["kind"] == "tool_call"]
    idle = []
    for skill in report["blocks"]:
        if skill["kind"] != "skill" or not skill.get("uses"):
            continue
        agent = agent_of.get(skill["context"])
        later = [
            call
            for call in calls
            if agent_of.get(call["context"]) == agent and call["born_turn"] > skill["born_turn"]
        ]
        looked_at = bool(later) and all(call.get("uses") is not None for call in later)
        if looked_at and not any(skill["name"] in call["uses"] for call in later):
            idle.append(skill)
    if idle:
        amounts = listed(f"{name} {numbers.usd(amount)}" for name, amount in _usd_by_name(idle).items())
        title = f"{numbers.count(len(idle), 'skill')} loaded, but nothing that they name was touched after"
        detail = f"Billed for their bodies: {amounts}. No later call used a file or tool that they name."
        yield dead_weight("skills-untouched", title, detail, report, idle, saves=_sum(idle))


def duplicate_texts(report: Json) -> Iterator[Finding]:
    """Find texts that stood twice in one prompt; what all but the first were billed is the saving."""
    block_of = {block["id"]: block for block in report["blocks"]}
    amounts: dict[str, list[str | None]] = defaultdict(list)
    turns: dict[str, dict[int, Json]] = defaultdict(dict)
    copies: dict[str, dict[str, Json]] = defaultdict(dict)
    for turn in report["turns"]:
        first: dict[str, str] = {}
        for entry in prompt_entries(turn):
            block = block_of[entry["block"]]
            digest = block["digest"]
            if digest is None or (block["tokens"] or 0) < _LEAST_DUPLICATE_TOKENS:
                continue
            if first.setdefault(digest, block["id"]) != block["id"]:
                amounts[digest].append(entry["billed_usd"])
                turns[digest][turn["index"]] = turn
                copies[digest][block["id"]] = block
    for digest, extra in copies.items():
        blocks, doubled = list(extra.values()), list(turns[digest].values())
        saves = numbers.sum_usd(amounts[digest])
        title = f"The same text is carried {times(len(blocks) + 1)}: {block_label(blocks[0])}"
        later = "the later copy was" if len(blocks) == 1 else "the later copies were"
        detail = (
            f"{blocks[0]['tokens']:,} tokens, doubled in {numbers.count(len(doubled), 'turn')}; "
            f"{later} billed {numbers.usd(saves)}."
        )
        yield dead_weight("duplicate-text", title, detail, report, blocks, saves=saves, turns=doubled)


def _sum(blocks: Iterable[Json]) -> str | None:
    return numbers.sum_usd(block["billed_usd"] for block in blocks)


def _usd_by_name(blocks: Iterable[Json]) -> Mapping[str, str | None]:
    """Return what blocks of one name were billed together, dearest name first."""
    amounts: dict[str, list[str | None]] = defaultdict(list)
    for block in blocks:
        amounts[printable(block["name"])].append(block["billed_usd"])
    sums = {name: numbers.sum_usd(own) for name, own in amounts.items()}
    return dict(sorted(sums.items(), key=lambda item: Decimal(item[1] or 0), reverse=True))

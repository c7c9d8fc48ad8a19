"""Whether a recording says what the OpenAI loopback did: turns, counts, kinds of blocks, and money."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import agreement

from tokenprof.costing.ledger import build_ledger
from tokenprof.facts.types import Run
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read
from tokenprof.testing import OpenAILoopback, WireCall
from tokenprof.testing.billing import Counted

# In USD per million tokens: fresh input, cached input, written input, output.
RATES = {
    "gpt-5.4": (Decimal("2.5"), Decimal("0.25"), Decimal(0), Decimal("15")),
    "gpt-6.1-sol": (Decimal("2"), Decimal("0.1"), Decimal("2.5"), Decimal("10")),
}

INSTRUCTIONS = {"system", "reminder", "memory", "skill", "skills_index"}
"""What a text of the harness may turn out to be."""
KINDS = {
    "tool": {"tool"},
    "instructions": INSTRUCTIONS,
    "system": INSTRUCTIONS,
    "developer": INSTRUCTIONS,
    "user": agreement.USER_TEXT,
    "assistant": {"assistant"},
    "reasoning": {"thinking"},
    "function_call": {"tool_call"},
    "function_call_output": {"tool_result", "skill"},
    "custom_tool_call": {"tool_call"},
    "custom_tool_call_output": {"tool_result", "skill"},
}

Counts = tuple[int, int, int, int, int]
"""Fresh, read, written, output, and the reasoning in it."""


def recorded(path: Path, provider: OpenAILoopback, *, transcript: bool = False) -> Run:
    """Return a recording that agrees with its provider in turns, counts, block kinds and money.

    A transcript has no ids of the provider's; its turns are matched in order.
    """
    run = read([path])
    ledger = build_ledger(run, default_book())
    ledger.check()
    told = [(turn.model, counts_recorded(turn.usage)) for turn in run.turns]
    true = [(str(call.body["model"]), counts_billed(call)) for call in provider.billed]
    assert told == true, f"{path.name} has {told}, billed was {true}"
    if not transcript:
        assert [turn.id for turn in run.turns] == [call.response_id for call in provider.billed]
    for prompt, call in zip(run.prompts(), provider.billed, strict=True):
        kinds = [block.kind for block in prompt]
        sent = [name for block in call.blocks for name in [block.kind] * (1 + tools_within(call, block))]
        assert len(kinds) == len(sent), (kinds, sent)
        assert all(kind in KINDS[name] for kind, name in zip(kinds, sent, strict=True)), (kinds, sent)
    assert sum(usd for usd in ledger.billed_usd if usd is not None) == bill_by_hand(provider.billed)
    return run


def tools_within(call: WireCall, block: Counted) -> int:
    """Return how many tools stand in an entry of the request's tools: none, except in a namespace."""
    if block.kind != "tool":
        return 0
    given = call.body.get("input")
    late = (
        [item for item in given if item.get("type") == "additional_tools"] if isinstance(given, list) else []
    )
    tools = [*(call.body.get("tools") or ()), *(tool for item in late for tool in item["tools"])]
    place = int(block.path.removeprefix("tools[").removesuffix("]"))
    return len(tools[place].get("tools", ()))


def counts_recorded(usage: object) -> Counts:
    names = (
        "uncached_input_tokens",
        "cache_read_tokens",
        "input_tokens",
        "all_output_tokens",
        "reasoning_tokens",
    )
    fresh, read_, whole, output, reasoning = (int(getattr(usage, name)) for name in names)
    return fresh, read_, whole - fresh - read_, output, reasoning


def counts_billed(call: WireCall) -> Counts:
    usage = call.usage or {}
    first, second = ("prompt", "completion") if "prompt_tokens" in usage else ("input", "output")
    details = usage[f"{first}_tokens_details"]
    read_, written = details["cached_tokens"], details["cache_write_tokens"]
    reasoning = usage[f"{second}_tokens_details"]["reasoning_tokens"]
    fresh = usage[f"{first}_tokens"] - read_ - written
    return fresh, read_, written, usage[f"{second}_tokens"], reasoning


def bill_by_hand(calls: Iterable[WireCall]) -> Decimal:
    total = Decimal(0)
    for call in calls:
        rates = RATES[str(call.body["model"])]
        counts = counts_billed(call)[:4]
        total += sum((count * rate for count, rate in zip(counts, rates, strict=True)), Decimal(0))
    return total / 1_000_000

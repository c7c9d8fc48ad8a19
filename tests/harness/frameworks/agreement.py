"""Whether a recording says what the provider did: the same turns, counts, kinds of blocks, and money."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tokenprof.costing.ledger import build_ledger
from tokenprof.facts.types import Run
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider, WireCall

# claude-opus-4-8 in USD per token: fresh 5, read 0.5, 5 m write 6.25, 1 h write 10, output 25 per million.
RATES = {
    "input_tokens": Decimal("0.000005"),
    "cache_read_input_tokens": Decimal("0.0000005"),
    "ephemeral_5m_input_tokens": Decimal("0.00000625"),
    "ephemeral_1h_input_tokens": Decimal("0.00001"),
    "output_tokens": Decimal("0.000025"),
}

HAIKU = "claude-haiku-4-5-20251001"
"""Sells every class for a fifth of that; Claude Code has it read and search."""

USER_TEXT = {"user", "reminder", "memory", "skill", "skills_index", "summary"}
"""What a text in a user message may turn out to be."""


def recorded(path: Path, provider: LoopbackProvider, *, transcript: bool = False) -> Run:
    """Return a recording that agrees with its provider in turns, counts, block kinds and money.

    A transcript may lack blocks of the prompt, but shows none that was not sent.
    """
    run = read([path])
    ledger = build_ledger(run, default_book())
    ledger.check()
    truth = {call.response_id: call for call in provider.billed}
    assert sorted(turn.id for turn in run.turns) == sorted(str(key) for key in truth)
    for turn, prompt in zip(run.turns, run.prompts(), strict=True):
        call = truth[turn.id]
        assert turn.usage is not None
        assert counts_of(turn.usage) == counts_billed(call)
        kinds = [block.kind for block in prompt]
        expected = list(kinds_sent(call.body))
        if transcript:
            assert_shown_in_order(kinds, expected)
            continue
        assert len(kinds) == len(expected), (kinds, expected)
        assert all(kind in allowed for kind, allowed in zip(kinds, expected, strict=True)), (kinds, expected)
    assert sum(usd for usd in ledger.billed_usd if usd is not None) == bill_by_hand(provider.billed)
    return run


def assert_shown_in_order(kinds: list[str], expected: list[set[str]]) -> None:
    sent = iter(expected)
    assert all(any(kind in allowed for allowed in sent) for kind in kinds), (kinds, expected)


def counts_of(usage: Any) -> dict[str, int]:
    return {
        "input_tokens": usage.uncached_input_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens,
        "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        "output_tokens": usage.output_tokens,
    }


def counts_billed(call: WireCall) -> dict[str, int]:
    assert call.usage is not None
    usage = {**call.usage, **call.usage["cache_creation"]}
    return {name: usage[name] for name in RATES}


def bill_by_hand(calls: Iterable[WireCall]) -> Decimal:
    total = Decimal(0)
    for call in calls:
        usd = sum((count * RATES[name] for name, count in counts_billed(call).items()), Decimal(0))
        total += usd / 5 if call.body["model"] == HAIKU else usd
    return total


def kinds_sent(body: Mapping[str, Any]) -> Iterator[set[str]]:
    """What each block of a request may be called, read off the request itself."""
    yield from ({"tool"} for _ in body.get("tools", ()))
    system = body.get("system", [])
    yield from ({"system", "reminder"} for _ in ([system] if isinstance(system, str) else system))
    for message in body["messages"]:
        content = message["content"]
        parts = [{"type": "text"}] if isinstance(content, str) else content
        yield from (_kind_of_part(message["role"], part["type"]) for part in parts)


def _kind_of_part(role: str, part: str) -> set[str]:
    if part == "text":
        return {
            "user": USER_TEXT,
            "assistant": {"assistant"},
            "system": {"system", "reminder", "skills_index", "memory"},
        }[role]
    return {
        "tool_use": {"tool_call"},
        "tool_result": {"tool_result", "skill"},
        "thinking": {"thinking"},
        "image": {"image"},
        "document": {"document"},
    }[part]

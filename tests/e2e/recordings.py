"""A loop recorded through the real client and the loopback provider, and its bill by hand from the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic

import tokenprof
from tokenprof.costing.ledger import Ledger, build_ledger
from tokenprof.pricing.book import default_book
from tokenprof.pricing.usage import INPUT_CLASSES
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider, Overheads
from tokenprof.testing.loop import Workload, run_loop, run_loop_async, workload

BOOK = default_book()
HIDDEN = Overheads(
    tools_preamble=290, per_message=3, per_tool=5, per_tool_use=12, per_tool_result=6, prompt_end=3
)

# claude-opus-4-8 in USD per token: fresh 5, read 0.5, 5 m write 6.25, 1 h write 10, output 25 per million.
RATES = {
    "input_tokens": Decimal("0.000005"),
    "cache_read_input_tokens": Decimal("0.0000005"),
    "ephemeral_5m_input_tokens": Decimal("0.00000625"),
    "ephemeral_1h_input_tokens": Decimal("0.00001"),
    "output_tokens": Decimal("0.000025"),
}


def bill_by_hand(provider: LoopbackProvider) -> Decimal:
    """What the wire log costs: each count times its rate."""
    total = Decimal(0)
    for call in provider.billed:
        assert call.usage is not None
        counts = {**call.usage, **call.usage["cache_creation"]}
        total += sum((counts[name] * rate for name, rate in RATES.items()), Decimal(0))
    return total


def record(
    path: Path,
    work: Workload | None = None,
    *,
    mode: str = "create",
    asynchronous: bool = False,
    **provider: Any,
) -> tuple[LoopbackProvider, list[Any]]:
    """Run a loop inside a profile; returns the provider with its log, and the answers."""
    work = work or workload()
    with LoopbackProvider(list(work.replies), **({"overheads": HIDDEN} | provider)) as server:
        with tokenprof.profile(path, tags={"loop": mode}):
            answers = drive(server.url, work, mode, asynchronous=asynchronous)
        return server, answers


CONNECTED: list[anthropic.Anthropic] = []


def connect(server: LoopbackProvider, api_key: str = "unused") -> anthropic.Anthropic:
    """A client of the loopback provider, closed when its test ends (see conftest.py)."""
    CONNECTED.append(anthropic.Anthropic(api_key=api_key, base_url=server.url))
    return CONNECTED[-1]


def drive(
    url: str,
    work: Workload,
    mode: str,
    *,
    asynchronous: bool = False,
    wrap: Callable[[Any], Any] | None = None,
) -> list[Any]:
    """Run a loop with a fresh client of either kind."""
    if not asynchronous:
        with anthropic.Anthropic(api_key="unused", base_url=url) as client:
            return run_loop(wrap(client) if wrap else client, work, mode=mode)

    async def run() -> list[Any]:
        async with anthropic.AsyncAnthropic(api_key="unused", base_url=url) as client:
            return await run_loop_async(wrap(client) if wrap else client, work, mode=mode)

    return asyncio.run(run())


def ledger_of(path: Path) -> Ledger:
    ledger = build_ledger(read([path]), BOOK)
    ledger.check()
    return ledger


def prompt_tokens(ledger: Ledger, turn: int) -> list[tuple[str, int]]:
    """(kind, tokens) of each block of a turn's prompt, in order, without what is on no block of the wire."""
    found: list[tuple[str, str, int]] = []
    for entry in ledger.entries[turn]:
        kind = ledger.attribution.blocks[entry.block].block.kind
        if entry.cls not in INPUT_CLASSES or kind in ("provider_overhead", "unattributed"):
            continue
        if found and found[-1][0] == entry.block:
            found[-1] = (entry.block, kind, found[-1][2] + entry.tokens)
        else:
            found.append((entry.block, kind, entry.tokens))
    return [(kind, tokens) for _, kind, tokens in found]

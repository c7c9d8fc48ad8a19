"""What `tokenprof chain` shows beside the section of a report: sweeps, waiting KV, payments per tool call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tokenprof.chain.hardware_sweeps import Sweeps, sweeps_of
from tokenprof.chain.kv_between_turns import TTLS, KvWaiting, kv_waiting
from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.pricing.chain.layers import tool_payments


@dataclass(frozen=True, slots=True)
class ToolPayment:
    """The calls of one tool in a run, and what they cost at a price per call [USD]."""

    tool: str
    calls: int
    usd: Decimal


@dataclass(frozen=True, slots=True)
class ChainDetail:
    """What `tokenprof chain` shows beside the section of a report.

    `sweeps` is the run on other hardware, `waiting` its KV cache across gaps, `tool_payments` what its tool
    calls cost at prices that the user gave.
    """

    sweeps: Sweeps
    waiting: KvWaiting
    tool_payments: tuple[ToolPayment, ...]


def chain_detail(
    ledger: Ledger,
    hardware: Hardware,
    usd_per_call: Mapping[str, Decimal],
    ttls: Sequence[str] = TTLS,
) -> ChainDetail:
    """Return sweeps, waiting KV and tool payments of a run.

    `usd_per_call` is what one call of a tool costs [USD], `ttls` the times to live that KV may be kept for.
    """
    return ChainDetail(
        sweeps=sweeps_of(ledger, hardware),
        waiting=kv_waiting(ledger, hardware.serving.settings, ttls),
        tool_payments=tool_payments_of(ledger, usd_per_call),
    )


def tool_payments_of(ledger: Ledger, usd_per_call: Mapping[str, Decimal]) -> tuple[ToolPayment, ...]:
    """Return what per-call prices [USD] make of a run's tool calls (row l4-2 in docs/chain.md).

    A tool without a price is left out.
    """
    calls: dict[str, int] = defaultdict(int)
    for turn in ledger.run.turns:
        for block in turn.output:
            # Only a tool call carries a link: the id that pairs it with its result.
            if block.link is not None:
                calls[block.name] += 1
    paid = tool_payments(calls, usd_per_call)
    return tuple(ToolPayment(tool, calls[tool], usd) for tool, usd in paid.items())

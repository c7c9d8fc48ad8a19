"""What `tokenprof chain` shows beside the section of a report: sweeps, techniques, waiting KV, payments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from tokenprof.chain.hardware_sweeps import Sweeps, sweeps_of
from tokenprof.chain.kv_between_turns import TTLS, KvWaiting, kv_waiting
from tokenprof.chain.techniques import TechniqueCost, technique_costs
from tokenprof.chain.tool_latency import ToolLatency, tool_latency
from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.chain.chain_file import load_chain_data
from tokenprof.pricing.chain.figures import ChainData
from tokenprof.pricing.chain.layers import tool_payments


@frozen
class ToolPayment:
    """The calls of one tool in a run, and what they cost at a price per call [USD].

    `fees_usd` is what paying it would cost by each protocol of the chain file.
    """

    tool: str
    calls: int
    usd: Decimal
    fees_usd: Mapping[str, Decimal]


@frozen
class ChainDetail:
    """What `tokenprof chain` shows beside the section of a report.

    `sweeps` is the run on other hardware, `techniques` with and without each way of serving, `waiting` its KV
    cache across gaps, `latency` the run with slower and faster tools (None: no turn is followed by another),
    `tool_payments` what its tool calls cost at prices that the user gave.
    """

    sweeps: Sweeps
    techniques: tuple[TechniqueCost, ...]
    waiting: KvWaiting
    latency: ToolLatency | None
    tool_payments: tuple[ToolPayment, ...]


def chain_detail(
    ledger: Ledger,
    hardware: Hardware,
    usd_per_call: Mapping[str, Decimal],
    ttls: Sequence[str] = TTLS,
    figures: ChainData | None = None,
) -> ChainDetail:
    """Return sweeps, techniques, waiting KV, tool latency and tool payments of a run.

    `usd_per_call` is what one call of a tool costs [USD], `ttls` the times to live that KV may be kept for,
    `figures` the rows of a chain file (default: the shipped one).
    """
    rows = figures or load_chain_data()
    return ChainDetail(
        sweeps=sweeps_of(ledger, hardware),
        techniques=technique_costs(ledger, hardware),
        latency=tool_latency(ledger, hardware, rows),
        waiting=kv_waiting(ledger, hardware.serving.settings, ttls),
        tool_payments=tool_payments_of(ledger, usd_per_call, rows),
    )


def tool_payments_of(
    ledger: Ledger, usd_per_call: Mapping[str, Decimal], figures: ChainData
) -> tuple[ToolPayment, ...]:
    """Return what per-call prices [USD] make of a run's tool calls, and fees by protocol (row l4-2).

    A tool without a price is left out.
    """
    calls: dict[str, int] = defaultdict(int)
    for turn in ledger.run.turns:
        for block in turn.output:
            # Only a tool call carries a link: the id that pairs it with its result.
            if block.link is not None:
                calls[block.name] += 1
    paid = tool_payments(calls, usd_per_call)
    return tuple(
        ToolPayment(
            tool,
            calls[tool],
            usd,
            {name: each.fee_usd(calls[tool], usd) for name, each in figures.payments.items()},
        )
        for tool, usd in paid.items()
    )

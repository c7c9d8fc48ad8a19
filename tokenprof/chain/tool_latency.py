"""What slower and faster tools cost: KV that is held while a tool runs (rows kv-6 and kv-7 of docs/chain.md).

Two figures for each latency. The run's compute, on a service that an operator would choose for sessions that
wait so long: live sessions hold KV, which leaves less room for others. And the cheapest place for the run's
own KV through gaps of that length.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Final

from tokenprof.chain.followed_turns import followed_turns
from tokenprof.chain.kv_between_turns import place_of_kv, waiting_turns
from tokenprof.chain.owner_cost import as_interval
from tokenprof.chain.techniques import served_cost
from tokenprof.costing.compute import Hardware, turn_works
from tokenprof.costing.ledger import Ledger
from tokenprof.data_classes.frozen import frozen
from tokenprof.hw_model.estimate import Estimate
from tokenprof.hw_model.kv_tiers import gap_costs
from tokenprof.pricing.chain.figures import ChainData
from tokenprof.pricing.chain.interval import Interval

LATENCIES_S: Final = (0.1, 1.0, 10.0, 60.0, 300.0)


@frozen
class LatencyStep:
    """A run whose every tool takes so long [s]: its compute, and where its KV waits meanwhile.

    `kept_usd` is the cheapest way to keep KV through all gaps [USD], `place` the one that most gaps take.
    """

    latency_s: float
    hardware_usd: Estimate | None
    kept_usd: Interval
    place: str


@frozen
class ToolLatency:
    """The steps, how many gaps a run has, and how long they lasted together [s].

    `core_usd` is what a CPU core for tools costs during those gaps. Tools beside the accelerators save a
    network round trip of `round_trip_s` a gap; `round_trip_usd` is what keeping KV through it costs.
    """

    gaps: int
    gaps_s: float
    steps: tuple[LatencyStep, ...]
    core_usd: Interval
    core_source: str
    round_trip_s: Interval
    round_trip_usd: Interval
    round_trip_source: str


def tool_latency(ledger: Ledger, hardware: Hardware, figures: ChainData) -> ToolLatency | None:
    """Return what a run costs if its tools take other times; None if no turn is followed by another.

    `figures` say what a CPU core costs and how long a round trip takes; None too, if they do not.
    """
    said = hardware.serving.settings
    _, tiers = place_of_kv(ledger.run, said)
    waiting = list(waiting_turns(ledger, said))
    core, trip = (figures.tool_host.get(name) for name in ("cpu_core_usd_per_hour", "network_round_trip_s"))
    if not waiting or core is None or trip is None:
        return None
    sessions = [session for _, _, session in waiting]
    indices = followed_turns(ledger, hardware).indices
    steps = []
    for latency_s in LATENCIES_S:
        works = tuple(turn_works(ledger.run, latency_s))
        ways = [gap_costs(session, latency_s, tiers)[0] for session in sessions]
        kept = sum(way.usd for way in ways)
        place, _ = Counter(way.policy for way in ways).most_common(1)[0]
        cost = served_cost(ledger, replace(hardware, works=works), indices, {})
        steps.append(LatencyStep(latency_s, cost, as_interval(kept, kept, kept).rounded(), place))
    gaps_s = sum(work.gap_s or 0.0 for _, work, _ in waiting)
    hours = Interval.exactly(Decimal(f"{gaps_s / 3600:.9g}"))
    trips = (
        sum(gap_costs(session, float(end), tiers)[0].usd for session in sessions)
        for end in (trip.value.low, trip.value.mid, trip.value.high)
    )
    return ToolLatency(
        gaps=len(waiting),
        gaps_s=gaps_s,
        steps=tuple(steps),
        core_usd=(core.value * hours).rounded(),
        core_source=core.source,
        round_trip_s=trip.value,
        round_trip_usd=as_interval(*trips).rounded(),
        round_trip_source=trip.source,
    )

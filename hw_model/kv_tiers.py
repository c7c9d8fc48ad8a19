"""Where to keep the KV of a session that waits: in HBM, in host memory, on SSD, or nowhere (equation 2.8).

Holding KV in HBM costs what the memory would have earned: the shadow price, which is 0 if memory does not
limit the batch. Host memory and SSD cost their purchase price and the time of the transfers, and hold only so
many waiting sessions. Dropping costs the prompt once more. Whatever makes the next answer wait costs what the
operator would pay to decode that much faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.catalogue.chips import Chip
from tokenprof.hw_model.equations.gpu_hour import (
    COST_OF_CAPITAL,
    HOURS_PER_YEAR,
    SECONDS_PER_HOUR,
    capital_recovery_factor,
)
from tokenprof.hw_model.equations.quantiles import percentiles
from tokenprof.hw_model.estimate import Estimate

SECONDS_PER_YEAR: Final = HOURS_PER_YEAR * SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True)
class Tier:
    """A place for KV outside HBM: what a byte costs to own and to write, and how fast it moves.

    `bytes_per_s` and `capacity_bytes` are those of one accelerator; `writes_in_life` is how often the whole
    tier can be written before it wears out, None for no limit.
    """

    name: str
    usd_per_gb: float
    life_years: float
    bytes_per_s: float
    writes_in_life: float | None
    capacity_bytes: float
    source: str

    def usd_per_byte_s(self, cost_of_capital: float = COST_OF_CAPITAL[1]) -> float:
        """Return the price of keeping a byte for a second (2.8) [USD per byte-second]."""
        return _usd_per_byte_s(self.usd_per_gb, self.life_years, cost_of_capital)

    def usd_per_byte_written(self) -> float:
        """Return the wear of writing a byte once (2.8) [USD per byte]; 0 if there is none."""
        return 0.0 if self.writes_in_life is None else self.usd_per_gb / 1e9 / self.writes_in_life


HOST_MEMORY_USD_PER_GB: Final = 6.0
HOST_MEMORY_YEARS: Final = 5.0


def tiers_of(chip: Chip) -> tuple[Tier, Tier]:
    """Return host memory and SSD as one accelerator sees them."""
    return (
        Tier("host", HOST_MEMORY_USD_PER_GB, HOST_MEMORY_YEARS, 0.8 * chip.host_link_bytes_per_s, None,
             chip.host_memory_bytes,
             "server DRAM at 6 USD/GB over 5 years, assumed; link of the catalogue at 80 %"),
        Tier("ssd", 0.12, 5.0, 7e9, 1825.0, 8e12,
             "NVMe at 0.12 USD/GB, a full write a day for 5 years, 7 GB/s and 8 TB each, assumed"),
    )  # fmt: skip


def _usd_per_byte_s(usd_per_gb: float, life_years: float, cost_of_capital: float) -> float:
    yearly = usd_per_gb * float(capital_recovery_factor(cost_of_capital, life_years))
    return yearly / 1e9 / SECONDS_PER_YEAR


def host_memory_usd(kv_bytes_per_token: Array, token_seconds: float) -> Estimate:
    """Return what keeping KV in host memory costs, P10 to P90 [USD] (2.8).

    `kv_bytes_per_token` holds a draw each, `token_seconds` is tokens of context times seconds of waiting. The
    time of the transfers is not in it.
    """
    per_byte_s = _usd_per_byte_s(HOST_MEMORY_USD_PER_GB, HOST_MEMORY_YEARS, COST_OF_CAPITAL[1])
    return Estimate(*percentiles(kv_bytes_per_token * token_seconds * per_byte_s, [10, 50, 90]).tolist())


@dataclass(frozen=True, slots=True)
class GapCost:
    """What one way of bridging a gap costs [USD], and how long the next call waits for its KV [s].

    `waiting_usd` is the part of `usd` that pays for the wait.
    """

    policy: str
    usd: float
    wait_s: float
    waiting_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class WaitingSession:
    """KV that waits for its next call, and what HBM and a new prompt would cost.

    `hbm_usd_per_byte_s` is the shadow price of memory [USD per byte-second]. `recompute_usd` and
    `recompute_s` are the cost and the time of computing the prompt again, less those of reading it from
    cache. The KV of one session lies on `accelerators` accelerators, whose links alone can move it.
    `parked_bytes_per_s` is the KV that all sessions of a replica leave behind each second, on each of its
    accelerators: what a tier must have room for. `usd_per_s_waited` is what an operator pays to give an
    answer a second earlier.
    """

    kv_bytes: float
    hbm_usd_per_byte_s: float
    recompute_usd: float
    recompute_s: float
    accelerators: int = 1
    parked_bytes_per_s: float = 0.0
    usd_per_s_waited: float = 0.0


def gap_costs(session: WaitingSession, gap_s: float, tiers: Sequence[Tier]) -> list[GapCost]:
    """Return every way of bridging a gap of `gap_s` seconds, cheapest first (2.8).

    KV takes up HBM during a transfer. A tier is left out if the gap is too short for the round trip, or if
    the sessions that wait as long as this one would not all fit into it (Little's law).
    """
    hold = session.kv_bytes * session.hbm_usd_per_byte_s
    ways = [
        GapCost("hbm", hold * gap_s, 0.0),
        _way(session, "drop", session.recompute_usd, session.recompute_s),
    ]
    for tier in tiers:
        one_way_s = session.kv_bytes / (tier.bytes_per_s * session.accelerators)
        full = session.parked_bytes_per_s * gap_s > tier.capacity_bytes
        if gap_s >= 2.0 * one_way_s and not full:
            kept = session.kv_bytes * (gap_s * tier.usd_per_byte_s() + tier.usd_per_byte_written())
            ways.append(_way(session, tier.name, kept + hold * 2.0 * one_way_s, one_way_s))
    return sorted(ways, key=lambda way: (way.usd, way.wait_s))


def _way(session: WaitingSession, policy: str, usd: float, wait_s: float) -> GapCost:
    waiting = wait_s * session.usd_per_s_waited
    return GapCost(policy, usd + waiting, wait_s, waiting)


def break_even_hold_s(session: WaitingSession) -> float:
    """Return how long KV can stay in HBM until computing it again is cheaper (2.8) [s]; inf if free."""
    per_s = session.kv_bytes * session.hbm_usd_per_byte_s
    again = _way(session, "drop", session.recompute_usd, session.recompute_s)
    return float("inf") if per_s == 0 else again.usd / per_s


def ttl_cost(session: WaitingSession, gap_s: float, ttl_s: float, tiers: Sequence[Tier]) -> GapCost:
    """Return what a time to live costs: keep KV for `ttl_s` seconds where it is cheapest, then drop it (2.8).

    A gap beyond the time to live pays for the keeping and for the prompt once more.
    """
    kept = next(way for way in gap_costs(session, min(gap_s, ttl_s), tiers) if way.policy != "drop")
    if gap_s <= ttl_s:
        return GapCost(f"{kept.policy} within {ttl_s:g} s", kept.usd, kept.wait_s, kept.waiting_usd)
    again = _way(session, "", session.recompute_usd, session.recompute_s)
    # Nobody waits for KV that is brought back from a tier only to be dropped.
    usd = kept.usd - kept.waiting_usd + again.usd
    return GapCost(f"{kept.policy} for {ttl_s:g} s, then drop", usd, again.wait_s, again.waiting_usd)

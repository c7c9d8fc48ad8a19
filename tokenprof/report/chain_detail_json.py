"""What `tokenprof chain --format json` prints beside the chain section of a report, and its `--examples`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from tokenprof.chain.chain_detail import ChainDetail, ToolPayment
from tokenprof.chain.claims.worked_examples import CLAIM_SOURCES
from tokenprof.chain.hardware_sweeps import GenerationStep, Sweeps, SweptCost, UtilisationStep
from tokenprof.chain.kv_between_turns import KvGap, KvWaiting
from tokenprof.chain.techniques import TechniqueCost
from tokenprof.chain.tool_latency import LatencyStep, ToolLatency
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.chain.published_claims import Example
from tokenprof.report.chain_json import read_json
from tokenprof.report.money import estimate_json, range_json, read_range, usd

Json = dict[str, Any]
JsonObject = Mapping[str, Any]


def detail_json(detail: ChainDetail) -> Json:
    """Return sweeps, waiting KV and tool payments as the keys that stand beside those of the section."""
    return {
        "utilisation": [
            {"utilisation": step.utilisation, **_cost_json(step.cost)} for step in detail.sweeps.utilisation
        ],
        "generations": [{"chip": step.chip, **_cost_json(step.cost)} for step in detail.sweeps.generations],
        "techniques": [_technique_json(row) for row in detail.techniques],
        "tool_latency": None if detail.latency is None else _latency_json(detail.latency),
        "waiting": {
            "deployment": detail.waiting.deployment,
            "gaps": [_gap_json(gap) for gap in detail.waiting.gaps],
        },
        "tool_payments": [
            {
                "tool": paid.tool,
                "calls": paid.calls,
                "usd": usd(paid.usd),
                "fees_usd": {name: usd(fee) for name, fee in paid.fees_usd.items()},
            }
            for paid in detail.tool_payments
        ],
    }


def examples_json(rows: Sequence[Example]) -> Json:
    """Return the published claims beside our own figures, each with the analyses that it comes from."""
    return {"examples": [{**asdict(row), "sources": list(CLAIM_SOURCES[row.id])} for row in rows]}


def read_detail(chain: JsonObject) -> ChainDetail:
    """Return what the output of `tokenprof chain --format json` holds beside the section of a report.

    Raises `InputError` if it does not hold that.
    """
    return read_json(_read_detail, chain, "output of tokenprof chain")


def _read_detail(chain: JsonObject) -> ChainDetail:
    waiting = chain["waiting"]
    return ChainDetail(
        sweeps=Sweeps(
            tuple(UtilisationStep(step["utilisation"], _read_cost(step)) for step in chain["utilisation"]),
            tuple(GenerationStep(step["chip"], _read_cost(step)) for step in chain["generations"]),
        ),
        techniques=tuple(map(_read_technique, chain["techniques"])),
        latency=None if chain["tool_latency"] is None else _read_latency(chain["tool_latency"]),
        waiting=KvWaiting(waiting["deployment"], tuple(_read_gap(gap) for gap in waiting["gaps"])),
        tool_payments=tuple(
            ToolPayment(
                paid["tool"],
                paid["calls"],
                Decimal(paid["usd"]),
                {name: Decimal(fee) for name, fee in paid["fees_usd"].items()},
            )
            for paid in chain["tool_payments"]
        ),
    )


def _cost_json(cost: SweptCost) -> Json:
    return {
        "chips": cost.chips,
        "hardware_usd": estimate_json(cost.hardware_usd),
        "price_to_cost": estimate_json(cost.price_to_cost),
    }


def _read_cost(step: JsonObject) -> SweptCost:
    return SweptCost(
        step["chips"], _read_estimate(step["hardware_usd"]), _read_estimate(step["price_to_cost"])
    )


def _read_estimate(ends: JsonObject | None) -> Estimate | None:
    if ends is None:
        return None
    return Estimate(float(ends["low"]), float(ends["mid"]), float(ends["high"]))


def _gap_json(gap: KvGap) -> Json:
    return {
        "turn": gap.turn,
        "gap_s": gap.gap_s,
        "context_tokens": gap.context_tokens,
        "cheapest": gap.cheapest,
        "usd": range_json(gap.usd),
        "kept_usd": {ttl: range_json(kept) for ttl, kept in gap.kept_usd.items()},
        "waiting_usd": range_json(gap.waiting_usd),
        "billed_keeping_usd": usd(gap.billed_keeping_usd),
    }


def _read_gap(gap: JsonObject) -> KvGap:
    billed = gap["billed_keeping_usd"]
    return KvGap(
        turn=gap["turn"],
        gap_s=gap["gap_s"],
        context_tokens=gap["context_tokens"],
        cheapest=gap["cheapest"],
        usd=read_range(gap["usd"]),
        kept_usd={ttl: read_range(kept) for ttl, kept in gap["kept_usd"].items()},
        waiting_usd=read_range(gap["waiting_usd"]),
        billed_keeping_usd=None if billed is None else Decimal(billed),
    )


def _technique_json(row: TechniqueCost) -> Json:
    return {
        "name": row.name,
        "without_usd": estimate_json(row.without_usd),
        "with_usd": estimate_json(row.with_usd),
        "share_in_use": row.in_use,
        "about": row.about,
        "conditional": row.conditional,
    }


def _read_technique(row: JsonObject) -> TechniqueCost:
    return TechniqueCost(
        row["name"],
        _read_estimate(row["without_usd"]),
        _read_estimate(row["with_usd"]),
        row["share_in_use"],
        row["about"],
        row["conditional"],
    )


def _latency_json(latency: ToolLatency) -> Json:
    return {
        "gaps": latency.gaps,
        "gaps_s": latency.gaps_s,
        "steps": [
            {
                "latency_s": step.latency_s,
                "hardware_usd": estimate_json(step.hardware_usd),
                "kept_usd": range_json(step.kept_usd),
                "place": step.place,
            }
            for step in latency.steps
        ],
        "core_usd": range_json(latency.core_usd),
        "core_source": latency.core_source,
        "round_trip_s": range_json(latency.round_trip_s),
        "round_trip_usd": range_json(latency.round_trip_usd),
        "round_trip_source": latency.round_trip_source,
    }


def _read_latency(latency: JsonObject) -> ToolLatency:
    return ToolLatency(
        latency["gaps"],
        latency["gaps_s"],
        tuple(
            LatencyStep(
                step["latency_s"],
                _read_estimate(step["hardware_usd"]),
                read_range(step["kept_usd"]),
                step["place"],
            )
            for step in latency["steps"]
        ),
        read_range(latency["core_usd"]),
        latency["core_source"],
        read_range(latency["round_trip_s"]),
        read_range(latency["round_trip_usd"]),
        latency["round_trip_source"],
    )

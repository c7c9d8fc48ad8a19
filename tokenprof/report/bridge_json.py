"""The bridge to published margins, and what evidence makes of the cost, as JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tokenprof.chain.bridge import Bridge, BridgeStep
from tokenprof.chain.section import ChainSection, SectionEvidence
from tokenprof.costing.evidence import EvidenceEffect
from tokenprof.hw_model.estimate import Estimate
from tokenprof.report.money import estimate_json, range_json, read_range

Json = dict[str, Any]
JsonObject = Mapping[str, Any]


def bridge_json(section: ChainSection) -> Json:
    """Return the keys `bridge`, `posterior_bridge` and `evidence` of a chain section; none if it has none."""
    found: Json = {}
    for name, bridge in (("bridge", section.bridge), ("posterior_bridge", section.posterior_bridge)):
        if bridge is not None:
            found[name] = _bridge(bridge)
    if section.evidence is not None:
        evidence = section.evidence
        found["evidence"] = {
            "hardware_usd": estimate_json(evidence.hardware_usd),
            "price_to_cost": estimate_json(evidence.price_to_cost),
            "effective_draws": evidence.effective_draws,
            "pieces": [
                {
                    "name": row.name,
                    "about": row.about,
                    "in_use": row.in_use,
                    "price_to_cost_alone": estimate_json(row.price_to_cost),
                    "because": row.because,
                    "source": row.source,
                }
                for row in evidence.effects
            ],
        }
    return found


def _bridge(bridge: Bridge) -> Json:
    return {
        "start": str(bridge.start),
        "start_log": str(bridge.start_log),
        "steps": [
            {
                "name": step.name,
                "factor": range_json(step.factor),
                "log": str(step.log),
                "level_after": str(step.level_after),
                "source": step.source,
            }
            for step in bridge.steps
        ],
        "residual": str(bridge.residual),
        "residual_log": str(bridge.residual_log),
        "published": range_json(bridge.published),
        "published_log": str(bridge.published_log),
        "published_source": bridge.published_source,
    }


def read_bridge(found: JsonObject | None) -> Bridge | None:
    """Return a bridge from its JSON; None if there is none."""
    if found is None:
        return None
    return Bridge(
        start=Decimal(found["start"]),
        start_log=Decimal(found["start_log"]),
        steps=tuple(
            BridgeStep(
                step["name"],
                read_range(step["factor"]),
                Decimal(step["log"]),
                Decimal(step["level_after"]),
                step["source"],
            )
            for step in found["steps"]
        ),
        residual=Decimal(found["residual"]),
        residual_log=Decimal(found["residual_log"]),
        published=read_range(found["published"]),
        published_log=Decimal(found["published_log"]),
        published_source=found["published_source"],
    )


def read_evidence(found: JsonObject | None) -> SectionEvidence | None:
    """Return what evidence makes of the cost from its JSON; None if there is none."""
    if found is None:
        return None
    cost, ratio = _estimate(found["hardware_usd"]), _estimate(found["price_to_cost"])
    if cost is None or ratio is None:
        raise ValueError("its evidence has no cost")
    return SectionEvidence(
        cost,
        ratio,
        found["effective_draws"],
        tuple(
            EvidenceEffect(
                row["name"],
                row["about"],
                row["in_use"],
                _estimate(row["price_to_cost_alone"]),
                row.get("because", ""),
                row["source"],
            )
            for row in found["pieces"]
        ),
    )


def _estimate(ends: JsonObject | None) -> Estimate | None:
    return None if ends is None else Estimate(*(float(ends[end]) for end in ("low", "mid", "high")))

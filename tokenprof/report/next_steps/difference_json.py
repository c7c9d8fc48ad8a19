"""A comparison of two runs as JSON (`tokenprof.diff/1`); money is a decimal string in USD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tokenprof.difference.causes import CauseOfDifference, GroupUse
from tokenprof.difference.cost_difference import CostDifference, SideBySide
from tokenprof.report.money import estimate_json, usd
from tokenprof.report.next_steps.difference_wording import notes, sentence

SCHEMA: Final = "tokenprof.diff/1"

Json = dict[str, Any]


def difference_json(found: CostDifference) -> Json:
    """Return a comparison as JSON. `parts`, `steps` and `causes` each add up to `difference_usd` exactly."""
    return {
        "schema": SCHEMA,
        "before": _side(found, 0),
        "now": _side(found, 1),
        "difference_usd": usd(found.usd),
        "parts": {part: usd(amount) for part, amount in found.parts.items()},
        "steps": {step: usd(amount) for step, amount in found.steps.items()},
        "causes": [_cause(cause) for cause in found.causes],
        "blocks": _rows(found.blocks, "kind"),
        "tools": _rows(found.tools, None),
        "agents": _rows(found.agents, None),
        "classes": _rows(found.classes, None),
        "turns": _rows(found.turns, "agent"),
        "notes": list(notes(found)),
    }


def _side(found: CostDifference, side: int) -> Json:
    return {
        "billed_usd": usd((found.before_usd, found.now_usd)[side]),
        "hardware_usd": estimate_json(found.compute_usd[side]),
        "calls": found.calls[side],
        "turns_without_a_bill": found.left_out[side],
        "runs": found.runs[side],
    }


def _cause(cause: CauseOfDifference) -> Json:
    found: Json = {"kind": cause.kind, "usd": usd(cause.usd), "text": sentence(cause)}
    match cause.kind:
        case "blocks":
            found |= {"block_kind": cause.block_kind, "name": cause.name}
            found |= {"before": _use(cause.uses[0]), "now": _use(cause.uses[1])}
        case "calls" | "agent":
            found |= {"name": cause.name, "before": cause.calls[0], "now": cause.calls[1]}
        case "cache":
            before, now = (round(share, 6) for share in cause.read_shares)
            found |= {"before": before, "now": now}
        case "model":
            found |= {"before": list(cause.models[0]), "now": list(cause.models[1])}
        case "price":
            found |= {"before": usd(cause.bills_usd[0]), "now": usd(cause.bills_usd[1])}
    return found


def _use(use: GroupUse | None) -> Json | None:
    if use is None:
        return None
    return {"blocks": use.blocks, "tokens": round(use.tokens, 1), "carried": round(use.carried, 2)}


def _rows(rows: Sequence[SideBySide], kind: str | None) -> list[Json]:
    found = []
    for row in rows:
        own: Json = {"name": row.name}
        if kind is not None:
            own[kind] = row.kind
        own |= {"before_usd": usd(row.before_usd), "now_usd": usd(row.now_usd), "usd": usd(row.usd)}
        if row.calls_now is not None:
            own |= {"calls_before": row.calls_before, "calls_now": row.calls_now}
        found.append(own)
    return found

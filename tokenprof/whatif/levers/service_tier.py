"""`tier=batch`, `flex`, `priority`, `standard`: the same calls served in another way."""

from __future__ import annotations

from dataclasses import replace

from tokenprof.pricing.selectors import Selectors
from tokenprof.whatif.geometry.planned_calls import Geometry, PlannedCall
from tokenprof.whatif.levers.lever import End, Lever, one_of_values

NAME = "tier"
HELP = "batch, flex, priority or standard: how calls are served"


def lever(value: str) -> Lever:
    """Return the lever. Raises `InputError` for another tier."""
    one_of_values(NAME, value, ("batch", "flex", "priority", "standard"))

    def serve(call: PlannedCall) -> PlannedCall:
        own = call.turn.selectors
        tier = value if value in ("flex", "priority") else None
        served = Selectors(
            service_tier=tier, speed=own.speed, inference_geo=own.inference_geo, batch=value == "batch"
        )
        return replace(call, turn=replace(call.turn, selectors=served))

    def change(geometry: Geometry, end: End) -> Geometry:
        return geometry.each(serve)

    assumes = ["The calls and what they read from the cache stay as recorded."]
    if value == "batch":
        assumes.append("Each call can wait up to a day for its answer, which an interactive loop cannot.")
    return Lever(NAME, value, change, tuple(assumes))

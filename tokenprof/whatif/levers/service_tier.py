"""`tier=batch`, `flex`, `priority`, `standard`: the same calls served in another way."""

from __future__ import annotations

from functools import cache

from tokenprof.data_classes.frozen import replaced
from tokenprof.pricing.selectors import Selectors
from tokenprof.whatif.geometry.planned_calls import Geometry, PlannedCall
from tokenprof.whatif.levers.lever import End, Lever, one_of_values

NAME = "tier"
HELP = "batch, flex, priority or standard: how calls are served"


def lever(value: str) -> Lever:
    """Return the lever. Raises `InputError` for another tier."""
    one_of_values(NAME, value, ("batch", "flex", "priority", "standard"))

    tier = value if value in ("flex", "priority") else None

    @cache
    def served(own: Selectors) -> Selectors:
        return Selectors(
            service_tier=tier, speed=own.speed, inference_geo=own.inference_geo, batch=value == "batch"
        )

    def serve(call: PlannedCall) -> PlannedCall:
        return replaced(call, turn=replaced(call.turn, selectors=served(call.turn.selectors)))

    def change(geometry: Geometry, end: End) -> Geometry:
        return geometry.each(serve)

    assumes = ["The calls and what they read from the cache stay as recorded."]
    if value == "batch":
        assumes.append("Each call can wait up to a day for its answer, which an interactive loop cannot.")
    return Lever(NAME, value, change, tuple(assumes))

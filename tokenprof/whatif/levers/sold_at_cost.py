"""`at-cost=cache_read`, `at-cost=output`: one class of tokens sold at what it costs to compute."""

from __future__ import annotations

from tokenprof.whatif.geometry.planned_calls import Geometry
from tokenprof.whatif.levers.lever import End, Lever, one_of_values

NAME = "at-cost"
HELP = "cache_read or output: tokens of that class at what they cost to compute, the rest at list price"


def lever(value: str) -> Lever:
    """Return the lever. Raises `InputError` for another class."""
    one_of_values(NAME, value, ("cache_read", "output"))

    def change(geometry: Geometry, end: End) -> Geometry:
        return geometry

    return Lever(
        NAME,
        value,
        change,
        (
            "A provider reprices one class to its cost and keeps the other prices; nothing else changes.",
            "The interval is that of the compute estimate, P10 to P90.",
        ),
        is_exact=False,
        sold_at_cost="cache_read" if value == "cache_read" else "output",
    )

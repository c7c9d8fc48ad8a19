"""`ttl=5m`, `ttl=1h`: every cache breakpoint with another time to live."""

from __future__ import annotations

from tokenprof.data_classes.frozen import replaced
from tokenprof.whatif.geometry.planned_calls import Geometry, PlannedCall
from tokenprof.whatif.levers.lever import End, Lever, one_of_values

NAME = "ttl"
HELP = "5m or 1h: the time to live of every cache breakpoint"


def lever(value: str) -> Lever:
    """Return the lever. Raises `InputError` for another time to live."""
    ttl = one_of_values(NAME, value, ("5m", "1h"))

    def change_call(call: PlannedCall) -> PlannedCall:
        return replaced(call, marks=tuple((at, ttl) for at, _ in call.marks), ttl=ttl)

    def change(geometry: Geometry, end: End) -> Geometry:
        return geometry.each(change_call)

    return Lever(NAME, value, change, ("The calls, their times and their prompts stay as recorded.",))

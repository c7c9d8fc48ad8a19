"""`breakpoints=automatic`, `sections`, `none`: where a prompt may be cached up to."""

from __future__ import annotations

from tokenprof.data_classes.frozen import replaced
from tokenprof.whatif.geometry.block_rows import count_below
from tokenprof.whatif.geometry.planned_calls import Geometry, PlannedCall
from tokenprof.whatif.levers.lever import End, Lever, one_of_values

NAME = "breakpoints"
HELP = "automatic (the last block), sections (tools, system and last block) or none"


def lever(value: str) -> Lever:
    """Return the lever. Raises `InputError` for another way to place breakpoints."""
    one_of_values(NAME, value, ("automatic", "sections", "none"))

    def change(geometry: Geometry, end: End) -> Geometry:
        return geometry.each(lambda call: replaced(call, marks=_marks(call, value)))

    return Lever(NAME, value, change, ("The calls, their times and their prompts stay as recorded.",))


def _marks(call: PlannedCall, value: str) -> tuple[tuple[int, str], ...]:
    if value == "none" or not call.length:
        return ()
    ttl = call.ttl or (call.marks[-1][1] if call.marks else "5m")
    at = {call.length - 1}
    if value == "sections":
        for places in call.row.last_in_section.values():
            at |= set(places[: count_below(places, call.length)][-1:])
    return tuple((place, ttl) for place in sorted(at))

"""`prefix=kept`: nothing before the end of a prompt changes, so that all of it that was cached is read."""

from __future__ import annotations

from tokenprof.data_classes.frozen import replaced
from tokenprof.whatif.geometry.planned_calls import Geometry
from tokenprof.whatif.levers.lever import End, Lever, one_of_values

NAME = "prefix"
HELP = "kept: nothing before the end of a prompt changes, so what was cached is read"


def lever(value: str) -> Lever:
    """Return the lever. Raises `InputError` for another value than `kept`."""
    one_of_values(NAME, value, ("kept",))

    def change(geometry: Geometry, end: End) -> Geometry:
        return geometry.each(
            lambda call: replaced(call, kept_tokens=call.missed_tokens) if call.missed_tokens else call
        )

    return Lever(
        NAME,
        value,
        change,
        (
            "Prompts only grow at their end; what a compaction replaced on purpose stays replaced.",
            "A time to live still runs out where it did: that is the lever ttl.",
        ),
    )

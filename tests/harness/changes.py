"""A JSON value, changed at random places: what a host, a coming release or a damaged file may hold."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

JUNK: tuple[Any, ...] = (
    *(None, "", 0, -1, 1.5, True, [], {}, [None], [""], 10**20, "x" * 40, ["a", 1], {"a": {"b": []}}),
    *({"type": "text"}, {"text": None}, {"type": None}, {"type": 5}),
)


def changed(value: Any, chance: random.Random, times: int) -> Any:
    """Return a copy in which some places hold something else, are gone, or are there twice."""
    value = copy.deepcopy(value)
    for _ in range(times):
        places = [*places_in(value)]
        if not places:
            return value
        owner, key = chance.choice(places)
        drawn = chance.random()
        if drawn < 0.15:
            del owner[key]
        elif drawn < 0.3 and isinstance(owner, list):
            owner.append(copy.deepcopy(owner[key]))
        else:
            owner[key] = copy.deepcopy(chance.choice(JUNK))
    return value


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places_in(value[key])

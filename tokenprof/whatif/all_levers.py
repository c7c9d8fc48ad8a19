"""The levers there are, by name. A new one is a file in `levers/` and a name here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean
from tokenprof.whatif.levers import (
    breakpoints,
    capped_results,
    compaction,
    kept_prefix,
    merged_calls,
    other_model,
    own_hardware,
    paid_plan,
    repeated_results,
    service_tier,
    sold_at_cost,
    time_to_live,
    tool_schemas,
)
from tokenprof.whatif.levers.lever import Lever

_MODULES: Final = (
    other_model,
    time_to_live,
    kept_prefix,
    breakpoints,
    tool_schemas,
    capped_results,
    repeated_results,
    compaction,
    merged_calls,
    service_tier,
    paid_plan,
    sold_at_cost,
    own_hardware,
)

LEVERS: Final[Mapping[str, Callable[[str], Lever]]] = {each.NAME: each.lever for each in _MODULES}

LEVER_HELP: Final[Mapping[str, str]] = {each.NAME: each.HELP for each in _MODULES}
"""What the value of each lever is."""


def parse_levers(texts: Sequence[str]) -> tuple[Lever, ...]:
    """Return levers from `NAME=VALUE` texts, in order. Raises `InputError` for one that does not exist."""
    return tuple(map(_parse, texts))


def _parse(text: str) -> Lever:
    name, equals, value = text.partition("=")
    name = name.strip()
    if name not in LEVERS:
        known = ", ".join(LEVERS)
        raise InputError(f"There is no lever {name!r}.{did_you_mean(name, LEVERS)} There are {known}.")
    if not equals or not value.strip():
        raise InputError(f"{text!r} has no value; write {name}=VALUE. {name} is {LEVER_HELP[name]}.")
    return LEVERS[name](value.strip())

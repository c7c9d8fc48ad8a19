"""Settings of a comparison as people write them: `tolerance="5%"`, `measures="turns,usd"`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean
from tokenprof.facts.switches import is_switched_on
from tokenprof.gate.compare import Settings

COMPARED = ("turns", "input_tokens", "output_tokens", "usd", "cache_misses", "hardware_usd")


def settings_from(
    tolerance: str | float | None = None,
    measures: str | Iterable[str] | None = None,
    *,
    fail_on_price_rise: bool = False,
) -> Settings:
    """Return settings; None keeps the default. Raises InputError for an impossible value."""
    default = Settings()
    return Settings(
        tolerance=default.tolerance if tolerance is None else fraction(tolerance),
        measures=default.measures if measures is None else _measures(measures),
        fail_on_price_rise=fail_on_price_rise,
    )


def fraction(value: str | float) -> float:
    """Return `"5%"`, `"0.05"` or `0.05` as 0.05.

    Raises InputError for anything else; for `5` too, which could mean 5 % or five times as much.
    """
    text = str(value).strip()
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise InputError(f"The tolerance {value!r} is not a fraction; write 5% or 0.05.") from None
    if not 0 <= number < 100:
        raise InputError(f"The tolerance {value!r} is not a fraction from 0 up; write 5% or 0.05.")
    if number >= 1 and not text.endswith("%"):
        raise InputError(
            f"The tolerance {value!r} would let a run cost {number + 1:g} times as much; write {number:g}%, "
            f"or {100 * number:g}% if you mean that."
        )
    return number


def is_strict(given: bool | None, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether what is not fully known fails: as given, else if the variable CI marks a build."""
    return is_switched_on(environ.get("CI")) if given is None else given


def _measures(value: str | Iterable[str]) -> tuple[str, ...]:
    names = [name.strip() for name in (value.split(",") if isinstance(value, str) else value)]
    for name in names:
        if name not in COMPARED:
            raise InputError(
                f"There is no measure {name!r} to compare.{did_you_mean(name, COMPARED)} "
                f"There are {', '.join(COMPARED)}."
            )
    if not names:
        raise InputError(f"Name at least one measure to compare: {', '.join(COMPARED)}.")
    return tuple(names)


def parse_items(items: Iterable[str]) -> dict[str, str]:
    """Return `NAME=VALUE` items as a mapping. Raises InputError for one without an equals sign."""
    found = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            raise InputError(f"{item!r} is not a budget; write MEASURE=LIMIT, such as usd=0.50.")
        found[name.strip()] = value.strip()
    return found

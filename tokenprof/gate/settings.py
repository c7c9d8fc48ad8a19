"""Settings of a comparison as people write them: `tolerance="5%"`, `measures="turns,usd"`."""

from __future__ import annotations

from collections.abc import Iterable

from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean
from tokenprof.gate.compare import Settings

COMPARED = ("turns", "input_tokens", "output_tokens", "usd", "cache_misses")


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
    """Return `"5%"`, `"0.05"` or `0.05` as 0.05. Raises InputError for anything else."""
    text = str(value).strip()
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise InputError(f"The tolerance {value!r} is not a fraction; write 5% or 0.05.") from None
    if not 0 <= number < 100:
        raise InputError(f"The tolerance {value!r} is not a fraction from 0 up; write 5% or 0.05.")
    return number


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

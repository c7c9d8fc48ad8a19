"""What selects the price of a response: the tier, speed, region and batch *as served*.

What was asked for does not count: a priority request that was served as default is billed as default. A
value that no documented price list knows is an error, never the standard rate.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


class UnknownTierError(ValueError):
    """A tier, speed or region that no price list knows, so no rate can be right."""


@dataclass(frozen=True, slots=True)
class Selectors:
    """The price selectors of a response, as the provider served it; None if it reports none."""

    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    batch: bool = False


STANDARD_VALUES = {
    "service_tier": frozenset({"standard", "default", "on_demand"}),
    "speed": frozenset({"standard", "normal"}),
    "inference_geo": frozenset({"not_available", "global"}),
}
"""Values that mean the standard rate, beside None and the empty string."""

PRICED_VALUES = {
    "service_tier": frozenset({"batch", "flex", "priority", "fast", "ultrafast", "scale"}),
    "speed": frozenset({"fast"}),
    "inference_geo": frozenset({"us"}),
}
"""Values that select another rate. A book may lack that rate for a model."""

PROCESSING, BATCH = "processing", "batch"
"""How a batch is named as a condition, whichever way the provider reports it."""


def price_context(selectors: Selectors, also: Mapping[str, Collection[str]] | None = None) -> dict[str, str]:
    """Return the non-standard conditions of a call, such as `{"processing": "batch"}`; empty for standard.

    Anthropic reports a batch as a service tier, OpenAI not at all; both become `processing`. `also` holds
    further values that an overlay has rates for. Raises `UnknownTierError` for a value that no list knows.
    """
    context: dict[str, str] = {}
    for name, priced in PRICED_VALUES.items():
        value = getattr(selectors, name)
        if not value or value in STANDARD_VALUES[name]:
            continue
        if value not in priced and value not in (also or {}).get(name, ()):
            raise UnknownTierError(
                f"The response was served with {name} '{value}', which the price book does not know. "
                f"Known: {', '.join(sorted(STANDARD_VALUES[name] | priced))}. "
                f'If you know its rates, add a [[price]] row, when = {{{name} = "{value}"}} to an overlay.'
            )
        context[name] = value
    if selectors.batch or context.get("service_tier") == BATCH:
        context.pop("service_tier", None)
        context[PROCESSING] = BATCH
    return context


def why_never_met(when: Mapping[str, str]) -> str | None:
    """Return why no call meets the conditions of a row; None if some call may."""
    for name, value in when.items():
        if name == PROCESSING:
            if value != BATCH:
                return f'{PROCESSING} can only be "{BATCH}".'
        elif name not in PRICED_VALUES:
            return f"'{name}' is not one of {', '.join((*PRICED_VALUES, PROCESSING))}."
        elif not value or value in STANDARD_VALUES[name]:
            return f"{name} = \"{value}\" is the standard rate, which a row without 'when' states."
        elif value == BATCH:
            return f'a batch is {PROCESSING} = "{BATCH}".'
    return None

"""Limits of a run while it runs, and the exception by which a program stops its own calls."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError, TokenprofError

LIMIT_NAMES: Final = ("usd", "turns", "context_tokens", "cache_misses")


class StopCalls(TokenprofError):  # noqa: N818 - an instruction, not a failure
    """Raised in `on_turn`, it refuses every further call of a profile that has `stop_at`."""


@frozen
class Limits:
    """How much a run may use; None sets no limit.

    `usd` is the bill so far in USD, `turns` the billed calls, `context_tokens` the size of one prompt,
    `cache_misses` the calls that read less from the cache than the call before had left there. Raises
    `InputError` for a limit below 0 or not a number.
    """

    usd: Decimal | float | str | None = None
    turns: int | None = None
    context_tokens: int | None = None
    cache_misses: int | None = None

    def __post_init__(self) -> None:
        for name in LIMIT_NAMES:
            value = getattr(self, name)
            if value is not None and not _is_limit(value):
                raise InputError(f"The limit {name}={value!r} is not a number of at least 0.")

    @property
    def most_usd(self) -> Decimal | None:
        """The limit of the bill."""
        return None if self.usd is None else Decimal(str(self.usd))


def _is_limit(value: object) -> bool:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return False
    return not isinstance(value, bool) and math.isfinite(number) and number >= 0


def limits_of(given: Limits | str | None, name: str) -> Limits | None:
    """Return limits that were given as such, or as the text that the commands take.

    Raises `InputError` for anything else: a budget that is not understood would never stop a call.
    """
    if isinstance(given, str):
        return parsed_limits(given)
    if given is not None and not isinstance(given, Limits):
        raise InputError(
            f"{name}={given!r} is not a limit; write {name}=Limits(usd=5), or {name}='usd=5,turns=200'."
        )
    return given


def parsed_limits(text: str) -> Limits:
    """Parse `usd=5,turns=200,context=150000,cache-misses=3`.

    Raises `InputError` for an unknown name, or a value that is not a number of at least 0.
    """
    given: dict[str, object] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        field = name.replace("-", "_")
        field = "context_tokens" if field == "context" else field
        if field not in LIMIT_NAMES or not value:
            raise InputError(
                f"{part.strip()!r} is not a limit; write usd=N, turns=N, context=N or cache-misses=N, "
                "several with commas."
            )
        try:
            given[field] = Decimal(value) if field == "usd" else int(value)
        except (InvalidOperation, ValueError):
            raise InputError(f"{value!r} in {part.strip()!r} is not a number.") from None
    return Limits(**given)  # type: ignore[arg-type]

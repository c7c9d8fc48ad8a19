"""Problems to and from the attributes of a span: calls that were made and could not be recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from tokenprof.facts.times import utc_from_ns
from tokenprof.facts.types import Problem, ProblemReason
from tokenprof.record import names
from tokenprof.record.exchange import Exchange, model_in
from tokenprof.record.otlp import Attribute
from tokenprof.record.wire_values import int_of, text_of

REASONS: Final[tuple[ProblemReason, ...]] = get_args(ProblemReason)


def problem_attributes(
    exchange: Exchange | None, reason: ProblemReason, error: str = "", calls: int = 1
) -> dict[str, Attribute | None]:
    """Return the attributes of a problem; `exchange` is the call, if one is known."""
    attributes: dict[str, Attribute | None] = {
        names.RECORD: "problem",
        names.FORMAT: names.RUN_FORMAT,
        names.PROBLEM: reason,
        names.PROBLEM_CALLS: calls,
        names.ERROR_TYPE: error or None,
    }
    if exchange is None:
        return attributes
    return attributes | {
        names.PROVIDER: exchange.provider or None,
        names.CLIENT: exchange.client or None,
        names.REQUEST_MODEL: model_in(exchange.request) or None,
        names.CALL: exchange.call or None,
        names.HTTP_STATUS: exchange.status_code,
    }


def problem_of(attributes: Mapping[str, Any], started_ns: int) -> Problem:
    """Return the problem in a span's attributes, or that of an attempt whose bill is unknown."""
    reason = attributes.get(names.PROBLEM, "unknown_bill")
    return Problem(
        reason=reason if reason in REASONS else "interrupted",
        at=utc_from_ns(started_ns),
        calls=int_of(attributes.get(names.PROBLEM_CALLS)) or 1,
        client=text_of(attributes.get(names.CLIENT)),
        provider=text_of(attributes.get(names.PROVIDER)),
        model=text_of(attributes.get(names.REQUEST_MODEL)),
        error=text_of(attributes.get(names.ERROR_TYPE)),
    )

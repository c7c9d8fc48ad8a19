"""Calls as OpenTelemetry spans with their tags and their cost, for any backend that takes OTLP over HTTP.

A call is a client span `chat MODEL` below a span `invoke_agent NAME` of its context; contexts nest as agents
called each other. A call has its cost, and an agent the sum of its calls and of the agents below it, under
other names (`tokenprof.costing.span_cost`), so that a backend that sums spans counts each call once. Ids
follow from the calls, so sending a run twice gives the same spans.

Encoding: https://opentelemetry.io/docs/specs/otlp/#otlphttp (JSON).
"""

from __future__ import annotations

import gzip
import hashlib
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import orjson

from tokenprof.costing.span_cost import (
    COST_AMOUNT,
    CostAttributes,
    cost_attributes,
    cost_of,
    sum_attributes,
)
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run, Turn
from tokenprof.facts.version import __version__
from tokenprof.record import names
from tokenprof.record.block_codec import usage_attributes
from tokenprof.record.otlp import Attribute, encode_attributes

if TYPE_CHECKING:
    from tokenprof.pricing.book import PriceBook

AGENT_OPERATION: Final = "invoke_agent"
UNNAMED_ERROR: Final = "_OTHER"
"""What the conventions call an error whose type is not known."""

SPANS_A_REQUEST: Final = 500
TIMEOUT_S: Final = 30
KIND_INTERNAL: Final = 1
KIND_CLIENT: Final = 3
STATUS_ERROR: Final = 2


@frozen
class SentSpans:
    """How many spans a backend took, and how many of them have a cost."""

    spans: int
    with_cost: int


def send_spans(
    run: Run,
    book: PriceBook,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    seller: str | None = None,
) -> SentSpans:
    """Send the calls of a run to an OTLP backend.

    Parameters: `book`, the prices; `url`, the backend's address for traces, such as
    `http://localhost:4318/v1/traces`; `headers`, such as a key; `seller`, who sold the calls that do not
    show it. Raises InputError if the backend cannot be reached or refuses.
    """
    spans = list(spans_of_run(run, book, seller))
    for first in range(0, len(spans), SPANS_A_REQUEST):
        _post(url, request_of(spans[first : first + SPANS_A_REQUEST]), headers or {})
    with_cost = sum(any(pair["key"] == COST_AMOUNT for pair in span["attributes"]) for span in spans)
    return SentSpans(len(spans), with_cost)


def request_of(spans: Sequence[Mapping[str, Any]]) -> bytes:
    """Return spans as the body of an OTLP request."""
    resource = {"service.name": "tokenprof"}
    scope = {"name": names.SCOPE, "version": __version__}
    return orjson.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": encode_attributes(resource)},
                    "scopeSpans": [{"scope": scope, "spans": list(spans)}],
                }
            ]
        }
    )


def spans_of_run(run: Run, book: PriceBook, seller: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the spans of a run: one a context, and one a call."""
    costs = [cost_of(turn, book, seller) for turn in run.turns]
    parents = {turn.context: turn.parent for turn in run.turns}
    turns: dict[str, list[Turn]] = defaultdict(list)
    spent: dict[str, list[Decimal | None]] = defaultdict(list)
    for turn, (amount, _) in zip(run.turns, costs, strict=True):
        turns[turn.context].append(turn)
        for context in _upwards(turn.context, parents):
            spent[context].append(amount)
    for context, own in turns.items():
        yield _agent_span(context, own, parents, sum_attributes(spent[context]))
    for turn, (amount, source) in zip(run.turns, costs, strict=True):
        attributes: dict[str, Attribute | None] = {
            names.OPERATION: "chat",
            names.PROVIDER: turn.provider,
            names.REQUEST_MODEL: turn.requested_model or None,
            names.RESPONSE_MODEL: turn.model,
            names.RESPONSE_ID: turn.id,
            names.AGENT: turn.agent,
            names.CONVERSATION: turn.context,
            names.ERROR_TYPE: UNNAMED_ERROR if turn.status == "error" else None,
            names.STATUS: turn.status,
            names.SELLER: turn.seller,
            **_tags(turn),
            **({} if turn.usage is None else usage_attributes(turn.usage)),
            **cost_attributes(amount, source),
        }
        yield _span(
            f"chat {turn.requested_model or turn.model}",
            trace=_root(turn.context, parents),
            own=_number(turn.context, turn.id, turn.started_at.isoformat()),
            parent=_number(turn.context),
            kind=KIND_CLIENT,
            times=(turn.started_at, _end(turn)),
            attributes=attributes,
            failed=turn.status == "error",
        )


def _agent_span(
    context: str, turns: Sequence[Turn], parents: Mapping[str, str | None], cost: CostAttributes
) -> dict[str, Any]:
    agent = next((turn.agent for turn in turns if turn.agent), None)
    parent = parents[context]
    return _span(
        f"{AGENT_OPERATION} {agent}" if agent else AGENT_OPERATION,
        trace=_root(context, parents),
        own=_number(context),
        parent=_number(parent) if parent in parents else "",
        kind=KIND_INTERNAL,
        times=(min(turn.started_at for turn in turns), max(map(_end, turns))),
        attributes={
            names.OPERATION: AGENT_OPERATION,
            names.AGENT: agent,
            names.PROVIDER: turns[0].provider,
            names.CONVERSATION: context,
            names.CONTEXT: context,
            **_tags(turns[0]),
            **cost,
        },
    )


def _span(
    name: str,
    *,
    trace: str,
    own: str,
    parent: str,
    kind: int,
    times: tuple[datetime, datetime],
    attributes: Mapping[str, Attribute | None],
    failed: bool = False,
) -> dict[str, Any]:
    return {
        "traceId": trace,
        "spanId": own,
        **({"parentSpanId": parent} if parent else {}),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": _nanoseconds(times[0]),
        "endTimeUnixNano": _nanoseconds(times[1]),
        "attributes": encode_attributes(attributes),
        "status": {"code": STATUS_ERROR} if failed else {},
    }


def _tags(turn: Turn) -> dict[str, Attribute | None]:
    return {f"{names.TAG_PREFIX}{key}": value for key, value in turn.tags.items()}


def _root(context: str, parents: Mapping[str, str | None]) -> str:
    """Return the trace of a context: that of the one that it goes back to."""
    *_, first = _upwards(context, parents)
    return hashlib.blake2b(first.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _upwards(context: str, parents: Mapping[str, str | None]) -> Iterator[str]:
    """Yield a context and those above it."""
    seen = {context}
    yield context
    while (parent := parents.get(context)) in parents and parent not in seen:
        context = str(parent)
        seen.add(context)
        yield context


def _number(*parts: str | None) -> str:
    text = "\0".join(part or "" for part in parts)
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _end(turn: Turn) -> datetime:
    return turn.started_at + timedelta(seconds=turn.duration_s or 0.0)


def _nanoseconds(at: datetime) -> str:
    return str(int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000)


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    sent = {"content-type": "application/json", "content-encoding": "gzip", **headers}
    try:
        request = urllib.request.Request(url, gzip.compress(body), sent, method="POST")
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            refused = _refused(answer.read())
    except urllib.error.HTTPError as error:
        raise InputError(
            f"{url} refused the spans: {error.code} {error.reason}. Check --otlp and --header."
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"{url} cannot be reached ({reason}). Is it an OTLP/HTTP address for traces?"
        ) from error
    if refused:
        raise InputError(f"{url} took a part of the spans only: {refused}.")


def _refused(answer: bytes) -> str:
    """Return what a backend says that it did not take; an empty text if it took everything."""
    try:
        part = orjson.loads(answer or b"{}").get("partialSuccess") or {}
    except (orjson.JSONDecodeError, AttributeError):
        return ""
    count = int(part.get("rejectedSpans") or 0)
    return f"{count:,} were refused ({part.get('errorMessage') or 'no reason is given'})" if count else ""

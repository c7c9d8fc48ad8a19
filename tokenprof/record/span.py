"""Our OpenTelemetry span of a call, under the user's own tracer provider.

If the SDK traces the call itself, its span is marked and ours is left out, because a backend that sums usage
over spans must see each call once. The report does not depend on these spans: a tracer provider may drop them
or cut their attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenprof.facts.imported import imported
from tokenprof.record import names
from tokenprof.record.background.fresh_ids import TRACE_BYTES, fresh_id
from tokenprof.record.background.host_interrupts import raise_if_the_hosts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Span

    from tokenprof.record.call import Call
    from tokenprof.record.exchange import Exchange
    from tokenprof.record.otlp import Attribute

SDK_SCOPES = ("com.anthropic.sdk",)
"""Instrumentation scopes of SDKs that trace their own calls."""


def start_span(exchange: Exchange, model: str) -> None:
    """Start the call's span if a tracer provider is set up, and give the exchange its ids. Never raises."""
    try:
        _start(exchange, model)
    except Exception as error:  # noqa: BLE001 - the host's call goes on whatever its tracing does
        exchange.span = None
        raise_if_the_hosts(error)
    if not exchange.span_id:
        exchange.trace_id = exchange.trace_id or fresh_id(TRACE_BYTES)
        exchange.span_id = fresh_id()


def _start(exchange: Exchange, model: str) -> None:
    # If the API module is not loaded, nobody has set up a provider, and importing it would slow the host.
    trace: Any = imported("opentelemetry.trace")
    if trace is None:
        return
    current = trace.get_current_span()
    context = current.get_span_context()
    if context.is_valid:
        exchange.trace_id = format(context.trace_id, "032x")
        exchange.parent_span_id = format(context.span_id, "016x")
        if _is_sdk_span(current):
            current.set_attribute(names.RECORD, "turn")
            current.set_attribute(names.CALL, exchange.call)
            return
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return
    span = trace.get_tracer(names.SCOPE).start_span(
        f"chat {model}", kind=trace.SpanKind.CLIENT, start_time=exchange.started_ns
    )
    own = span.get_span_context()
    # A tracer that is switched off hands out the span around it instead of one of its own.
    if own.is_valid and own.span_id != context.span_id:
        exchange.trace_id = format(own.trace_id, "032x")
        exchange.span_id = format(own.span_id, "016x")
    exchange.span = span


def _is_sdk_span(span: Span) -> bool:
    scope = getattr(getattr(span, "instrumentation_scope", None), "name", "")
    return scope.startswith(SDK_SCOPES)


def end_span(
    exchange: Exchange,
    call: Call | None,
    run_tags: Mapping[str, str],
    cost: Mapping[str, Attribute] | None = None,
) -> None:
    """Put what is known of the call on its span, and end it at the time the response ended."""
    span, exchange.span = exchange.span, None
    if span is None:
        return
    from opentelemetry.trace import Status, StatusCode

    from tokenprof.record.block_codec import usage_attributes

    attributes: dict[str, Attribute | None] = {
        names.OPERATION: "chat",
        names.PROVIDER: exchange.provider,
        names.AGENT: exchange.agent,
        names.CALL: exchange.call,
        names.ATTEMPTS: exchange.retries_taken + 1,
        names.HTTP_STATUS: exchange.status_code,
        names.RECORD: "turn" if call and call.response_id else "attempt",
        **{names.TAG_PREFIX + key: value for key, value in {**run_tags, **exchange.tags}.items()},
    }
    if call is not None:
        if call.requested_model:
            span.update_name(f"chat {call.requested_model}")
        attributes |= {
            names.REQUEST_MODEL: call.requested_model,
            names.RESPONSE_MODEL: call.model or None,
            names.RESPONSE_ID: call.response_id,
            names.STATUS: call.status,
        }
        if call.usage is not None:
            attributes |= usage_attributes(call.usage)
        attributes |= cost or {}
    span.set_attributes({key: value for key, value in attributes.items() if value is not None})
    if exchange.failure or call is None or call.response_id is None:
        error = exchange.failure or str(exchange.status_code or "unknown")
        span.set_attribute(names.ERROR_TYPE, error)
        span.set_status(Status(StatusCode.ERROR, error))
    span.end(end_time=exchange.ended_ns)

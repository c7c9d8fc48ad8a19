"""OTLP/JSON: attributes and spans as the OpenTelemetry Collector's file exporter writes them.

Encoding: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding — 64-bit integers are
strings, trace and span ids are hexadecimal, enumerations are numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from tokenprof.record.wire_values import dumps_leniently, int_of, mapping, sequence

SPAN_KIND_CLIENT = 3
STATUS_OK = 1
STATUS_ERROR = 2

Attribute = str | int | float | bool | Sequence[str]


def encode_attributes(attributes: Mapping[str, Attribute | None]) -> list[dict[str, Any]]:
    """Return OTLP key-value pairs; an attribute of None is left out."""
    return [
        {
            "key": key,
            # Nearly all are texts and counts, and a call for each would be a tenth of the time of a turn.
            "value": {"stringValue": value}
            if type(value) is str
            else {"intValue": str(value)}
            if type(value) is int
            else _encode(value),
        }
        for key, value in attributes.items()
        if value is not None
    ]


def line_head(resource: Mapping[str, Attribute | None], scope: tuple[str, str]) -> bytes:
    """Return what all lines of a resource begin with. `scope` is a name and a version."""
    found = dumps_leniently({"attributes": encode_attributes(resource)})
    named = orjson.dumps({"name": scope[0], "version": scope[1]})
    return b'{"resourceSpans":[{"resource":%b,"scopeSpans":[{"scope":%b,"spans":[' % (found, named)


_LINE_END = b"]}]}]}\n"


def span_line(
    head: bytes,
    *,
    name: str,
    trace_id: str,
    span_id: str,
    parent_span_id: str,
    started_ns: int,
    ended_ns: int,
    attributes: Mapping[str, Attribute | None],
    failed: bool = False,
) -> bytes:
    """Return a line with one span, after its `line_head`; times are nanoseconds since the epoch."""
    span = {
        "traceId": trace_id,
        "spanId": span_id,
        **({"parentSpanId": parent_span_id} if parent_span_id else {}),
        "name": name,
        "kind": SPAN_KIND_CLIENT,
        "startTimeUnixNano": str(started_ns),
        "endTimeUnixNano": str(ended_ns),
        "attributes": encode_attributes(attributes),
        "status": {"code": STATUS_ERROR if failed else STATUS_OK},
    }
    return head + dumps_leniently(span) + _LINE_END


def _encode(value: Attribute) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    return {"arrayValue": {"values": [_encode(item) for item in value]}}


def decode_attributes(pairs: object) -> dict[str, Any]:
    """Return attributes as plain values, the inverse of `encode_attributes`. Malformed ones are left out."""
    return {
        pair["key"]: _decode(mapping(pair.get("value")))
        for pair in sequence(pairs)
        if isinstance(pair.get("key"), str)
    }


def nameless_attributes(pairs: object) -> int:
    """Return how many attributes cannot be decoded because they have no name that is a text."""
    return sum(not isinstance(pair.get("key"), str) for pair in sequence(pairs))


def _decode(value: Mapping[str, Any]) -> Any:
    if "stringValue" in value:
        return value["stringValue"]
    if "intValue" in value:
        return int_of(value["intValue"])
    if "doubleValue" in value:
        return _float(value["doubleValue"])
    if "boolValue" in value:
        return bool(value["boolValue"])
    if "arrayValue" in value:
        return [_decode(item) for item in sequence(mapping(value["arrayValue"]).get("values"))]
    if "kvlistValue" in value:
        return decode_attributes(mapping(value["kvlistValue"]).get("values"))
    return None


def _float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def spans_of(line: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str, Mapping[str, Any]]]:
    """Yield (resource attributes, scope name, span) for each span of one `{"resourceSpans": …}` line."""
    for resource_spans in sequence(line.get("resourceSpans")):
        resource = decode_attributes(mapping(resource_spans.get("resource")).get("attributes"))
        for scope_spans in sequence(resource_spans.get("scopeSpans")):
            scope = str(mapping(scope_spans.get("scope")).get("name") or "")
            for span in sequence(scope_spans.get("spans")):
                yield resource, scope, span


def log_records_of(line: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the log records of one `{"resourceLogs": …}` line."""
    for resource_logs in sequence(line.get("resourceLogs")):
        for scope_logs in sequence(resource_logs.get("scopeLogs")):
            yield from sequence(scope_logs.get("logRecords"))

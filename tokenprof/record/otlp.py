"""OTLP/JSON: attributes and spans as the OpenTelemetry Collector's file exporter writes them.

Encoding: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding — 64-bit integers are
strings, trace and span ids are hexadecimal, enumerations are numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SPAN_KIND_CLIENT = 3
STATUS_OK = 1
STATUS_ERROR = 2

Attribute = str | int | float | bool | Sequence[str]


def encode_attributes(attributes: Mapping[str, Attribute | None]) -> list[dict[str, Any]]:
    """Return OTLP key-value pairs; an attribute of None is left out."""
    return [{"key": key, "value": _encode(value)} for key, value in attributes.items() if value is not None]


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
    """Return attributes as plain values; the inverse of `encode_attributes`. Others are left out."""
    return {
        pair["key"]: _decode(_object(pair.get("value")))
        for pair in _objects(pairs)
        if isinstance(pair.get("key"), str)
    }


def _decode(value: Mapping[str, Any]) -> Any:
    if "stringValue" in value:
        return value["stringValue"]
    if "intValue" in value:
        return _number(int, value["intValue"])
    if "doubleValue" in value:
        return _number(float, value["doubleValue"])
    if "boolValue" in value:
        return bool(value["boolValue"])
    if "arrayValue" in value:
        return [_decode(item) for item in _objects(_object(value["arrayValue"]).get("values"))]
    if "kvlistValue" in value:
        return decode_attributes(_object(value["kvlistValue"]).get("values"))
    return None


def _number(kind: type[int] | type[float], value: Any) -> int | float | None:
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def spans_of(line: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str, Mapping[str, Any]]]:
    """Yield (resource attributes, scope name, span) for each span of one `{"resourceSpans": …}` line."""
    for resource_spans in _objects(line.get("resourceSpans")):
        resource = decode_attributes(_object(resource_spans.get("resource")).get("attributes"))
        for scope_spans in _objects(resource_spans.get("scopeSpans")):
            scope = str(_object(scope_spans.get("scope")).get("name") or "")
            for span in _objects(scope_spans.get("spans")):
                yield resource, scope, span


def log_records_of(line: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the log records of one `{"resourceLogs": …}` line."""
    for resource_logs in _objects(line.get("resourceLogs")):
        for scope_logs in _objects(resource_logs.get("scopeLogs")):
            yield from _objects(scope_logs.get("logRecords"))

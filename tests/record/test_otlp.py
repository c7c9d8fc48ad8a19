"""OTLP/JSON as any exporter writes it, and damaged: what has a meaning is read, and the rest left out."""

from __future__ import annotations

from typing import Any

import pytest

from tokenprof.record.otlp import decode_attributes, log_records_of, nameless_attributes, spans_of


def one(value: Any) -> Any:
    return decode_attributes([{"key": "k", "value": value}])["k"]


@pytest.mark.parametrize(
    ("value", "decoded"),
    [
        ({"stringValue": "text"}, "text"),
        ({"intValue": "9007199254740993"}, 9007199254740993),
        ({"intValue": 7}, 7),
        ({"doubleValue": 0.5}, 0.5),
        ({"doubleValue": "0.5"}, 0.5),
        ({"doubleValue": "Infinity"}, float("inf")),
        ({"doubleValue": "a number"}, None),
        ({"doubleValue": None}, None),
        ({"doubleValue": 10**400}, None),
        ({"boolValue": False}, False),
        ({"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "2"}]}}, ["a", 2]),
        ({"arrayValue": {}}, []),
        ({"arrayValue": None}, []),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"intValue": "1"}}]}}, {"a": 1}),
        ({"kvlistValue": 5}, {}),
        ({"bytesValue": "aGk="}, None),
        ({}, None),
        (None, None),
    ],
    ids=repr,
)
def test_a_value_of_each_kind(value: Any, decoded: Any) -> None:
    assert one(value) == decoded


def test_attributes_without_a_name_are_counted_and_left_out() -> None:
    pairs = [{"key": "a", "value": {"boolValue": True}}, {"value": {"intValue": "1"}}, {"key": 7}, "x"]
    assert decode_attributes(pairs) == {"a": True}
    assert nameless_attributes(pairs) == 2
    assert decode_attributes("not a list") == {}


def test_the_spans_of_a_line_come_with_their_resource_and_scope() -> None:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "app"}}]}
    scopes = [
        {"scope": {"name": "one"}, "spans": [{"name": "a"}, "x"]},
        {"spans": [{"name": "b"}]},
        {"scope": 7},
    ]
    line = {"resourceSpans": [{"resource": resource, "scopeSpans": scopes}, {"scopeSpans": None}, "x"]}
    found = [(dict(attributes), scope, span["name"]) for attributes, scope, span in spans_of(line)]
    assert found == [({"service.name": "app"}, "one", "a"), ({"service.name": "app"}, "", "b")]
    assert list(spans_of({})) == []


def test_the_log_records_of_a_line() -> None:
    records = [{"body": {"stringValue": "a"}}, {"body": {"stringValue": "b"}}]
    line = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}, {}]}, {"scopeLogs": 5}]}
    assert list(log_records_of(line)) == records
    assert list(log_records_of({"resourceLogs": None})) == []

"""Values off a wire are read leniently: nothing raises, and what is not there is empty."""

from __future__ import annotations

from typing import Any

import pytest

from tokenprof.record.otlp import decode_attributes
from tokenprof.record.wire_values import (
    int_of,
    joined_text,
    loads_or_text,
    mapping,
    opened,
    sequence,
    text_of,
)

ANYTHING: list[Any] = [None, True, 5, 1.5, "text", b"bytes", [], [1, {"a": 1}], ({"a": 1},), {"a": 1}]


@pytest.mark.parametrize("value", ANYTHING, ids=repr)
def test_a_value_of_another_type_is_empty(value: Any) -> None:
    assert text_of(value) == (value if isinstance(value, str) else "")
    assert mapping(value) == (value if isinstance(value, dict) else {})
    assert sequence(value) == ([{"a": 1}] if isinstance(value, list | tuple) and {"a": 1} in value else [])


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7),
        ("7", 7),
        ("-7", -7),
        (7.0, 7),
        (7.5, None),
        ("7.5", None),
        (True, None),
        (None, None),
        ("x", None),
    ],
)
def test_an_integer_may_be_written_as_text(value: Any, number: int | None) -> None:
    assert int_of(value) == number


def test_an_attribute_that_holds_no_number_has_none() -> None:
    pairs = [{"key": "a", "value": {"intValue": "x"}}, {"key": "b", "value": {"intValue": "12"}}]
    assert decode_attributes(pairs) == {"a": None, "b": 12}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('{"a": 1}', {"a": 1}),
        (' [{"a": 1}]', [{"a": 1}]),
        ("[urgent] call me", "[urgent] call me"),
        ('{"a": "cut o', '{"a": "cut o'),
        ("7", "7"),
        ({"a": 1}, {"a": 1}),
        (None, None),
    ],
)
def test_json_in_a_text_is_parsed_and_any_other_text_left_alone(value: Any, found: Any) -> None:
    assert opened(value) == found


def test_text_that_is_not_json_stays_text() -> None:
    assert loads_or_text('{"path": "/tm') == '{"path": "/tm'
    assert loads_or_text("5") == 5


def test_texts_of_parts_stand_one_below_the_other() -> None:
    assert joined_text([{"text": "a"}, {"image": 1}, {"text": ""}, {"text": "b"}]) == "a\nb"

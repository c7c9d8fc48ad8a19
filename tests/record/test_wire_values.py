"""Values off a wire are read leniently: nothing raises, and what is not there is empty."""

from __future__ import annotations

from typing import Any

import pytest

from tokenprof.record.otlp import decode_attributes
from tokenprof.record.wire_values import (
    content_items,
    dumps_leniently,
    int_of,
    joined_text,
    loads_leniently,
    loads_or_text,
    mapping,
    opened,
    readable,
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
        ("", None),
        ([7], None),
        (float("inf"), None),
        (float("nan"), None),
        ("9" * 5000, None),
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


@pytest.mark.parametrize(
    ("content", "items"),
    [
        ("hello", [{"type": "text", "text": "hello"}]),
        ("", []),
        (None, []),
        (7, []),
        ({"type": "image"}, [{"type": "image"}]),
        ([{"type": "image"}, {"text": "x"}], [{"type": "image"}, {"text": "x"}]),
        (["hello", "", {"type": "image"}, 7, None], [{"type": "text", "text": "hello"}, {"type": "image"}]),
        (({"type": "image"}, "x"), [{"type": "image"}, {"type": "text", "text": "x"}]),
    ],
    ids=repr,
)
def test_the_content_of_a_message_is_a_list_of_items(content: Any, items: list[Any]) -> None:
    assert content_items(content) == items


REFUSED = (
    b'{"half": "x\\ud83d", "none": [NaN, -Infinity, 1e999], "big": 1180591620717411303424, "\\udc00": true}'
)
TAKEN = {"half": "x\ufffd", "none": [None, None, None], "big": "1180591620717411303424", "\ufffd": True}


def test_what_the_fast_parser_refuses_is_read_as_the_nearest_that_it_takes() -> None:
    assert loads_leniently(REFUSED) == TAKEN
    assert loads_leniently(b"\xef\xbb\xbf" + REFUSED) == TAKEN
    assert loads_leniently(b'{"cut in two": "\xe4\xb8"}') == {"cut in two": "\ufffd"}
    with pytest.raises(ValueError, match="Expecting value"):
        loads_leniently(b"<html>")


def test_a_body_that_the_fast_parser_refuses_is_written_again_and_any_other_left_alone() -> None:
    written = (
        b'{"half":"x\xef\xbf\xbd","none":[null,null,null],"big":"1180591620717411303424","\xef\xbf\xbd":true}'
    )
    assert readable(REFUSED) == readable(b" \n" + REFUSED) == written
    assert readable(b"event: delta\ndata: " + REFUSED + b"\ndata: [DONE]\n\n") == (
        b"event: delta\ndata: " + written + b"\ndata: [DONE]\n\n"
    )
    deep = b"[NaN," + b"[" * 600 + b"]" * 600 + b"]"
    for left_alone in (b'{"a": 1}', b"{not json", b"", b"plain", b"data: {cut", deep):
        assert readable(left_alone) == left_alone


def test_any_text_in_a_value_can_be_written() -> None:
    assert dumps_leniently({"a": ["x", 1]}) == b'{"a":["x",1]}'
    assert dumps_leniently({"a\ud800": ["x\udfff", 2**70, None]}) == (
        b'{"a\xef\xbf\xbd":["x\xef\xbf\xbd","1180591620717411303424",null]}'
    )

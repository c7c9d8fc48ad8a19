"""Logs that an editor has formatted: values over many lines, lists, and the two mixed with plain lines."""

import json

import pytest

from tokenprof.reading.json_lines import read_json_lines
from tokenprof.reading.spread_records import opens_spread_record

ONE = {"type": "user", "message": {"content": '{["', "parts": [{"a": 1}, {}]}}
TWO = {"type": "assistant", "usage": {"input_tokens": 3}, "none": []}


def spread(value, indent):
    return json.dumps(value, indent=indent)


@pytest.mark.parametrize(
    "text",
    [
        f"{spread(ONE, 2)}\n{spread(TWO, 2)}\n",
        f"{spread(ONE, 0)}\n{spread(TWO, 0)}",
        f"{spread(ONE, 2)}\r\n\r\n{json.dumps(TWO)}\n".replace("\n", "\r\n"),
        f"{json.dumps(ONE)}\n{spread(TWO, 4)}\n",
        spread([ONE, TWO], 2),
        json.dumps([ONE, TWO]),
        f"{spread([ONE], 2)}\n{json.dumps(TWO)}\n",
    ],
)
def test_a_value_over_many_lines_is_one_record(tmp_path, text):
    (tmp_path / "log.jsonl").write_text(text, newline="")
    warnings = []
    assert [record for _, record in read_json_lines(tmp_path / "log.jsonl", warnings)] == [ONE, TWO]
    assert warnings == []


def test_a_record_is_at_its_first_line(tmp_path):
    (tmp_path / "log.jsonl").write_text(f"{spread(TWO, 2)}\n{json.dumps(ONE)}\n")
    lines = spread(TWO, 2).count("\n") + 1
    assert [number for number, _ in read_json_lines(tmp_path / "log.jsonl", [])] == [1, lines + 1]


@pytest.mark.parametrize("cut", ['{"type": "user", "message": {', '{"a": [', '{"type":'])
def test_a_record_that_was_cut_does_not_take_those_after_it_along(tmp_path, cut):
    (tmp_path / "log.jsonl").write_text(f"{json.dumps(ONE)}\n{cut}\n{json.dumps(TWO)}\n{json.dumps(ONE)}\n")
    warnings = []
    found = [record for _, record in read_json_lines(tmp_path / "log.jsonl", warnings)]
    assert found == [ONE, TWO, ONE]
    assert len(warnings) == 1
    assert "log.jsonl:2: this line was left out" in warnings[0]


@pytest.mark.parametrize(
    ("line", "opens"),
    [
        (b"{\n", True),
        (b"[\n", True),
        (b'{"a": {\n', True),
        (b'{"a": 1,\n', True),
        (b'{"a": "it ends in {\n', False),
        (b'{"a": 1}\n', False),
        (b'  "a": {\n', False),
        (b"\n", False),
    ],
)
def test_only_a_line_that_opens_something_may_begin_a_spread_record(line, opens):
    assert opens_spread_record(line) is opens


@pytest.mark.parametrize(
    ("line", "opens"),
    [
        (b'{"a": "' + b'\\"' * 500_000, False),
        (b'{"a": "b', False),
        (b'{"a": "b\\', False),
        (b'{"a": "' + b'\\"' * 500_000 + b'", "b": {', True),
    ],
)
def test_a_text_that_does_not_end_is_looked_through_once(line: bytes, opens: bool) -> None:
    assert opens_spread_record(line) is opens

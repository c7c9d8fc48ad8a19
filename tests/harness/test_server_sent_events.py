"""One reader of server-sent events for every provider's stream."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenprof.harness_adapters.wires.anthropic_exchange import message_of_events
from tokenprof.harness_adapters.wires.framing import server_sent_events
from tokenprof.harness_adapters.wires.framing.server_sent_events import DONE, UNREADABLE_EVENT, events_of

A, B = b'data: {"a": 1}', b'data: {"b": 2}'


@pytest.mark.parametrize(
    "stream",
    [
        A + b"\n\n" + B + b"\n\n",
        A + b"\r\n\r\n" + B + b"\r\n\r\n",
        A + b"\r\r" + B + b"\r\r",
        b"\xef\xbb\xbf" + A + b"\n\n" + B + b"\n\n",
        b": keep-alive\n\nevent: x\nid: 7\n" + A + b"\n\nretry: 5\n\n" + B + b"\n\n",
        b'data:{"a":\ndata: 1}\n\n' + B + b"\n\n",
        A + b"\n\n" + B,
        A + b"\n\ndata: 5\n\n" + B + b"\n\n",
    ],
)
def test_events_are_read_whatever_ends_their_lines_and_stands_between_them(stream: bytes) -> None:
    assert list(events_of(stream)) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (A + b"\n\n" + B + b'\n\ndata: {"c": ', [{"a": 1}, {"b": 2}, UNREADABLE_EVENT]),
        (A + b"\n\ndata: not json\n\n" + B + b"\n\n", [{"a": 1}, UNREADABLE_EVENT, {"b": 2}]),
        (A + b'\n\nta: {"c": 3}\n\n' + B + b"\n\n", [{"a": 1}, UNREADABLE_EVENT, {"b": 2}]),
    ],
)
def test_an_event_that_is_damaged_is_told_from_one_that_is_not_there(
    stream: bytes, expected: list[object]
) -> None:
    assert list(events_of(stream)) == expected


def test_the_closing_line_of_a_stream_is_told_from_an_event() -> None:
    assert list(events_of(A + b"\n\ndata: [DONE]\n\n")) == [{"a": 1}, DONE]


@given(st.integers(0, 60))
def test_a_stream_cut_anywhere_gives_whole_events_only(at: int) -> None:
    stream = A + b"\n\n" + B + b"\n\ndata: [DONE]\n\n"
    whole = [{"a": 1}, {"b": 2}, DONE]
    found = [event for event in events_of(stream[:at]) if event is not UNREADABLE_EVENT]
    assert found == whole[: len(found)]


def test_a_gateway_that_closes_a_stream_of_messages_as_openai_does_changes_nothing() -> None:
    """Some gateways end every stream with OpenAI's closing line, those of the Messages API as well."""
    start = b'data: {"type": "message_start", "message": {"id": "m1", "usage": {"input_tokens": 1}}}\n\n'
    ended = b'"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}'
    stop = b'data: {"type": "message_delta", ' + ended + b"}"
    message, status = message_of_events(events_of(start + stop + b"\n\ndata: [DONE]\n\n"))
    assert message is not None
    assert (message["id"], status, message["usage"]["output_tokens"]) == ("m1", "ok", 2)


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a"]), max_size=60), st.integers(1, 9))
def test_pieces_of_a_stream_have_the_lines_of_the_whole(parts: list[bytes], piece_bytes: int) -> None:
    data = b"".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_sent_events, "_PIECE_BYTES", piece_bytes)
        assert list(server_sent_events._lines(data)) == re.split(rb"\r\n|\n|\r", data)


@pytest.mark.parametrize("line", [b"\n", b"\r", b"\r\n", b": x\n", b"data: {}\r\r"])
def test_no_more_than_a_piece_is_cut_into_lines_at_a_time(line: bytes) -> None:
    class Watched(bytes):
        longest = 0

        def __getitem__(self, at: Any) -> Any:
            found = super().__getitem__(at)
            Watched.longest = max(Watched.longest, len(found))
            return found

    assert sum(1 for _ in server_sent_events._lines(Watched(line * 100_000))) > 90_000
    assert Watched.longest < 2**16 + 2**4

"""Bodies as servers and clients send them: coded in any way, of another kind than they say, or unreadable."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable

import brotli
import orjson
import pytest
import zstandard
from plain_exchanges import exchange

from tokenprof.record.background.repeated_json import SMALLEST_BYTES
from tokenprof.record.block_facts import Shaper
from tokenprof.record.content_coding import (
    UNREAD_REQUEST,
    DecodedTooLargeError,
    decoded,
    decoded_body,
    is_event_stream,
    notes_of_request,
    request_of,
)

WORDS = " ".join(str(number * 7919) for number in range(60_000)).encode()


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


class BrotliBefore12(type(brotli)):  # type: ignore[misc]
    """The library as it was before release 1.2: one step decodes all that it is given, without a bound."""

    class Decompressor:
        def __init__(self) -> None:
            self._engine = brotli.Decompressor()

        def process(self, data: bytes) -> bytes:
            assert len(data) <= 16
            return bytes(self._engine.process(data))


SENT: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "an old name of gzip": ("x-gzip", gzip.compress),
    "gzip in two members": ("gzip", lambda data: gzip.compress(data[:70_000]) + gzip.compress(data[70_000:])),
    "gzip with padding": ("gzip", lambda data: gzip.compress(data) + bytes(512)),
    "deflate": ("deflate", zlib.compress),
    "deflate without a header": ("deflate", raw_deflate),
    "brotli": ("br", lambda data: bytes(brotli.compress(data, quality=1))),
    "zstandard in two frames": (
        "zstd",
        lambda data: zstandard.compress(data[:70_000]) + zstandard.compress(data[70_000:]),
    ),
    "two codings, the last one outside": ("gzip, br", lambda data: brotli.compress(gzip.compress(data))),
    "written in capitals": ("GZip , Identity", gzip.compress),
    "none": ("", bytes),
}


@pytest.mark.parametrize("sent", SENT)
def test_a_body_is_decoded_whatever_way_it_is_sent(sent: str) -> None:
    coding, encode = SENT[sent]
    for data in (WORDS, WORDS[:1], b""):
        assert decoded(encode(data), coding) == data


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_is_not_in_the_coding_that_it_names_holds_nothing(coding: str) -> None:
    assert decoded(b'{"id": "chatcmpl-1"}', coding) == b""
    assert decoded(b"", coding) == b""


def test_a_brotli_library_without_bounded_steps_is_used_in_small_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "brotli", BrotliBefore12("brotli"))
    assert decoded(brotli.compress(WORDS), "br") == WORDS
    cut = brotli.compress(WORDS, quality=1)
    part = decoded(cut[: len(cut) // 2], "br")
    assert len(part) > 100_000
    assert WORDS.startswith(part)
    with pytest.raises(
        DecodedTooLargeError, match=r"a br body of [0-9,]+ bytes decodes to more than 16,777,216"
    ):
        decoded(brotli.compress(bytes(20 * 2**20)), "br")


def test_a_response_is_decoded_as_its_headers_say() -> None:
    assert decoded_body(exchange(body=gzip.compress(b"{}"), headers={"content-encoding": "gzip"})) == b"{}"
    assert decoded_body(exchange(body=b"{}")) == b"{}"


@pytest.mark.parametrize("is_kept", [False, True], ids=["alone", "with those before it"])
@pytest.mark.parametrize(
    ("request_", "read", "notes"),
    [
        (b'{"model":"m"}', {"model": "m"}, ()),
        (b'\xef\xbb\xbf{"model":"m"}', {"model": "m"}, ()),
        (b'{"model":"m","user":"\\ud800","top_p":NaN}', {"model": "m", "user": "�", "top_p": None}, ()),
        (b"", {}, ()),
        (b" \n", {}, ()),
        (b"[1]", {}, (UNREAD_REQUEST,)),
        (b"--boundary\r\nContent-Disposition: form-data", {}, (UNREAD_REQUEST,)),
        (b'{"model":' + b"[" * 100_000, {}, (UNREAD_REQUEST,)),
    ],
)
def test_a_request_that_is_not_an_object_is_empty_and_that_is_said(
    request_: bytes, read: dict[str, object], notes: tuple[str, ...], is_kept: bool
) -> None:
    shaper = Shaper(key=b"k" * 16, count=lambda texts: [{} for _ in texts]) if is_kept else None
    found = request_of(exchange(request_), shaper)
    assert found == read
    assert notes_of_request(exchange(request_), found) == notes


def test_requests_with_one_shaper_share_what_they_repeat() -> None:
    shaper = Shaper(key=b"k" * 16, count=lambda texts: [{} for _ in texts])
    messages = [{"role": "user", "content": "x" * SMALLEST_BYTES}]
    first = request_of(exchange(orjson.dumps({"messages": messages})), shaper)
    more = [*messages, {"role": "assistant", "content": "y"}]
    second = request_of(exchange(orjson.dumps({"messages": more})), shaper)
    assert second["messages"] == more
    assert second["messages"][0] is first["messages"][0]


@pytest.mark.parametrize(
    ("content_type", "body", "is_stream"),
    [
        ("text/event-stream", b"data: {}\n\n", True),
        ("text/event-stream; charset=utf-8", b"", True),
        ("text/event-stream", b'  {"id": "a whole answer"}', False),
        ("text/event-stream", b"[{}]", False),
        ("application/json", b'{"id": "x"}', False),
        ("application/json", b"\n\nevent: message_start\ndata: {}", True),
        ("", b": keep alive\n\ndata: {}", True),
        ("", b"id: 7\ndata: {}", True),
        ("", b"retry: 7\n", True),
        ("", b"", False),
    ],
)
def test_an_answer_is_a_stream_if_it_looks_like_one(content_type: str, body: bytes, is_stream: bool) -> None:
    assert is_event_stream(exchange(headers={"content-type": content_type}), body) == is_stream

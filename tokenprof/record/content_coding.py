"""The bodies of an exchange: without their content coding, decoded up to a bound, and as what they are.

A few kilobytes can decode to gigabytes. Only our copy is decoded, so a body beyond the bound reaches its
reader all the same; it is just not recorded.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from tokenprof.record.block_facts import Shaper
from tokenprof.record.exchange import Exchange
from tokenprof.record.wire_values import Wire, loads_leniently, mapping

MOST_DECODED_BYTES = 256 * 2**20
ALWAYS_ALLOWED_BYTES = 16 * 2**20
MOST_TIMES_LARGER = 200
"""JSON and event streams compress 3 to 30 times."""

_PIECE_BYTES = 65536
_GZIP_MEMBER = b"\x1f\x8b"


class DecodedTooLargeError(ValueError):
    """A body decodes to more bytes than a model call holds."""


def decoded_body(exchange: Exchange) -> bytes:
    """Return the body of a response without its content codings, as `decoded` does."""
    coding = exchange.headers.get("content-encoding")
    return decoded(exchange.body, coding) if coding else exchange.body


def decoded(body: bytes, coding: str) -> bytes:
    """Return a body without its content codings; if it was cut short, as much as can be decoded.

    Raises ValueError for an unknown coding, and DecodedTooLargeError for a body that decodes to more than
    256 MiB, or to more than 16 MiB and 200 times its size.
    """
    most = decoded_bytes_allowed(len(body))
    for name in reversed([part.strip().lower() for part in coding.split(",")]):
        if name not in ("", "identity"):
            body = _decompressed(body, name, most)
    return body


def decoded_bytes_allowed(encoded_bytes: int, most: int = MOST_DECODED_BYTES) -> int:
    """Return how many bytes a body of a given size may decode to, `most` at the most."""
    return min(max(ALWAYS_ALLOWED_BYTES, MOST_TIMES_LARGER * encoded_bytes), most)


def _decompressed(body: bytes, coding: str, most: int) -> bytes:
    pieces = _DECODERS.get(coding)
    if pieces is None:
        # The value is not quoted: whoever sent the header may have put anything there.
        raise ValueError("the content coding of a body is not gzip, deflate, br or zstd; it is not recorded")
    found = bytearray()
    try:
        for piece in pieces(body):
            found += piece
            if len(found) > most:
                break
    except Exception:  # noqa: BLE001 - each library raises its own; what came before the cut is kept
        pass
    if len(found) > most:
        raise DecodedTooLargeError(
            f"a {coding} body of {len(body):,} bytes decodes to more than {most:,} bytes; it is not recorded"
        )
    return bytes(found)


def _from_deflate(body: bytes) -> Iterator[bytes]:
    """Decode what is sent as `deflate`: with the header of zlib (RFC 9110) or, by some servers, without."""
    has_header = body[:1] and body[0] & 15 == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0
    return _from_zlib(body, zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)


def _from_gzip(body: bytes) -> Iterator[bytes]:
    return _from_zlib(body, zlib.MAX_WBITS | 16)


def _from_zlib(body: bytes, window_bits: int) -> Iterator[bytes]:
    engine = zlib.decompressobj(window_bits)
    rest = memoryview(body)
    while rest:
        given = rest[:_PIECE_BYTES]
        yield engine.decompress(given, _PIECE_BYTES)
        rest = rest[len(given) - len(engine.unused_data or engine.unconsumed_tail) :]
        if engine.eof:
            if bytes(rest[:2]) != _GZIP_MEMBER:
                return
            # A gzip file may have several members (RFC 1952, 2.2).
            engine = zlib.decompressobj(window_bits)
    # What the engine holds back is less than its window.
    yield engine.flush()


def _from_brotli(body: bytes) -> Iterator[bytes]:
    library: Any = importlib.import_module("brotli")
    engine = library.Decompressor()
    if not hasattr(engine, "can_accept_more_data"):
        # Before 1.2 nothing bounds the output of a step, so the steps are small.
        for start in range(0, len(body), 16):
            yield engine.process(body[start : start + 16])
        return
    start, piece = 0, b""
    while start < len(body) or piece:
        given = b""
        if engine.can_accept_more_data():
            given = body[start : start + _PIECE_BYTES]
            start += len(given)
        piece = engine.process(given, output_buffer_limit=_PIECE_BYTES)
        yield piece


def _from_zstd(body: bytes) -> Iterator[bytes]:
    library: Any = importlib.import_module("zstandard")
    reader = library.ZstdDecompressor().stream_reader(body, read_across_frames=True)
    while piece := reader.read(_PIECE_BYTES):
        yield piece


_DECODERS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "gzip": _from_gzip,
    "x-gzip": _from_gzip,
    "deflate": _from_deflate,
    "br": _from_brotli,
    "zstd": _from_zstd,
}


UNREAD_REQUEST = "The request cannot be read, so its prompt is not shown; the counts are those of the answer."

_EVENTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_JSON = (b"{", b"[")


def request_of(exchange: Exchange, shaper: Shaper | None = None) -> Wire:
    """Return the body of a request; empty if there is none or it is not a JSON object.

    With a `shaper`, what the request repeats of an earlier one with that shaper are the same objects again.
    """
    if not exchange.request:
        return {}
    try:
        if shaper is not None:
            return mapping(shaper.requests.loads(exchange.request))
    except (ValueError, RecursionError):
        pass
    try:
        return mapping(loads_leniently(exchange.request))
    except (ValueError, RecursionError):
        return {}


def notes_of_request(exchange: Exchange, body: Wire) -> tuple[str, ...]:
    """Return a note if a request has a body that could not be read."""
    return (UNREAD_REQUEST,) if exchange.request.strip() and not body else ()


def is_event_stream(exchange: Exchange, data: bytes) -> bool:
    """Whether an answer is server-sent events. Relays send them as JSON, and JSON as them."""
    head = data.lstrip()[:8]
    if "text/event-stream" in exchange.headers.get("content-type", ""):
        return not head.startswith(_JSON)
    return head.startswith(_EVENTS)


def answer_of(data: bytes) -> Any:
    """Return the value of a JSON answer; None if it is not JSON."""
    try:
        return loads_leniently(data)
    except (ValueError, RecursionError):
        return None

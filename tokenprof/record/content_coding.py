"""Bodies without their content coding (gzip, deflate, br, zstd)."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from tokenprof.record.exchange import Exchange

_PIECE_BYTES = 4096

_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


def decoded_body(exchange: Exchange) -> bytes:
    """Return the body of a response without its content codings, as `decoded` does."""
    return decoded(exchange.body, exchange.headers.get("content-encoding", ""))


def decoded(body: bytes, coding: str) -> bytes:
    """Return a body without its content codings; if it was cut short, as much as can be decoded.

    Raises ValueError for an unknown coding.
    """
    for name in reversed([part.strip().lower() for part in coding.split(",")]):
        if name not in ("", "identity"):
            body = _decompressed(body, name)
    return body


def _decompressed(body: bytes, coding: str) -> bytes:
    decompress = _decompressor(coding)
    found = bytearray()
    try:
        for piece in _pieces(body):
            found += decompress(piece)
    except Exception:  # noqa: BLE001 - each library raises its own; what came before the cut is kept
        pass
    return bytes(found)


def _decompressor(coding: str) -> Callable[[bytes], bytes]:
    if coding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(wbits=_GZIP_OR_ZLIB).decompress
    library: Any
    if coding == "br":
        library = importlib.import_module("brotli")
        return library.Decompressor().process  # type: ignore[no-any-return]
    if coding == "zstd":
        library = importlib.import_module("zstandard")
        return library.ZstdDecompressor().decompressobj().decompress  # type: ignore[no-any-return]
    raise ValueError(f"the content coding {coding!r} is not known, so its body cannot be recorded")


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]

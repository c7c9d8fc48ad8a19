"""Response bodies without their content coding, by whichever HTTP library the provider's SDK has brought."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from typing import Any

from tokenprof.record.exchange import Exchange

_http: Any = importlib.import_module("httpx2" if importlib.util.find_spec("httpx2") else "httpx")


def decoded_body(exchange: Exchange) -> bytes:
    """Return the body without its content coding; of a cut body, as much as can be decoded."""
    coding = exchange.headers.get("content-encoding")
    if not coding or coding == "identity":
        return exchange.body
    response = _http.Response(200, headers={"content-encoding": coding}, stream=_Chunks(exchange.body))
    decoded = bytearray()
    try:
        for chunk in response.iter_bytes():
            decoded += chunk
    except _http.DecodingError:
        pass
    return bytes(decoded)


class _Chunks(_http.SyncByteStream):  # type: ignore[misc]
    def __init__(self, body: bytes):
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._body), 4096):
            yield self._body[start : start + 4096]

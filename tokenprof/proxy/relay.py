"""Bytes from the provider to the client, unbuffered, with the framing of HTTP/1.1 on both sides."""

from __future__ import annotations

import contextlib
import functools
import re
import socket
from collections.abc import Callable
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead, parse_headers
from typing import Any

from tokenprof.proxy.clients import ConnectedClient
from tokenprof.record.attempt import Attempt

CHUNK_BYTES = 65536
MOST_INTERIM_ANSWERS = 100

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that are about one connection, not about the message (RFC 9110, section 7.6.1)."""


_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;|\r?\n)")
_LONGEST_CHUNK_LINE_BYTES = 65_537


class FinalResponse(HTTPResponse):
    """A response after any interim ones (103 Early Hints), which `http.client` takes for the final one."""

    def __init__(self, interim: Callable[[bytes], object] | None, sock: socket.socket, *args: Any, **kw: Any):
        self._interim = interim
        super().__init__(sock, *args, **kw)

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MOST_INTERIM_ANSWERS):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200:
                return version, status, reason
            if status == 101:
                raise HTTPException("the upstream changed to a protocol that nobody asked for")
            headers = parse_headers(self.fp)
            if status != 100 and self._interim is not None:
                self._interim(_encoded(f"HTTP/1.1 {status} {reason.strip()}", _passed_on(headers)))
        raise HTTPException("the upstream sent interim answers only")

    def begin(self) -> None:
        """Read the head. An answer that has no body has no chunks either, whatever its head says."""
        super().begin()
        if self.length == 0:
            self.chunked = False

    def _read_next_chunk_size(self) -> int:
        line = self.fp.readline(_LONGEST_CHUNK_LINE_BYTES)
        parsed = _CHUNK_SIZE.match(line)
        if parsed is None or not line.endswith(b"\n"):
            raise IncompleteRead(b"")
        return int(parsed[1], 16)


def answered_with_interim(
    connection: HTTPConnection, interim: Callable[[bytes], object] | None
) -> HTTPResponse:
    """Return the response to a request, after `interim` has been called with each answer before it.

    Raises HTTPException for a response whose end could be read in two ways.
    """
    connection.response_class = functools.partial(FinalResponse, interim)  # type: ignore[assignment]
    response = connection.getresponse()
    codings = [coding.lower() for coding in response.headers.get_all("transfer-encoding") or []]
    lengths = set(response.headers.get_all("content-length") or [])
    if (
        codings not in ([], ["chunked"])
        or len(lengths) > 1
        or not all(map(_LENGTH.fullmatch, lengths))
        or response.headers.defects
    ):
        raise HTTPException("the upstream's answer does not say where it ends")
    return response


def relay_response(
    response: HTTPResponse, client: ConnectedClient, attempt: Attempt | None, *, with_chunks: bool
) -> None:
    """Write a response to the client, passing on each piece of the body as soon as it arrives.

    `with_chunks` says that the client can read chunks. Raises IncompleteRead if the upstream ends before the
    message does, and OSError if either connection breaks. The client then has everything that had arrived.
    """
    chunked = response.chunked and with_chunks
    client.write(_head(response, chunked=chunked))
    while data := response.read1(CHUNK_BYTES):
        if attempt is not None:
            attempt.take(data)
        client.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
    if not response.chunked and response.length:
        raise IncompleteRead(b"", response.length)
    if chunked:
        client.write(b"0\r\n\r\n")


def _head(response: HTTPResponse, *, chunked: bool) -> bytes:
    lines = _passed_on(response.headers)
    if response.chunked:
        # With chunks, a length would be a second opinion on where the message ends.
        lines = [line for line in lines if not line.lower().startswith("content-length:")]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
    if response.will_close:
        lines.append("Connection: close")
    return _encoded(f"HTTP/1.1 {response.status} {response.reason}", lines)


def _passed_on(headers: Message) -> list[str]:
    named = {name.strip().lower() for name in headers.get("connection", "").split(",")}
    return [f"{name}: {value}" for name, value in headers.items() if name.lower() not in HOP_BY_HOP | named]


def _encoded(status_line: str, lines: list[str]) -> bytes:
    return "\r\n".join([status_line, *lines, "", ""]).encode("latin-1")


def shut(connection: HTTPConnection) -> None:
    """End an upstream connection, along with any read of it in another thread."""
    reading = connection.sock
    if reading is not None:
        with contextlib.suppress(OSError):
            # Below TLS: its own shutdown would leave the reader with a bare socket.
            socket.socket.shutdown(reading, socket.SHUT_RDWR)

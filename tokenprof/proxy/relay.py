"""Bytes from one side to the other, unbuffered, with the framing of HTTP/1.1 on both."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable
from email.message import Message
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from io import BufferedIOBase
from types import TracebackType

from tokenprof.record.attempt import Attempt

CHUNK_BYTES = 65536

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


def request_body(stream: BufferedIOBase, headers: Message) -> bytes | None:
    """Read the body of a request; None if it has none. Raises ConnectionError if it is cut short."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _chunked_body(stream)
    length = headers.get("content-length")
    if length is None:
        return None
    body = stream.read(int(length))
    if len(body) < int(length):
        raise ConnectionError("the client went away in the middle of its request")
    return body


def _chunked_body(stream: BufferedIOBase) -> bytes:
    body = bytearray()
    while size := int(stream.readline().partition(b";")[0] or b"-1", 16):
        chunk = stream.read(size) if size > 0 else b""
        if len(chunk) < size or size < 0:
            raise ConnectionError("the client went away in the middle of its request")
        body += chunk
        stream.readline()
    while stream.readline().strip():
        pass
    return bytes(body)


def relay_response(
    response: HTTPResponse, client: BufferedIOBase, client_version: str, attempt: Attempt | None
) -> None:
    """Write a response to the client, passing on each piece of the body as soon as it arrives.

    Raises IncompleteRead if the upstream ends before the message does, and OSError if either connection
    breaks. The client then has everything that had arrived.
    """
    chunked = response.chunked and client_version != "HTTP/1.0"
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
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    named = {name.strip().lower() for name in response.headers.get("connection", "").split(",")}
    lines += [
        f"{name}: {value}"
        for name, value in response.headers.items()
        if name.lower() not in HOP_BY_HOP | named
    ]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
    if response.will_close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Hangup:
    """Calls `then` if the client hangs up while its request is being answered.

    Without this, the provider would go on generating, and billing, for a client that no longer waits.
    """

    def __init__(self, client: socket.socket, then: Callable[[], None]):
        self._client = client
        self._then = then
        self._answered, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Hangup:
        """Start watching."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop watching."""
        self._stop.close()
        self._thread.join()
        self._answered.close()

    def _watch(self) -> None:
        readable, _, _ = select.select([self._client, self._answered], [], [])
        if self._answered in readable:
            return
        with contextlib.suppress(OSError):
            # Only the end of the stream matters here, not the bytes of a next request.
            if self._client.recv(1, socket.MSG_PEEK):
                return
        self._then()


def shut(connection: HTTPConnection) -> None:
    """End an upstream connection, along with any read of it in another thread."""
    reading = connection.sock
    if reading is not None:
        with contextlib.suppress(OSError):
            # Below TLS: its own shutdown would leave the reader with a bare socket.
            socket.socket.shutdown(reading, socket.SHUT_RDWR)

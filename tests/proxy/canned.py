"""A server that answers with given bytes, and a client that tells all that it was answered."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from waiting import WATCHDOG_S

Piece = bytes | Callable[[socket.socket], None]
"""Bytes to send, or something to wait for before the next, with the connection at hand."""


@dataclass
class CannedServer:
    """Answers each request with the same pieces, then closes the connection unless told to keep it.

    `requests` are those it was sent, `connections` counts what they came on.
    """

    pieces: Sequence[Piece]
    keep_alive: bool = False
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> CannedServer:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                while self._answer(connection) and self.keep_alive:
                    pass

    def _answer(self, connection: socket.socket) -> bool:
        request = _request(connection)
        if not request:
            return False
        self.requests.append(request)
        for piece in self.pieces:
            if callable(piece):
                piece(connection)
            else:
                connection.sendall(piece)
        return True


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    missing = int(lengths[0].partition(b":")[2]) - len(body) if lengths else 0
    while missing > 0:
        body += (more := connection.recv(missing))
        missing -= len(more)
    return head + b"\r\n\r\n" + body


@dataclass(frozen=True)
class Seen:
    """All that a client is told: head, body as received, and how it ended."""

    status: int | None
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    ended: str


def ask(
    url: str,
    body: bytes | None = b'{"model": "m"}',
    *,
    method: str = "POST",
    headers: dict[str, str] | None = None,
) -> Seen:
    """Send one request and read the answer to its end or its cut."""
    connection = http.client.HTTPConnection(url.partition("//")[2].partition("/")[0], timeout=WATCHDOG_S)
    response: Any = None
    received = bytearray()
    try:
        connection.request(method, f"{path_of(url)}/v1/messages?beta=true", body, headers or {})
        response = connection.getresponse()
        while data := response.read1():
            received += data
        ended = "short" if response.length else "complete"
    except (http.client.HTTPException, OSError) as error:
        ended = type(error).__name__
    finally:
        connection.close()
    if response is None:
        return Seen(None, "", (), b"", ended)
    return Seen(response.status, response.reason, tuple(response.headers.items()), bytes(received), ended)


def path_of(url: str) -> str:
    """The path of an address, empty for its root."""
    _, slash, path = url.partition("//")[2].partition("/")
    return slash + path

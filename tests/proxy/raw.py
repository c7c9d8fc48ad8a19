"""Requests as bytes, malformed ones included, and everything that comes back."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any

from waiting import WATCHDOG_S

from tokenprof.proxy.server import RecordingProxy


@dataclass(frozen=True)
class RawAnswer:
    """Everything that came back on a connection until it closed."""

    data: bytes

    @property
    def status(self) -> int:
        return int(self.data.split(b" ", 2)[1])

    @property
    def json(self) -> Any:
        return json.loads(self.data.partition(b"\r\n\r\n")[2])


def send(proxy: RecordingProxy, request: bytes) -> RawAnswer:
    """Send bytes and read until the proxy closes the connection."""
    with socket.create_connection(("127.0.0.1", port_of(proxy)), timeout=WATCHDOG_S) as connection:
        connection.sendall(request)
        received = bytearray()
        try:
            while data := connection.recv(65536):
                received += data
        except ConnectionResetError:
            pass
    return RawAnswer(bytes(received))


def port_of(proxy: RecordingProxy) -> int:
    """The port that a proxy listens at."""
    return int(proxy.url("/anthropic").split("/")[2].partition(":")[2])


def request(
    *headers: str, line: str = "POST /anthropic/v1/messages HTTP/1.1", host: str = "127.0.0.1", body: str = ""
) -> bytes:
    """A request that asks for the connection to be closed, with further headers."""
    named = [f"Host: {host}"] if host else []
    return "\r\n".join([line, *named, "Connection: close", *headers, "", body]).encode("latin-1")

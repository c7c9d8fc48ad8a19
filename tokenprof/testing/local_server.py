"""A server on a free port of this machine that stands in for a provider."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, TypeVar

Behind = TypeVar("Behind")
"""What answers the requests: a loopback provider, a cassette."""


class LocalServer(ThreadingHTTPServer, Generic[Behind]):
    """An HTTP server on 127.0.0.1; its handlers find what answers the requests at `server.behind`."""

    daemon_threads = True

    def __init__(self, behind: Behind, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.behind = behind

    @property
    def url(self) -> str:
        """The address of the server, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        """Serve from a thread of its own."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Stop serving, and give the port back."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about a client that went away; a trace could quote what it sent."""

"""The reverse proxy: it passes requests on to the provider, and answers back as they arrive.

A thread serves each client connection and keeps one upstream connection for it, so a client that keeps
its connection alive pays for one TLS handshake, as it would without the proxy. If the upstream fails without
an answer (unreachable, cut in the middle), the client's connection is closed at the same point. That is
what it would have seen itself, and its own retries take over. The proxy never answers in the provider's name.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tokenprof.proxy.observe import Observer
from tokenprof.proxy.relay import HOP_BY_HOP, Hangup, relay_response, request_body, shut
from tokenprof.proxy.upstream import Upstream, connect, is_stale
from tokenprof.record.attempt import Attempt
from tokenprof.record.wires import wire_of

Routes = Mapping[str, Upstream]
"""The upstream for each path prefix that clients are given; it is called without the prefix."""


class RecordingProxy:
    """A proxy on 127.0.0.1 that runs inside a `with` block; `port` 0 takes a free port.

    `notice` is called with one sentence if an upstream cannot be reached. Raises OSError if the port is
    taken.
    """

    def __init__(
        self,
        routes: Routes,
        observer: Observer,
        *,
        port: int = 0,
        notice: Callable[[str], None] | None = None,
    ):
        self._server = _ProxyServer(("127.0.0.1", port), _Connection)
        self._server.routes = dict(sorted(routes.items(), key=lambda route: -len(route[0])))
        self._server.observer = observer
        self._server.notice = notice or _to_standard_error
        self._routes = routes

    def url(self, prefix: str = "") -> str:
        """Return the base address to give to clients of a route, with the path at which its API starts."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{prefix}{self._routes[prefix].path}"

    def __enter__(self) -> RecordingProxy:
        """Start serving."""
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop taking connections."""
        self._server.shutdown()
        self._server.server_close()


class _ProxyServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    routes: Routes
    observer: Observer
    notice: Callable[[str], None]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that goes away, and report any other error in one line."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.notice(f"a connection ended with {type(error).__name__}: {error}")


class _Connection(BaseHTTPRequestHandler):
    """One client connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _ProxyServer
    _upstream: HTTPConnection | None = None
    _at: Upstream | None = None

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent, since the terminal belongs to the child."""

    def finish(self) -> None:
        """Close the upstream connection along with the client's."""
        self._disconnect()
        with contextlib.suppress(OSError):
            super().finish()

    def _pass_on(self) -> None:
        """Pass one request on to its upstream, and the response back."""
        target, upstream = self._route()
        if upstream is None:
            self.send_error(404, "tokenprof proxy has no upstream for this path")
            return
        if "websocket" in self.headers.get("upgrade", "").lower() and wire_of("POST", target):
            # Clients that prefer a WebSocket react to this by making the same call over HTTP.
            self.send_error(426, "tokenprof proxy passes on model calls over HTTP only")
            return
        body = request_body(self.rfile, self.headers)
        attempt = self.server.observer.begin(
            self.command, target, {name.lower(): value for name, value in self.headers.items()}, body or b""
        )
        try:
            self._exchange(upstream, target, body, attempt)
        except (OSError, HTTPException) as error:
            # No answer, or half of one: the client's connection ends where the upstream's did.
            self.close_connection = True
            self._disconnect()
            if attempt is not None:
                attempt.end(failure=type(error).__name__)

    def _exchange(self, upstream: Upstream, target: str, body: bytes | None, attempt: Attempt | None) -> None:
        connection = self._connected(upstream)
        with Hangup(self.connection, lambda: shut(connection)):
            self._send(connection, upstream, target, body)
            response = connection.getresponse()
            if attempt is not None:
                attempt.answered(
                    response.status, {name.lower(): value for name, value in response.headers.items()}
                )
            relay_response(response, self.wfile, self.request_version, attempt)
            # Frees the connection for the next request; a body read by `read1` does not.
            response.close()
        if attempt is not None:
            attempt.end(complete=True)
        if response.will_close:
            self.close_connection = True
            self._disconnect()

    def _route(self) -> tuple[str, Upstream | None]:
        # The base class has normalised `self.path`; the request line is what the client sent.
        target = self.requestline.split()[1]
        for prefix, upstream in self.server.routes.items():
            if not prefix or target == prefix or target.startswith((prefix + "/", prefix + "?")):
                return target[len(prefix) :] or "/", upstream
        return target, None

    def _connected(self, upstream: Upstream) -> HTTPConnection:
        if self._upstream is not None and self._at == upstream and not is_stale(self._upstream):
            return self._upstream
        self._disconnect()
        try:
            self._upstream, self._at = connect(upstream), upstream
        except OSError as error:
            self.server.notice(f"cannot reach {upstream.scheme}://{upstream.authority}: {error}")
            raise
        return self._upstream

    def _send(self, connection: HTTPConnection, upstream: Upstream, target: str, body: bytes | None) -> None:
        connection.putrequest(self.command, target, skip_host=True, skip_accept_encoding=True)
        named = {name.strip().lower() for name in self.headers.get("connection", "").split(",")}
        for name, value in self.headers.items():
            if name.lower() == "host":
                connection.putheader(name, upstream.authority)
            elif name.lower() not in HOP_BY_HOP | named | {"expect"}:
                connection.putheader(name, value.encode("latin-1"))
        if body is not None and "content-length" not in self.headers:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)

    def _disconnect(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _pass_on  # noqa: N815


def _to_standard_error(sentence: str) -> None:
    print(f"tokenprof proxy: {sentence}", file=sys.stderr, flush=True)  # noqa: T201 - the command's own voice

"""The reverse proxy: it passes requests on to the provider, and answers back as they arrive.

A thread serves each client connection and keeps one upstream connection for it, so a client that keeps
its connection alive pays for one TLS handshake, as it would without the proxy. If the upstream fails without
an answer (unreachable, cut in the middle), the client's connection is closed at the same point. That is
what it would have seen itself, and its own retries take over. The proxy answers by itself only to requests
that it refuses to pass on.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Any

from tokenprof.proxy.admission import require_admitted
from tokenprof.proxy.hangups import Hangups
from tokenprof.proxy.observe import Observer
from tokenprof.proxy.refusal import answer_of, provider_of
from tokenprof.proxy.relay import HOP_BY_HOP, answered_with_interim, relay_response, shut
from tokenprof.proxy.request import ClientRequest, RequestError, read_request, request_body
from tokenprof.proxy.upstream import Upstream, connect, is_stale
from tokenprof.record.attempt import Attempt
from tokenprof.record.wires import wire_of

Routes = Mapping[str, Upstream]
"""The upstream for each path prefix that clients are given; it is called without the prefix."""

_DESCRIPTORS = 16_384
_LINGER_S = 2.0
_MOST_LINGERED_BYTES = 2**22
_PAUSE_WITHOUT_DESCRIPTORS_S = 0.05


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
        self._server.hangups = Hangups()
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
        self._server.hangups.close()


class _ProxyServer(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    routes: Routes
    observer: Observer
    notice: Callable[[str], None]
    hangups: Hangups
    _said_full = False

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; without descriptors to do so, say it once and wait for some to be closed."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                if not self._said_full:
                    self._said_full = True
                    self.notice("too many connections for this process; raise `ulimit -n`")
                time.sleep(_PAUSE_WITHOUT_DESCRIPTORS_S)
            raise

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that goes away; name any other error, without its text, which may quote a key."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.notice(f"a connection ended with {type(error).__name__}")


class _Connection(StreamRequestHandler):
    """One client connection."""

    disable_nagle_algorithm = True
    server: _ProxyServer
    _upstream: HTTPConnection | None = None
    _at: Upstream | None = None

    def handle(self) -> None:
        """Pass requests on until one side closes the connection."""
        request: ClientRequest | None = None
        try:
            while (request := read_request(self.rfile)) is not None:
                require_admitted(request)
                if not self._pass_on(request):
                    return
                request = None
        except RequestError as error:
            self._refuse(error, provider_of(request, self._prefix(request) or "") if request else "")

    def finish(self) -> None:
        """Close the upstream connection along with the client's."""
        self._disconnect()
        with contextlib.suppress(OSError):
            super().finish()

    def _pass_on(self, request: ClientRequest) -> bool:
        """Pass a request on to its upstream, and the response back; return whether another may follow."""
        target, upstream = self._route(request)
        if "websocket" in request.value("upgrade").lower() and wire_of("POST", target):
            # Clients that prefer a WebSocket react to this by making the same call over HTTP.
            raise RequestError(426, "tokenprof proxy passes on model calls over HTTP only.")
        expected = request.value("expect").lower()
        if expected and expected != "100-continue":
            raise RequestError(417, "The only Expect that the proxy meets is 100-continue.")
        if expected and request.is_http_1_1:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = request_body(self.rfile, request)
        self.server.observer.require_budget(request.method, target, body or b"")
        headers = request.by_lower_name()
        attempt = self.server.observer.begin(request.method, target, headers, body or b"", upstream.host)
        try:
            return self._exchange(request, upstream, target, body, attempt) and request.keeps_alive
        except (OSError, HTTPException) as error:
            # No answer, or half of one: the client's connection ends where the upstream's did.
            self._disconnect()
            if attempt is not None:
                attempt.end(failure=type(error).__name__)
            return False

    def _exchange(
        self,
        request: ClientRequest,
        upstream: Upstream,
        target: str,
        body: bytes | None,
        attempt: Attempt | None,
    ) -> bool:
        """Send a request and relay its response; return whether both connections stay open."""
        connection = self._connected(upstream)
        with self.server.hangups.watching(self.connection, lambda: shut(connection)):
            self._send(connection, upstream, request, target, body)
            interim = self.wfile.write if request.is_http_1_1 else None
            response = answered_with_interim(connection, interim)
            if attempt is not None:
                attempt.answered(
                    response.status, {name.lower(): value for name, value in response.headers.items()}
                )
            relay_response(response, self.wfile, attempt, with_chunks=request.is_http_1_1)
            # Frees the connection for the next request; a body read by `read1` does not.
            response.close()
        if attempt is not None:
            attempt.end(complete=True)
        if response.will_close:
            self._disconnect()
        return not response.will_close

    def _prefix(self, request: ClientRequest) -> str | None:
        target = request.target
        for prefix in self.server.routes:
            if not prefix or target == prefix or target.startswith((prefix + "/", prefix + "?")):
                return prefix
        return None

    def _route(self, request: ClientRequest) -> tuple[str, Upstream]:
        """Return the target that the upstream is called with, and the upstream."""
        prefix = self._prefix(request)
        if prefix is None:
            known = " or ".join(sorted(self.server.routes))
            raise RequestError(404, f"tokenprof proxy has no upstream for this path; begin it with {known}.")
        rest = request.target[len(prefix) :]
        return rest if rest.startswith("/") else f"/{rest}", self.server.routes[prefix]

    def _refuse(self, error: RequestError, provider: str) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write(answer_of(error, provider))
            self.connection.shutdown(socket.SHUT_WR)
            # Closing with unread bytes would reset the connection and take the answer with it.
            deadline = time.monotonic() + _LINGER_S
            self.connection.settimeout(_LINGER_S)
            unread = 0
            while unread < _MOST_LINGERED_BYTES and time.monotonic() < deadline:
                data = self.connection.recv(65536)
                if not data:
                    return
                unread += len(data)

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

    def _send(
        self,
        connection: HTTPConnection,
        upstream: Upstream,
        request: ClientRequest,
        target: str,
        body: bytes | None,
    ) -> None:
        connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        named = {name.strip().lower() for name in request.value("connection").split(",")}
        for name, value in request.headers:
            if name.lower() == "host":
                connection.putheader(name, upstream.authority)
            elif name.lower() not in (HOP_BY_HOP | named) - _ALWAYS_SENT | {"expect"}:
                connection.putheader(name, value.encode("latin-1"))
        if body is not None and not request.values("content-length"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)

    def _disconnect(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None


_ALWAYS_SENT = frozenset({"content-length", "host"})
"""What a Connection header cannot take off: without its length, a body would become a second request."""


def allow_many_connections() -> None:
    """Raise this process's soft limit of descriptors; a call in flight takes two. Children inherit it."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _to_standard_error(sentence: str) -> None:
    print(f"tokenprof proxy: {sentence}", file=sys.stderr, flush=True)  # noqa: T201 - the command's own voice

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
from email.message import Message
from http.client import HTTPConnection, HTTPException
from io import BufferedReader
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Any

from tokenprof.facts.errors import InputError
from tokenprof.facts.inert_text import printable
from tokenprof.facts.secrets.masks import masked_text
from tokenprof.proxy.admission import require_admitted
from tokenprof.proxy.clients import Clients, ConnectedClient, Patience
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

_TLS_HANDSHAKE = b"\x16"
_LINGER_S = 2.0
_MOST_LINGERED_BYTES = 2**22
_PAUSE_WITHOUT_ROOM_S = 0.05
_TRIES_TO_START_A_THREAD = 100
_BETWEEN_LOOKS_AT_CLIENTS_S = 1.0


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
        patience: Patience | None = None,
    ):
        self._server = _ProxyServer(("127.0.0.1", port), _Connection)
        self._server.routes = dict(sorted(routes.items(), key=lambda route: -len(route[0])))
        self._server.observer = observer
        self._server.notice = notice or _to_standard_error
        self._server.hangups = Hangups()
        self._server.clients = Clients(patience or Patience())
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
        """Stop taking requests; those that are being answered are passed on to their end."""
        self._server.shutdown()
        self._server.server_close()
        self._server.clients.close()
        self._server.hangups.close()


class _ProxyServer(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    routes: Routes
    observer: Observer
    notice: Callable[[str], None]
    hangups: Hangups
    clients: Clients
    _said_full = False
    _looked_at_clients_s = 0.0

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; if there is no room for it, let go of a client that does not do its part."""
        if not self.clients.has_room() and not self._has_made_room():
            raise OSError(errno.EMFILE, "no room for another client")
        try:
            connection, address = super().get_request()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._has_made_room()
            raise
        self.clients.enter(connection)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a client on a thread of its own, as soon as this process may start one."""
        for _ in range(_TRIES_TO_START_A_THREAD):
            try:
                return super().process_request(request, client_address)
            except RuntimeError:
                self._has_made_room()
        raise ConnectionError

    def service_actions(self) -> None:
        """Hang up on clients that take too long. The server calls this while it waits for connections."""
        now = time.monotonic()
        if now - self._looked_at_clients_s > _BETWEEN_LOOKS_AT_CLIENTS_S:
            self._looked_at_clients_s = now
            self.clients.end_overdue()

    def shutdown_request(self, request: Any) -> None:
        """Close a client's connection."""
        self.clients.leave(request)
        super().shutdown_request(request)

    def _has_made_room(self) -> bool:
        """Hang up on the client that can best be spared; without one, wait for a moment."""
        if not self._said_full:
            self._said_full = True
            self.notice("too many connections for this process; raise `ulimit -n`")
        if self.clients.make_room():
            return True
        time.sleep(_PAUSE_WITHOUT_ROOM_S)
        return False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that goes away; name any other error, without its text, which may quote a key."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.notice(f"a connection ended with {type(error).__name__}")


class _Connection(StreamRequestHandler):
    """One client connection."""

    disable_nagle_algorithm = True
    server: _ProxyServer
    rfile: BufferedReader
    _client: ConnectedClient
    _upstream: HTTPConnection | None = None
    _at: Upstream | None = None

    def handle(self) -> None:
        """Pass requests on until one side closes the connection."""
        request: ClientRequest | None = None
        self._client = self.server.clients.of(self.connection)
        try:
            while (request := self._next_request()) is not None:
                require_admitted(request)
                if not self._pass_on(request):
                    return
                request = None
        except RequestError as error:
            self._refuse(error, provider_of(request, self._prefix(request) or "") if request else "")

    def _next_request(self) -> ClientRequest | None:
        patience = self.server.clients.patience
        self._client.wait_for(patience.idle)
        if self.rfile.peek(1)[:1] == _TLS_HANDSHAKE:
            # What follows need not hold the end of a line, and both sides would wait.
            raise RequestError(400, "tokenprof proxy speaks plain HTTP; begin its address with http://.")
        self._client.wait_for(patience.head)
        return read_request(self.rfile)

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
            self._client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._client.wait_for(self.server.clients.patience.body)
        body = request_body(self.rfile, request)
        self._client.wait_for(None)
        if self.server.clients.is_closed:
            return False
        self.server.observer.require_budget(request.method, target, body or b"")
        headers = request.by_lower_name()
        attempt = self.server.observer.begin(request.method, target, headers, body or b"", upstream.host)
        try:
            return self._exchange(request, upstream, target, body, attempt) and request.keeps_alive
        except Exception as error:
            # No answer, or half of one: the client's connection ends where the upstream's did.
            self._disconnect()
            if attempt is not None:
                attempt.end(failure=type(error).__name__)
            if isinstance(error, OSError | HTTPException):
                return False
            raise

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
            is_sent = self._send(connection, upstream, request, target, body)
            interim = self._client.write if request.is_http_1_1 else None
            response = answered_with_interim(connection, interim)
            response.will_close = response.will_close or not is_sent
            if attempt is not None:
                attempt.answered(response.status, _by_lower_name(response.headers))
            relay_response(response, self._client, attempt, with_chunks=request.is_http_1_1)
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
            self._client.write(answer_of(error, provider))
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
        except (OSError, ValueError, InputError) as error:
            # The words of an HTTP proxy in between are in it.
            why = printable(masked_text(str(error)))
            self.server.notice(f"cannot reach {upstream.scheme}://{upstream.authority}: {why}")
            raise ConnectionError from None
        return self._upstream

    def _send(
        self,
        connection: HTTPConnection,
        upstream: Upstream,
        request: ClientRequest,
        target: str,
        body: bytes | None,
    ) -> bool:
        """Send a request; return False if the upstream closed before it had read it whole."""
        connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        named = {name.strip().lower() for name in request.value("connection").split(",")}
        for name, value in request.headers:
            if name.lower() == "host":
                connection.putheader(name, upstream.authority)
            elif name.lower() not in (HOP_BY_HOP | named) - _ALWAYS_SENT | {"expect"}:
                connection.putheader(name, value.encode("latin-1"))
        if body is not None and not request.values("content-length"):
            connection.putheader("Content-Length", str(len(body)))
        try:
            connection.endheaders(body)
        except OSError:
            # It may have answered before that, with the reason.
            return False
        return True

    def _disconnect(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None


def _by_lower_name(headers: Message) -> dict[str, str]:
    """Return headers by their names in lower case; repeated ones are lists, as of content codings."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        before = found.get(name.lower())
        found[name.lower()] = value if before is None else f"{before}, {value}"
    return found


_ALWAYS_SENT = frozenset({"content-length", "host"})
"""What a Connection header cannot take off: without its length, a body would become a second request."""


def _to_standard_error(sentence: str) -> None:
    print(f"tokenprof proxy: {sentence}", file=sys.stderr, flush=True)  # noqa: T201 - the command's own voice

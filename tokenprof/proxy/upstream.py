"""The provider behind the proxy: where it is, and a connection to it with its certificate verified."""

from __future__ import annotations

import re
import selectors
import socket
import ssl
import urllib.request
from base64 import b64encode
from functools import cache
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import unquote, urlsplit

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError

CONNECT_TIMEOUT_S = 60.0
KEEP_ALIVE_EVERY_S = 60


@frozen
class Upstream:
    """An origin that requests are passed on to, and the path at which its API starts (no trailing slash)."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def authority(self) -> str:
        """The value of the Host header: with the port unless it is the default of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


_DEFAULT_PORTS = {"http": 80, "https": 443}

_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.DefaultSelector)
"""Unlike `select`, it has no highest descriptor, and unlike `epoll`, it needs none of its own."""


def upstream_at(url: str) -> Upstream:
    """Return the upstream that a base address names. Raises InputError if it is not an http(s) address."""
    shown = _without_secrets(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InputError(f"{shown!r} is not an address; write it like https://api.example.com.") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise InputError(f"{shown!r} is not an http or https address; write it like https://api.example.com.")
    return Upstream(
        parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme], parts.path.rstrip("/")
    )


def _without_secrets(url: str) -> str:
    """Return an address without its user, password and query, for a message."""
    scheme, separator, rest = re.split(r"[?#]", url, maxsplit=1)[0].rpartition("://")
    # A password may hold any character, so nothing before the last @ is shown.
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def connect(upstream: Upstream) -> HTTPConnection:
    """Open a connection, through the HTTP proxy that the environment names for this host, if any.

    Raises OSError if the upstream cannot be reached, and its subclass `ssl.SSLError` if it has no certificate
    that this machine trusts (`SSL_CERT_FILE` adds one).
    """
    via = _environment_proxy(upstream)
    first = via or upstream
    if upstream.scheme == "https":
        connection: HTTPConnection = HTTPSConnection(
            first.host, first.port, timeout=CONNECT_TIMEOUT_S, context=_tls()
        )
    else:
        connection = HTTPConnection(first.host, first.port, timeout=CONNECT_TIMEOUT_S)
    if via is not None:
        connection.set_tunnel(upstream.host, upstream.port, headers=_proxy_credentials(upstream))
    connection.connect()
    # The client decides how long an answer may take: when it hangs up, so do we.
    connection.sock.settimeout(None)
    _keep_alive(connection.sock)
    return connection


def _keep_alive(upstream: socket.socket) -> None:
    """Have the system ask now and then whether the other end is still there.

    Routers forget connections on which nothing passes while a model thinks. SDKs ask too, but of the proxy.
    """
    upstream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL"):
        if hasattr(socket, name):
            upstream.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), KEEP_ALIVE_EVERY_S)


def is_stale(connection: HTTPConnection) -> bool:
    """Whether the upstream has closed an idle connection, or sent something unasked."""
    if connection.sock is None:
        return True
    with _Selector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _proxy_url(upstream: Upstream) -> str | None:
    if urllib.request.proxy_bypass(upstream.host):
        return None
    named = urllib.request.getproxies()
    for_all = named.get("all", "")
    # Of other schemes, such as socks5, only some clients know any.
    return named.get(upstream.scheme) or (for_all if for_all.startswith("http") else None)


def _environment_proxy(upstream: Upstream) -> Upstream | None:
    url = _proxy_url(upstream)
    if not url:
        return None
    return upstream_at(url if "://" in url else f"http://{url}")


def _proxy_credentials(upstream: Upstream) -> dict[str, str]:
    parts = urlsplit(_proxy_url(upstream) or "")
    if not parts.username:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}

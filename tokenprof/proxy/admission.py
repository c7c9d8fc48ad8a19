"""Who may use the proxy: programs on this machine that mean to, and no web page.

The proxy listens on the loopback interface, but a browser on the same machine reaches that too. A page may
send requests to 127.0.0.1, or make a name of its own resolve to it (DNS rebinding). Either shows in the
headers that browsers add and pages cannot change.
"""

from __future__ import annotations

import re

from tokenprof.proxy.request import ClientRequest, RequestError

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+)(?::[0-9]{1,5})?")
_NOT_PASSED_ON = ("CONNECT", "TRACE")


def require_admitted(request: ClientRequest) -> None:
    """Raise RequestError for a request that is not from a program on this machine, or not to this proxy."""
    if request.method in _NOT_PASSED_ON:
        raise RequestError(405, "tokenprof proxy opens no tunnels: it is the address of an API.")
    if not request.target.startswith("/"):
        raise RequestError(
            400, "tokenprof proxy is not a forward proxy: use it as the base address of the API instead."
        )
    hosts = request.values("host")
    if len(hosts) != 1 or not _is_loopback(hosts[0]):
        raise RequestError(403, "tokenprof proxy answers only to 127.0.0.1 and localhost; call it by these.")
    origins = request.values("origin")
    if any(not _is_loopback(origin.partition("://")[2]) for origin in origins):
        raise _from_web_page()
    if not origins and request.value("sec-fetch-site").lower() in ("cross-site", "same-site"):
        raise _from_web_page()


def _from_web_page() -> RequestError:
    return RequestError(403, "tokenprof proxy takes no requests from web pages of other origins.")


def _is_loopback(authority: str) -> bool:
    parsed = _HOST.fullmatch(authority)
    return parsed is not None and parsed[1].lower() in LOOPBACK_NAMES

"""The calls that are being made here, and whether a request is a part of one or a call of its own.

One watched library sends its requests through another, and each call counts once. But what runs inside a
call need not belong to it: signal handlers, finalisers, hooks of the client, trace functions and tasks that
inherited the context make calls of their own. So a request is a part of a call only if it is the same one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any
from weakref import ref


class CallInProgress:
    """A call that a library is making. Its frame holds it, so it is gone with it, wherever that ended.

    `client` is the library and `request` its object for the request. `may_send` says whether bytes that
    another library is about to send can be those of this call. `separate` are the requests inside it that
    were calls of their own.
    """

    __slots__ = ("__weakref__", "_may_send", "_parts", "_request", "client", "separate")

    def __init__(self, client: str, request: object, may_send: Callable[[bytes], bool]) -> None:
        self.client = client
        self._request = request
        self._may_send = may_send
        self._parts: dict[str, object] = {}
        self.separate: list[object] = []

    def has_part(self, client: str, request: object, body: Callable[[], bytes | None]) -> bool:
        """Whether a request that begins inside this call is a part of it: one for each library below."""
        if client == self.client:
            is_part = request is self._request
        elif client in self._parts:
            is_part = request is self._parts[client]
        else:
            sent = body()
            is_part = sent is None or self._may_send(sent)
            if is_part:
                self._parts[client] = request
        if not is_part:
            self.separate.append(request)
        return is_part

    def mistaken_parts(self, response: Any) -> int | None:
        """Return None if the answer to this call was not recorded as that of another one.

        If it was, return how many calls were taken for a part of this one instead. A response that does not
        say which request it answers shows nothing.
        """
        answered = getattr(getattr(response, "http_response", response), "request", None)
        return len(self._parts) if any(answered is request for request in self.separate) else None


_innermost: ContextVar[ref[CallInProgress] | None] = ContextVar("tokenprof_call_in_progress", default=None)


def call_here() -> CallInProgress | None:
    """Return the call that is being made here."""
    mark = _innermost.get()
    return mark() if mark is not None else None


def is_part_of_a_call(client: str, request: object, body: Callable[[], bytes | None]) -> bool:
    """Whether a request is a part of the call that is being made here.

    `body` returns the bytes of the request, or None if they cannot be known; it is called only inside a call.
    """
    call = call_here()
    return call is not None and call.has_part(client, request, body)


def enter(call: CallInProgress) -> Token[ref[CallInProgress] | None]:
    """Look for the requests that are made from here on in a call. Returns what `leave` needs."""
    return _innermost.set(ref(call))


def leave(token: Token[ref[CallInProgress] | None]) -> None:
    """Look for requests in the call that was being made before `enter` again."""
    # A framework may continue the call in a different context from the one it began in.
    try:  # noqa: SIM105 - `suppress` takes as long as everything else here
        _innermost.reset(token)
    except ValueError:
        pass

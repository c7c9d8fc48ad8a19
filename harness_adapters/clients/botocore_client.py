"""Model calls of `boto3` and whatever else sends them through `botocore`: Bedrock's Converse and InvokeModel.

Calls of `aiobotocore` go through `aiohttp` or `httpx` and are seen there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import botocore.httpsession
from botocore.awsrequest import AWSResponse
from urllib3 import HTTPHeaderDict, HTTPResponse

from tokenprof.facts.provider_errors import ProviderError
from tokenprof.harness_adapters.clients.calls_in_progress import CallInProgress
from tokenprof.harness_adapters.clients.host_calls import (
    HeldCall,
    begin,
    begun,
    call_through,
    guarded,
    held_call,
)
from tokenprof.harness_adapters.clients.patched_methods import PatchedMethods, is_marked, marked
from tokenprof.harness_adapters.clients.watched_body import StandIn
from tokenprof.record.attempt import Attempt
from tokenprof.record.background.host_interrupts import raise_if_the_hosts
from tokenprof.record.wires import wire_of


def wrap(client: Any) -> Any:
    """Return the same `boto3` client, with its model calls observed.

    Raises TypeError for any other client.
    """
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    if not isinstance(session, botocore.httpsession.URLLib3Session):
        raise TypeError(
            f"tokenprof.wrap knows the clients of boto3, not {type(client).__module__}."
            f"{type(client).__qualname__}."
        )
    if not is_marked(vars(session).get("send")):
        send = session.send
        session.send = marked(lambda request: _observed_send(send, request), send)
    return client


def wrap_new_clients() -> Callable[[], None]:
    """Observe the model calls of all clients, old and new. Return what undoes it; profiles may overlap."""
    return _patched.apply()


def _observed(send: Any) -> Any:
    def observed_send(self: Any, request: Any) -> Any:
        return _observed_send(send.__get__(self), request)

    return marked(observed_send, send)


_patched = PatchedMethods(lambda: [(botocore.httpsession.URLLib3Session, "send", _observed)])


def _observed_send(send: Callable[[Any], Any], request: Any) -> Any:
    held = _held(request)
    if held is not None and (refusal := held.settled_refusal()) is not None:
        return _refused(request, refusal)
    attempt = _begin(request)
    if attempt is None:
        return send(request)
    call = CallInProgress("botocore", request, attempt.exchange.request.__eq__)
    response = call_through(attempt, call, lambda: send(request))
    _observe(attempt, response)
    return response


def _held(request: Any) -> HeldCall | None:
    """Return a call that a hard budget may refuse, else None. Never raises."""
    try:
        path = urlsplit(request.url).path
        return held_call("botocore", request, request.method, path, lambda: _bytes(request.body))
    except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
        raise_if_the_hosts(error)
        return None


def _refused(request: Any, refusal: ProviderError) -> AWSResponse:
    raw = HTTPResponse(
        BytesIO(refusal.body), HTTPHeaderDict(refusal.headers), refusal.status, preload_content=False
    )
    return AWSResponse(request.url, refusal.status, raw.headers, raw)


def _begin(request: Any) -> Attempt | None:
    """Begin an attempt if a request is a model call, else return None. Never raises."""
    try:
        url = urlsplit(request.url)
        method, path, host = request.method, url.path, url.hostname or ""
    except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
        raise_if_the_hosts(error)
        return None

    def begin_it() -> Attempt | None:
        if wire_of(method, path) is None:
            return None
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        body = lambda: _bytes(request.body)  # noqa: E731
        return begin("botocore", method, path, headers, body, host, request=request)

    return begun(begin_it, "botocore", method, path)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes | None:
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else None


def _observe(attempt: Attempt, response: Any) -> None:
    """Note a response, at once if its body has been read, else as the host reads it. Never raises."""
    try:
        attempt.answered(response.status_code, response.headers, is_decoded=False)
        if response._content is not None:
            attempt.whole(response._content)
            return
        response.raw = ObservedBody(response.raw, attempt)
    except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
        guarded(attempt, attempt.lost, error)
        raise_if_the_hosts(error)


class ObservedBody(StandIn):
    """Replaces `urllib3`'s response and shows each piece that is read to an attempt."""

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        """Yield the body in pieces."""
        return self._passing(self._inner.stream(*args, **kwargs))

    def __iter__(self) -> Iterator[bytes]:
        return self._passing(iter(self._inner))

    def read(self, amt: int | None = None, *args: Any, **kwargs: Any) -> bytes:
        """Read up to `amt` bytes, or everything without it."""
        data: bytes = self._reading(lambda: self._inner.read(amt, *args, **kwargs))
        self._passed(data, is_last=amt is None or amt < 0 or (not data and amt > 0))
        return data

    def read1(self, *args: Any, **kwargs: Any) -> bytes:
        """Read what is there."""
        data: bytes = self._reading(lambda: self._inner.read1(*args, **kwargs))
        self._passed(data, is_last=not data)
        return data

    def readinto(self, buffer: Any) -> int:
        """Read as much as fits into a buffer."""
        count: int = self._reading(lambda: self._inner.readinto(buffer))
        self._passed(bytes(memoryview(buffer)[:count]), is_last=not count and len(buffer) > 0)
        return count

    def readline(self, *args: Any) -> bytes:
        """Read a line."""
        data: bytes = self._reading(lambda: self._inner.readline(*args))
        self._passed(data, is_last=not data)
        return data

    def readlines(self, *args: Any) -> list[bytes]:
        """Read all lines."""
        lines: list[bytes] = self._reading(lambda: self._inner.readlines(*args))
        self._passed(b"".join(lines), is_last=not args)
        return lines

    def close(self) -> None:
        """Release the rest."""
        try:
            self._inner.close()
        finally:
            self._ended()

    def __enter__(self) -> ObservedBody:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _reading(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except BaseException as error:
            self._broke(error)
            raise

    def _passing(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        try:
            for piece in pieces:
                self._took(piece)
                yield piece
        except BaseException as error:
            self._broke(error)
            raise
        self._ended(complete=True)

    def _passed(self, data: bytes, *, is_last: bool) -> None:
        if data:
            self._took(data)
        if is_last or getattr(self._inner, "length_remaining", None) == 0:
            self._ended(complete=True)

"""Model calls through `aiohttp`: google-genai's asynchronous ones, aiobotocore's, hand-written ones.

A call that `httpx` makes over `aiohttp`, as LiteLLM's do, is seen once, at `httpx`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import aiohttp
import orjson
from multidict import CIMultiDict, CIMultiDictProxy

from tokenprof.facts.provider_errors import ProviderError
from tokenprof.harness_adapters.clients.calls_in_progress import CallInProgress
from tokenprof.harness_adapters.clients.host_calls import (
    HeldCall,
    begin,
    begun,
    call_through_async,
    guarded,
    held_call,
)
from tokenprof.harness_adapters.clients.patched_methods import PatchedMethods, is_marked, marked
from tokenprof.harness_adapters.clients.watched_body import StandIn
from tokenprof.record.attempt import Attempt
from tokenprof.record.background.host_interrupts import raise_if_the_hosts
from tokenprof.record.wires import wire_of

Read = TypeVar("Read")


def wrap(client: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """Return the same session, with its model calls observed."""
    if not is_marked(vars(client).get("_request")):
        request = client._request

        async def observed_request(*args: Any, **kwargs: Any) -> aiohttp.ClientResponse:
            return await _observed_request(client, request, args, kwargs)

        # In Python's development mode, a session warns about attributes that are set on it.
        object.__setattr__(client, "_request", marked(observed_request, request))
    return client


def wrap_new_clients() -> Callable[[], None]:
    """Observe the model calls of all sessions, old and new. Return what undoes it; profiles may overlap."""
    return _patched.apply()


def _observed(request: Any) -> Any:
    async def observed_request(self: Any, *args: Any, **kwargs: Any) -> aiohttp.ClientResponse:
        return await _observed_request(self, request.__get__(self), args, kwargs)

    return marked(observed_request, request)


_patched = PatchedMethods(lambda: [(aiohttp.ClientSession, "_request", _observed)])


async def _observed_request(
    session: aiohttp.ClientSession,
    request: Callable[..., Awaitable[aiohttp.ClientResponse]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> aiohttp.ClientResponse:
    held = _held(args, kwargs)
    if held is not None and (refusal := await held.settled_refusal_async()) is not None:
        raise _refused(session, args, kwargs, refusal)
    attempt = _begin(session, args, kwargs)
    if attempt is None:
        return await request(*args, **kwargs)
    call = CallInProgress("aiohttp", _sent(kwargs), attempt.exchange.request.__eq__)
    response = await call_through_async(attempt, call, lambda: request(*args, **kwargs))
    _observe(attempt, response, session, kwargs)
    return response


def _held(args: tuple[Any, ...], kwargs: dict[str, Any]) -> HeldCall | None:
    """Return a call that a hard budget may refuse, else None. Never raises."""
    try:
        method, url = (*args, *(kwargs[name] for name in ("method", "str_or_url")[len(args) :]))
        path = str(url).partition("?")[0]
        return held_call("aiohttp", _sent(kwargs), method.upper(), path, lambda: _body(kwargs))
    except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
        raise_if_the_hosts(error)
        return None


def _refused(
    session: aiohttp.ClientSession, args: tuple[Any, ...], kwargs: dict[str, Any], refusal: ProviderError
) -> aiohttp.ClientResponseError:
    """Return the error that `raise_for_status` raises; a response cannot be made without a connection."""
    method, url = (*args, *(kwargs[name] for name in ("method", "str_or_url")[len(args) :]))
    built = session._build_url(url)
    about = aiohttp.RequestInfo(built, method.upper(), CIMultiDictProxy(CIMultiDict()), built)
    return aiohttp.ClientResponseError(
        about,
        (),
        status=refusal.status,
        message=refusal.body.decode(),
        headers=CIMultiDict(refusal.headers),
    )


def _begin(session: aiohttp.ClientSession, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Attempt | None:
    """Begin an attempt if a request is a model call, else return None. Never raises."""
    try:
        method, url = (*args, *(kwargs[name] for name in ("method", "str_or_url")[len(args) :]))
        method, url = method.upper(), str(url)
    except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
        raise_if_the_hosts(error)
        return None

    def begin_it() -> Attempt | None:
        if wire_of(method, url) is None:
            return None
        headers = session._prepare_headers(kwargs.get("headers"))
        built = session._build_url(url)
        host, sent = built.host or "", _sent(kwargs)
        return begin("aiohttp", method, built.path, headers, lambda: _body(kwargs), host, request=sent)

    return begun(begin_it, "aiohttp", method, url)


def _sent(kwargs: Mapping[str, Any]) -> object:
    """Return the host's object for what is sent: a session passes it on, and makes no other for a request."""
    return kwargs.get("json") if kwargs.get("data") is None else kwargs["data"]


def _body(kwargs: Mapping[str, Any]) -> bytes | None:
    data = kwargs.get("data")
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    return orjson.dumps(kwargs["json"]) if data is None and kwargs.get("json") is not None else None


def _observe(
    attempt: Attempt,
    response: aiohttp.ClientResponse,
    session: aiohttp.ClientSession,
    kwargs: Mapping[str, Any],
) -> None:
    """Note a response as the host reads it. Never raises."""
    try:
        asked = kwargs.get("auto_decompress")
        is_decoded = session.auto_decompress if asked is None else asked
        attempt.answered(response.status, response.headers, is_decoded=is_decoded)
        if response._body is not None:
            attempt.whole(response._body)
            return
        response.content = ObservedContent(response.content, attempt)  # type: ignore[assignment]
    except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
        guarded(attempt, attempt.lost, error)
        raise_if_the_hosts(error)


class ObservedContent(StandIn):
    """Replaces a response's `StreamReader` and shows each piece that is read to an attempt."""

    async def read(self, n: int = -1) -> bytes:
        """Read up to `n` bytes, or everything if `n` is -1."""
        return self._passed(await self._reading(self._inner.read(n)))

    async def readany(self) -> bytes:
        """Read what is there."""
        return self._passed(await self._reading(self._inner.readany()))

    async def readexactly(self, n: int) -> bytes:
        """Read `n` bytes."""
        return self._passed(await self._reading(self._inner.readexactly(n)))

    async def readline(self, **limits: Any) -> bytes:
        """Read a line."""
        return self._passed(await self._reading(self._inner.readline(**limits)))

    async def readuntil(self, separator: bytes = b"\n", **limits: Any) -> bytes:
        """Read up to a separator."""
        return self._passed(await self._reading(self._inner.readuntil(separator, **limits)))

    async def readchunk(self) -> tuple[bytes, bool]:
        """Read what is there, and whether it ends a chunk of the transfer."""
        data, ends = await self._reading(self._inner.readchunk())
        return self._passed(data), ends

    def read_nowait(self, n: int = -1) -> bytes:
        """Read up to `n` bytes of what is there."""
        return self._passed(self._inner.read_nowait(n))

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _until_empty(self.readline)

    def iter_chunked(self, n: int) -> AsyncIterator[bytes]:
        """Yield pieces of up to `n` bytes."""
        return _until_empty(lambda: self.read(n))

    def iter_any(self) -> AsyncIterator[bytes]:
        """Yield what is there, as it comes."""
        return _until_empty(self.readany)

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        """Yield what is there, and whether it ends a chunk of the transfer."""
        while (piece := await self.readchunk()) != (b"", False):
            yield piece

    def set_exception(self, *args: Any, **kwargs: Any) -> None:
        """Make further reads fail, as `aiohttp` does when a response is released."""
        self._inner.set_exception(*args, **kwargs)
        self._ended()

    async def _reading(self, reading: Awaitable[Read]) -> Read:
        try:
            return await reading
        except asyncio.CancelledError:
            # A reader may give up waiting and ask again.
            raise
        except BaseException as error:
            self._broke(error)
            raise

    def _passed(self, data: bytes) -> bytes:
        if data:
            self._took(data)
        if self._inner.at_eof():
            self._ended(complete=True)
        return data


async def _until_empty(read: Callable[[], Awaitable[bytes]]) -> AsyncIterator[bytes]:
    while data := await read():
        yield data

"""Model calls of the host's own process: recognises a request that begins one, and counts none twice.

This is the same for every library; the module of the library notes the answer as the host reads it. Nothing
that goes wrong here may reach the host: `begun`, `call_through` and `guarded` are the border, and what fails
inside it is noted in the recording as a call that is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import ref

from tokenprof.facts.provider_errors import ProviderError, over_budget_error
from tokenprof.record import session
from tokenprof.record.attempt import Attempt
from tokenprof.record.background.harmless_log import log
from tokenprof.record.background.host_interrupts import raise_if_the_hosts
from tokenprof.record.exchange import Exchange, attempt_of_headers
from tokenprof.record.recorder import SETTLE_STEP_S, Recorder
from tokenprof.record.session import active_recorder, current_agent, current_tags
from tokenprof.record.span import start_span
from tokenprof.record.wires import interpreter_of, wire_of

Answer = TypeVar("Answer")


class _Mark:
    """Held by the frame that makes a call, so that it is gone with it, wherever that was interrupted."""

    __slots__ = ("__weakref__",)


_inside: ContextVar[ref[_Mark] | None] = ContextVar("tokenprof_inside_a_seen_call", default=None)


def _is_inside() -> bool:
    mark = _inside.get()
    return mark is not None and mark() is not None


def begin(
    client: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: Callable[[], bytes | None],
    host: str = "",
) -> Attempt | None:
    """Return the attempt that a request begins; None if it is not a model call, or is seen elsewhere.

    `client` is the library, `host` the server. The names in `headers` are in lower case. `body` is
    called only for model calls; it returns None if the bytes cannot be known.
    """
    wire = wire_of(method, path)
    if wire is None or _is_inside():
        return None
    request = body()
    if request is None:
        return None
    call, retries_taken = attempt_of_headers(headers)
    exchange = Exchange(
        interpret=interpreter_of(wire),
        provider=wire.provider,
        request=request,
        started_ns=time.time_ns(),
        call=call,
        target=path,
        client=client,
        host=host,
        retries_taken=retries_taken,
        agent=current_agent(),
        tags=current_tags(),
    )
    return attempt_at(exchange, "")


def attempt_at(exchange: Exchange, model: str) -> Attempt | None:
    """Return the attempt of an exchange that has begun here; None if nothing records it."""
    recorder = active_recorder()
    start_span(exchange, model)
    if recorder is None and session.is_unassigned():
        for each in session.open_recorders():
            each.note_loss("", exchange, "unassigned")
    if recorder is None and exchange.span is None:
        return None
    return Attempt(exchange, recorder)


@dataclass(frozen=True, slots=True)
class HeldCall:
    """A model call under its owner's hard budget, before it is made."""

    recorder: Recorder
    provider: str
    request_bytes: int | None

    def refusal(self) -> ProviderError | None:
        """Return the provider's error that stands for the call; None if it may be made. Never raises."""
        try:
            gatekeeper = self.recorder.gatekeeper
            sentence = gatekeeper(self.request_bytes) if gatekeeper is not None else None
        except Exception as error:
            log.warning("tokenprof could not check a budget", exc_info=True)
            raise_if_the_hosts(error)
            return None
        return None if sentence is None else over_budget_error(self.provider, sentence)

    def settled_refusal(self) -> ProviderError | None:
        """Return what `refusal` returns, after earlier calls are accounted for."""
        self.recorder.settle()
        return self.refusal()

    async def settled_refusal_async(self) -> ProviderError | None:
        """Return what `settled_refusal` returns, while the event loop goes on."""
        until = time.monotonic() + self.recorder.waits.budget_s
        while not self.recorder.is_settled() and time.monotonic() < until:
            if not await _pause():
                break
        return self.refusal()


async def _pause() -> bool:
    """Wait a moment in the event loop, of whichever kind; returns whether that is possible."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        trio = sys.modules.get("trio")
        if trio is None:
            return False
        await trio.sleep(SETTLE_STEP_S)
        return True
    await asyncio.sleep(SETTLE_STEP_S)
    return True


def held_call(method: str, path: str, request_bytes: Callable[[], int | None]) -> HeldCall | None:
    """Return a model call that its owner's hard budget may refuse; None for any other. Never raises."""
    try:
        recorder = active_recorder()
        if recorder is None or recorder.gatekeeper is None or _is_inside():
            return None
        wire = wire_of(method, path)
        return None if wire is None else HeldCall(recorder, wire.provider, request_bytes())
    except Exception as error:
        log.warning("tokenprof could not check a budget", exc_info=True)
        raise_if_the_hosts(error)
        return None


def begun(begin_it: Callable[[], Attempt | None], client: str, method: str, path: str) -> Attempt | None:
    """Return what `begin_it` returns; None if it raises, which is noted as a loss if it was a model call."""
    try:
        return begin_it()
    except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
        _note_loss(error, client, method, path)
        raise_if_the_hosts(error)
        return None


def _note_loss(error: Exception, client: str, method: str, path: str) -> None:
    try:
        wire = wire_of(method, path)
    except Exception:  # noqa: BLE001 - it may have been a model call
        wire = None
    else:
        if wire is None or _is_inside():
            return
    try:
        exchange = Exchange(
            interpret=_nothing,
            provider=wire.provider if wire else "",
            request=b"",
            started_ns=time.time_ns(),
            call="",
            client=client,
        )
        for recorder in session.open_recorders()[-1:]:
            recorder.note_loss(type(error).__name__, exchange)
    except Exception:
        log.debug("tokenprof could not note a loss", exc_info=True)


def _nothing(exchange: Exchange, shaper: object) -> None:
    """Read nothing: the exchange of a call that could not be observed."""


def guarded(attempt: Attempt, note: Callable[..., None], *args: Any, **kwargs: Any) -> None:
    """Call a method of an attempt. If it raises, the call is noted as lost, and the host goes on."""
    try:
        note(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
        try:
            attempt.lost(error)
        except Exception:
            log.debug("tokenprof could not note a loss", exc_info=True)
        raise_if_the_hosts(error)


def call_through(attempt: Attempt, send: Callable[[], Answer]) -> Answer:
    """Make the host's call. A library below that is watched too leaves it alone."""
    mark = _Mark()
    token = _inside.set(ref(mark))
    try:
        return send()
    except BaseException as error:
        guarded(attempt, attempt.broken, error)
        raise
    finally:
        _leave(token)


async def call_through_async(attempt: Attempt, send: Callable[[], Awaitable[Answer]]) -> Answer:
    """Make the host's call, as `call_through` does."""
    mark = _Mark()
    token = _inside.set(ref(mark))
    try:
        return await send()
    except BaseException as error:
        guarded(attempt, attempt.broken, error)
        raise
    finally:
        _leave(token)


def _leave(token: Token[ref[_Mark] | None]) -> None:
    # A framework may continue the call in a different context from the one it began in.
    with contextlib.suppress(ValueError):
        _inside.reset(token)

"""Model calls of the host's own process: recognises a request that begins one, and counts none twice.

This is the same for every library; the module of the library notes the answer as the host reads it. Nothing
that goes wrong here may reach the host: `begun`, `call_through` and `guarded` are the border, and what fails
inside it is noted in the recording as a call that is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.imported import imported
from tokenprof.facts.provider_errors import ProviderError, over_budget_error
from tokenprof.harness_adapters.clients.calls_in_progress import (
    CallInProgress,
    enter,
    is_part_of_a_call,
    leave,
)
from tokenprof.record import session
from tokenprof.record.attempt import Attempt
from tokenprof.record.background.harmless_log import log
from tokenprof.record.background.host_interrupts import raise_if_the_hosts
from tokenprof.record.background.system_threads import SYSTEM, now_ns
from tokenprof.record.exchange import Exchange, attempt_of_headers
from tokenprof.record.recorder import SETTLE_STEP_S, Recorder
from tokenprof.record.session import active_recorder, current_agent, current_tags
from tokenprof.record.span import start_span
from tokenprof.record.wires import interpreter_of, wire_of

Answer = TypeVar("Answer")

_UNKNOWN_REQUEST = b'{"messages":[]}'
"""Stands for a body that is sent as it is made: its answer still says what is billed."""


def begin(
    client: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: Callable[[], bytes | None],
    host: str = "",
    *,
    request: object,
) -> Attempt | None:
    """Return the attempt that a request begins; None if it is not a model call, or is seen elsewhere.

    `client` is the library, `request` its object for the request, `host` the server. The names in `headers`
    are in lower case. `body` is called only for model calls; it returns None if the bytes cannot be known.
    """
    wire = wire_of(method, path)
    if wire is None or is_part_of_a_call(client, request, body):
        return None
    sent = body()
    call, retries_taken = attempt_of_headers(headers)
    exchange = Exchange(
        interpret=interpreter_of(wire),
        provider=wire.provider,
        request=_UNKNOWN_REQUEST if sent is None else sent,
        started_ns=now_ns(),
        call=call,
        target=path,
        client=client,
        host=host,
        retries_taken=retries_taken,
        agent=current_agent(),
        tags=current_tags(),
    )
    return attempt_at(exchange, "", active_recorder())


def attempt_at(exchange: Exchange, model: str, recorder: Recorder | None) -> Attempt | None:
    """Return the attempt of an exchange that has begun here; None if nothing records it."""
    start_span(exchange, model)
    if recorder is None and session.is_unassigned():
        for each in session.open_recorders():
            each.note_loss("", exchange, "unassigned")
    if recorder is None and exchange.span is None:
        return None
    return Attempt(exchange, recorder)


@frozen
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
        until = SYSTEM.monotonic_s() + self.recorder.waits.budget_s
        while not self.recorder.is_settled() and SYSTEM.monotonic_s() < until:
            if not await _pause():
                break
        return self.refusal()


async def _pause() -> bool:
    """Wait a moment in the event loop, of whichever kind; returns whether that is possible."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        trio = imported("trio")
        if trio is None:
            return False
        await trio.sleep(SETTLE_STEP_S)
        return True
    await asyncio.sleep(SETTLE_STEP_S)
    return True


def held_call(
    client: str, request: object, method: str, path: str, body: Callable[[], bytes | None]
) -> HeldCall | None:
    """Return a model call that its owner's hard budget may refuse; None for any other. Never raises.

    The parameters are those of `begin`.
    """
    try:
        recorder = active_recorder()
        if recorder is None or recorder.gatekeeper is None:
            return None
        wire = wire_of(method, path)
        if wire is None or is_part_of_a_call(client, request, body):
            return None
        return HeldCall(recorder, wire.provider, len(body() or b"") or None)
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
        if wire is None:
            return
    try:
        exchange = Exchange(
            interpret=_nothing,
            provider=wire.provider if wire else "",
            request=b"",
            started_ns=now_ns(),
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


def call_through(attempt: Attempt, call: CallInProgress, send: Callable[[], Answer]) -> Answer:
    """Make the host's call. A library below that is watched too leaves it alone."""
    token = enter(call)
    try:
        response = send()
    except BaseException as error:
        guarded(attempt, attempt.broken, error)
        raise
    finally:
        leave(token)
    if call.separate:
        guarded(attempt, _leave_to_others, attempt, call, response)
    return response


async def call_through_async(
    attempt: Attempt, call: CallInProgress, send: Callable[[], Awaitable[Answer]]
) -> Answer:
    """Make the host's call, as `call_through` does."""
    token = enter(call)
    try:
        response = await send()
    except BaseException as error:
        guarded(attempt, attempt.broken, error)
        raise
    finally:
        leave(token)
    if call.separate:
        guarded(attempt, _leave_to_others, attempt, call, response)
    return response


def _leave_to_others(attempt: Attempt, call: CallInProgress, response: object) -> None:
    """Let go of an attempt whose answer was recorded as that of a request inside it."""
    mistaken = call.mistaken_parts(response)
    if mistaken is not None:
        attempt.exchange.interpret, attempt.exchange.is_guess = _nothing, True
        attempt.recorded_elsewhere(mistaken)

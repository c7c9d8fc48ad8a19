"""Model calls of the host's own process: recognises a request that begins one, and counts none twice.

This is the same for every library; the module of the library notes the answer as the host reads it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from tokenprof.record.attempt import Attempt
from tokenprof.record.exchange import Exchange
from tokenprof.record.retries import Retries
from tokenprof.record.session import active_recorder, current_agent, current_tags
from tokenprof.record.span import start_span
from tokenprof.record.wires import interpreter_of, wire_of

_RETRIES = Retries()
_inside: ContextVar[bool] = ContextVar("tokenprof_inside_a_seen_call", default=False)


def begin(
    method: str, path: str, headers: Mapping[str, str], body: Callable[[], bytes | None]
) -> Attempt | None:
    """Return the attempt that a request begins; None if it is not a model call, or is seen elsewhere.

    The names in `headers` are in lower case. `body` is called only for model calls; it returns None if the
    bytes cannot be known.
    """
    wire = wire_of(method, path)
    if wire is None or _inside.get():
        return None
    request = body()
    if request is None:
        return None
    call, retries_taken = _RETRIES.attempt(request, headers)
    exchange = Exchange(
        interpret=interpreter_of(wire),
        provider=wire.provider,
        request=request,
        started_ns=time.time_ns(),
        call=call,
        target=path,
        retries_taken=retries_taken,
        agent=current_agent(),
        tags=current_tags(),
    )
    recorder = active_recorder()
    start_span(exchange, "")
    if recorder is None and exchange.span is None:
        return None
    return Attempt(exchange, recorder, _RETRIES.ended)


@contextmanager
def seen() -> Iterator[None]:
    """Mark a call as already seen: the HTTP library below an SDK or another library sees it again."""
    token = _inside.set(True)
    try:
        yield
    finally:
        # A framework may continue the call in a different context from the one it began in.
        with suppress(ValueError):
            _inside.reset(token)

"""A copy of what passes through the proxy, handed to the recorder when an exchange has ended."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping

from tokenprof.proxy.coding import decoded
from tokenprof.record.exchange import HEADERS_READ, Call, Exchange
from tokenprof.record.recorder import Recorder
from tokenprof.record.retries import Retries
from tokenprof.record.shape import Shaper
from tokenprof.record.span import start_span
from tokenprof.wires import interpreter_of, wire_of

log = logging.getLogger("tokenprof")

AGENT_HEADER = "x-claude-code-agent-id"
"""Claude Code sends it with the calls of its subagents; their session files have the same id."""


class Copy:
    """What one attempt at a model call looks like as it passes. Nothing here raises into the relay."""

    def __init__(self, exchange: Exchange, retries: Retries, recorder: Recorder):
        self._exchange = exchange
        self._retries = retries
        self._recorder = recorder
        self._chunks: list[bytes] = []
        self._ended = False
        self._lock = threading.Lock()
        self._ticket = recorder.watch(self.end)

    def answered(self, status_code: int, headers: Mapping[str, str]) -> None:
        """Note the head of the response; `headers` by name in lower case."""
        self._exchange.status_code = status_code
        self._exchange.headers = {name: headers[name] for name in HEADERS_READ if name in headers}

    def take(self, chunk: bytes) -> None:
        """Note a chunk of the response's body."""
        if self._exchange.first_byte_ns is None:
            self._exchange.first_byte_ns = time.time_ns()
        self._chunks.append(chunk)

    def end(self, *, complete: bool = False, failure: str | None = None) -> None:
        """Hand over what was seen, once: whole, cut (without a `failure`), or failed."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        exchange = self._exchange
        exchange.ended_ns = time.time_ns()
        exchange.body = b"".join(self._chunks)
        exchange.complete = complete
        exchange.failure = failure
        self._chunks.clear()
        self._retries.ended(exchange)
        self._recorder.unwatch(self._ticket)
        self._recorder.submit(exchange)


class Observer:
    """Makes a copy of each model call that passes, for one recorder."""

    def __init__(self, recorder: Recorder):
        self._recorder = recorder
        self._retries = Retries()

    def begin(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Copy | None:
        """Return the copy to fill; None for what is no model call, or of a kind that no adapter reads.

        Never raises.
        """
        try:
            return self._begin(method, target, headers, body)
        except Exception:
            log.warning("tokenprof could not note a request to %s", target.partition("?")[0], exc_info=True)
            return None

    def _begin(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Copy | None:
        wire = wire_of(method, target)
        if wire is None:
            return None
        interpret = interpreter_of(wire)
        request = decoded(body, headers.get("content-encoding", ""))
        call, retries_taken = self._retries.attempt(request, headers.get("x-stainless-retry-count", ""))
        exchange = Exchange(
            interpret=functools.partial(_read_decoded, interpret),
            provider=wire.provider,
            request=request,
            started_ns=time.time_ns(),
            call=headers.get("idempotency-key") or call,
            target=target.partition("?")[0],
            retries_taken=retries_taken,
            agent=headers.get(AGENT_HEADER),
        )
        start_span(exchange, "")
        return Copy(exchange, self._retries, self._recorder)


def _read_decoded(
    interpret: Callable[[Exchange, Shaper], Call | None], exchange: Exchange, shaper: Shaper
) -> Call | None:
    coding = exchange.headers.get("content-encoding", "")
    exchange.body = decoded(exchange.body, coding)
    exchange.headers = {name: value for name, value in exchange.headers.items() if name != "content-encoding"}
    return interpret(exchange, shaper)

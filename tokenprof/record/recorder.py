"""The recorder: takes exchanges off the caller's thread and writes them as turns.

It cannot disturb the host: exchanges are put on a queue, and one daemon thread interprets, places and writes
them. Whatever goes wrong there is logged to the `tokenprof` logger and counted in `problems`.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
import queue
import secrets
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import orjson

from tokenprof.facts.secret_masks import masked
from tokenprof.facts.times import seconds_between, utc_from_ns
from tokenprof.facts.types import AnswerFacts, Block, Turn, facts_of
from tokenprof.facts.version import __version__
from tokenprof.record import names
from tokenprof.record.block_facts import Shaper
from tokenprof.record.contexts import ContextTracker, Placement
from tokenprof.record.counting import load_vocabularies
from tokenprof.record.exchange import Call, Exchange
from tokenprof.record.otlp import Attribute
from tokenprof.record.span import end_span
from tokenprof.record.stored_context import HeldHistories
from tokenprof.record.turn_codec import TurnEncoder
from tokenprof.record.writer import RunWriter

log = logging.getLogger("tokenprof")

TurnListener = Callable[[Turn, Sequence[Block]], None]
"""Called on the recorder's thread with each finished turn and its whole prompt."""

DRAIN_TIMEOUT_S = 10.0

_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


class Recorder:
    """Records exchanges as OTLP lines of a file (or, without a path, only as spans).

    Raises what `RunWriter` raises if it cannot record to the file.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        tags: Mapping[str, str] | None = None,
        listener: TurnListener | None = None,
        content: bool = False,
        cache_diagnostics: bool = False,
        request_usage: bool = False,
    ) -> None:
        self.path = path
        self.tags = {key: str(value) for key, value in (tags or {}).items()}
        self.content = content
        self.cache_diagnostics = cache_diagnostics
        self.request_usage = request_usage
        self.problems = 0
        self.run_id = secrets.token_hex(8)
        self._listener = listener
        self._writer = RunWriter(path, self._resource(), __version__) if path else None
        self._shaper = Shaper() if path else None
        self._encoder = TurnEncoder(self.tags)
        self._contexts = ContextTracker()
        self._index_of_call: dict[str, int] = {}
        self._held = HeldHistories(self._shaper) if self._shaper else None
        self._recorded: set[str] = set()
        self._answers: dict[str, str] = {}
        self._open: dict[int, Callable[[], None]] = {}
        self._queue: queue.SimpleQueue[Exchange | None] = queue.SimpleQueue()
        self._closed = False
        if path:
            load_vocabularies()
        self._start_thread()
        _recorders.add(self)

    def submit(self, exchange: Exchange) -> None:
        """Hand over a finished exchange; returns at once."""
        self._queue.put(exchange)

    def watch(self, cut: Callable[[], None]) -> int:
        """Note an open stream; `cut` is called if it is still open when the recording ends."""
        ticket = id(cut)
        self._open[ticket] = cut
        return ticket

    def unwatch(self, ticket: int) -> None:
        """Forget a stream that has ended."""
        self._open.pop(ticket, None)

    def response_that_made(self, calls: Iterable[str]) -> str | None:
        """Return the id of the recorded response that made one of these tool calls."""
        return next((self._answers[call] for call in calls if call in self._answers), None)

    def close(self) -> None:
        """Write everything pending, open streams as cut, and stop. It is safe to call twice."""
        if self._closed:
            return
        self._closed = True
        for cut in list(self._open.values()):
            cut()
        self._queue.put(None)
        self._thread.join(DRAIN_TIMEOUT_S)
        if self._writer:
            self._writer.close()

    def _start_thread(self) -> None:
        if self._closed:
            return
        self._queue = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="tokenprof-recorder", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (exchange := self._queue.get()) is not None:
            try:
                self._record(exchange)
            except Exception:
                self.problems += 1
                log.warning("tokenprof could not record a call to %s", exchange.provider, exc_info=True)

    def _record(self, exchange: Exchange) -> None:
        shaper = self._shaper
        if shaper is None:
            end_span(exchange, exchange.interpret(exchange, Shaper(key=b"", count=_no_counts)))
            return
        call = exchange.interpret(exchange, shaper)
        end_span(exchange, call)
        if call is None or call.response_id is None:
            self._write_attempt(exchange, call)
        elif call.response_id not in self._recorded:
            # An SDK and the HTTP library below it may both report a call.
            self._recorded.add(call.response_id)
            self._write_turn(exchange, call)

    def _write_attempt(self, exchange: Exchange, call: Call | None) -> None:
        """A failed attempt: kept, so that retries can be counted, but not a turn."""
        attributes: dict[str, Attribute | None] = {
            names.RECORD: "attempt",
            names.FORMAT: names.RUN_FORMAT,
            names.PROVIDER: exchange.provider,
            names.REQUEST_MODEL: call.requested_model if call else None,
            names.CALL: exchange.call,
            names.ATTEMPTS: exchange.retries_taken + 1,
            names.HTTP_STATUS: exchange.status_code,
            names.ERROR_TYPE: exchange.failure or str(exchange.status_code or "unknown"),
        }
        self._write_span("attempt", exchange, attributes, failed=True)

    def _write_turn(self, exchange: Exchange, call: Call) -> None:
        if self._held is not None:
            call = self._held.completed(call)
        place = self._contexts.place(exchange.span_id, call.prompt, exchange.agent)
        tags = {**self.tags, **exchange.tags}
        turn = turn_of(exchange, call, place, self._index_of_call.get(place.base or ""), tags)
        self._write_span(
            f"chat {call.requested_model}",
            exchange,
            {
                **self._encoder.attributes(turn, None if turn.base is None else place.base),
                **self._attributes_of_exchange(exchange, call),
            },
            failed=call.status == "error",
        )
        self._index_of_call[exchange.span_id] = len(self._index_of_call)
        if self._held is not None:
            self._held.remember(call)
        if self.cache_diagnostics:
            self._answers |= {block.link: turn.id for block in call.output if block.link}
        if self._listener:
            self._listener(turn, call.prompt)

    def _attributes_of_exchange(self, exchange: Exchange, call: Call) -> dict[str, Attribute | None]:
        """Return the attributes of the exchange that are not part of its turn."""
        attributes: dict[str, Attribute | None] = {
            names.RECORD: "turn",
            names.FORMAT: names.RUN_FORMAT,
            names.OPERATION: "chat",
            names.CALL: exchange.call,
            names.HTTP_STATUS: exchange.status_code,
            names.ERROR_TYPE: exchange.failure,
        }
        if self.content and call.content:
            attributes[names.CONTENT_REQUEST] = orjson.dumps(masked(call.content.get("request"))).decode()
            attributes[names.CONTENT_RESPONSE] = orjson.dumps(masked(call.content.get("response"))).decode()
        return attributes

    def _write_span(
        self, name: str, exchange: Exchange, attributes: Mapping[str, Attribute | None], *, failed: bool
    ) -> None:
        if self._writer is None:
            return
        self._writer.write(
            name=name,
            trace_id=exchange.trace_id,
            span_id=exchange.span_id,
            parent_span_id=exchange.parent_span_id,
            started_ns=exchange.started_ns,
            ended_ns=exchange.ended_ns,
            attributes=attributes,
            failed=failed,
        )

    def _resource(self) -> dict[str, Attribute | None]:
        return {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", "tokenprof"),
            names.RUN_ID: self.run_id,
            names.VERSION: __version__,
            names.CONTENT: names.CONTENT_MASKED if self.content else None,
            **{names.TAG_PREFIX + key: value for key, value in self.tags.items()},
        }


def turn_of(
    exchange: Exchange, call: Call, place: Placement, base: int | None, tags: Mapping[str, str]
) -> Turn:
    """Return the turn of an exchange, as a reader of the recording will see it."""
    kept = place.kept if base is not None else 0
    return Turn(
        **facts_of(AnswerFacts, call),
        id=call.response_id or exchange.span_id,
        context=place.context,
        parent=place.parent,
        compacted=place.compacted,
        added=call.prompt[kept:],
        base=base,
        kept=kept,
        provider=exchange.provider,
        started_at=utc_from_ns(exchange.started_ns),
        duration_s=seconds_between(exchange.started_ns, exchange.ended_ns),
        ttft_s=seconds_between(exchange.started_ns, exchange.first_byte_ns),
        agent=exchange.agent,
        attempts=exchange.retries_taken + 1,
        tags=tags,
    )


@functools.cache
def spans_recorder() -> Recorder:
    """Return the process's recorder for calls without a profile: it finishes their spans and writes nothing.

    It is started on first use and drained when the process ends.
    """
    made = Recorder(None)
    atexit.register(made.close)
    return made


def _no_counts(texts: Sequence[str]) -> list[Mapping[str, int]]:
    return [{} for _ in texts]


def _restart_after_fork() -> None:
    for recorder in list(_recorders):
        recorder._start_thread()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_after_fork)


@functools.cache
def recorder_of_spans() -> Recorder:
    """Return the recorder for calls without a profile, which only finishes their spans; drained at exit."""
    made = Recorder(None)
    atexit.register(made.close)
    return made

"""The recorder: takes exchanges off the host's threads, and has them written as turns.

It cannot disturb the host. A finished exchange is put on a queue, and a thread of the recorder reads and
writes it; another one tells the host's listeners and finishes spans. Both are started by the first exchange
of a process, so that a forked child has its own. What goes wrong is logged to the `tokenprof` logger and
written to the recording as a problem.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import secrets
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tokenprof.facts.types import Block, ProblemReason, Turn
from tokenprof.facts.version import __version__
from tokenprof.record import names
from tokenprof.record.background.appended_file import AppendedFile
from tokenprof.record.background.counting import count_tokens, is_counting
from tokenprof.record.background.worker import Worker
from tokenprof.record.block_facts import Shaper
from tokenprof.record.exchange import Call, Exchange, OpenCall, without_prompt
from tokenprof.record.otlp import Attribute, span_line
from tokenprof.record.problem_codec import problem_attributes
from tokenprof.record.span import end_span
from tokenprof.record.turn_log import RecordingSettings, TurnLog

log = logging.getLogger("tokenprof")

TurnListener = Callable[[Turn, Sequence[Block]], None]
"""Called on a thread of the recorder with each finished turn and its whole prompt."""

CLOSE_WAIT_S = 1.8
"""How long the end of a block waits for the recorder; loading the vocabularies is waited for besides."""

SELLER_VARIABLE = "TOKENPROF_SELLER"
"""Names who sells the calls of a recording, if they do not show it."""

LONGEST_LOADING_S = 20.0
MOST_QUEUED_BYTES = 64 * 1024 * 1024
"""From here on prompts are let go before they are read. Their turns keep their usage: no turn is dropped."""

MOST_UNTOLD_TURNS = 10_000
_FIRST_BYTES = 65_536


class Recorder:
    """Records exchanges as OTLP lines of a file (or, without a path, only as spans).

    An existing recording is continued, with a run id of its own. Raises FileExistsError if the file holds
    something else, and OSError if it cannot be opened.
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
        seller: str | None = None,
    ) -> None:
        self.path = path
        self.tags = {key: str(value) for key, value in (tags or {}).items()}
        self.cache_diagnostics = cache_diagnostics
        self.request_usage = request_usage
        self.outer: Recorder | None = None
        self._settings = RecordingSettings(
            self.tags,
            content,
            cache_diagnostics,
            counts_at_once=listener is not None,
            seller=seller or os.environ.get(SELLER_VARIABLE) or None,
        )
        self._listener = listener
        self._to_close = [True]
        if path is not None:
            require_recording(path)
        self._share = _Share(self, None)

    @property
    def run_id(self) -> str:
        """The id of the run that this process writes."""
        return self._share.run_id

    @property
    def problems(self) -> int:
        """How many calls this process could not record."""
        return self._share.problems

    def submit(self, exchange: Exchange) -> None:
        """Hand over a finished exchange; returns at once and never raises."""
        try:
            self._share_here().put(exchange)
        except Exception as error:  # noqa: BLE001 - whatever happens to us, the host goes on
            self.note_loss(type(error).__name__, exchange)

    def watch(self, attempt: OpenCall) -> None:
        """Note a call that has begun; it is cut if it is still open when the recording ends."""
        self._share_here().open[id(attempt)] = attempt

    def unwatch(self, attempt: OpenCall) -> None:
        """Forget a call that has ended."""
        self._share.open.pop(id(attempt), None)

    def note_loss(
        self, error: str, exchange: Exchange | None = None, reason: ProblemReason = "interrupted"
    ) -> None:
        """Have a call that could not be recorded written as a problem. Never raises."""
        with contextlib.suppress(Exception):
            share = self._share
            if share.process != os.getpid() or share.is_closed:
                share = self._share_here()
            share.losses.append((exchange, reason, error))
            share.worker.put(None)

    def response_that_made(self, calls: Iterable[str]) -> str | None:
        """Return the id of the recorded response that made one of these tool calls."""
        turns = self._share.log
        return turns.response_that_made(tuple(calls)) if turns is not None else None

    def end(self) -> None:
        """Begin to end: cut the calls that are still open, and let the worker finish. Does not wait."""
        share = self._share
        if share.process != os.getpid():
            return
        for attempt in share.open.copy().values():
            try:
                attempt.cut()
            except Exception as error:  # noqa: BLE001 - the others still have to be cut
                self.note_loss(type(error).__name__, attempt.exchange)
        share.is_closed = True
        share.worker.finish()

    def close(self, wait_s: float = CLOSE_WAIT_S) -> None:
        """Write everything pending, open calls as cut, and stop. It is safe to call twice.

        Waits up to `wait_s` seconds; what is not written by then is noted in the recording as missing,
        unless the recorder's thread still comes to write it.
        """
        with contextlib.suppress(IndexError):
            self._to_close.pop()
            self.end()
            self._share.wait(time.monotonic() + wait_s)

    def is_ended(self) -> bool:
        """Whether nothing is left to do after `end`."""
        share = self._share
        return share.process != os.getpid() or (share.worker.has_ended() and share.teller.is_idle())

    def is_counting(self) -> bool:
        """Whether the end waits for tokens to be counted."""
        return is_counting()

    def _share_here(self) -> _Share:
        """Return this process's share of the recording; a forked child, or a late call, begins a new one."""
        share = self._share
        if share.process == os.getpid() and not share.is_closed:
            return share
        is_child = share.process != os.getpid()
        self._share = share = _Share(self, share.run_id)
        if is_child:
            self._to_close = [True]
            atexit.register(self.close)
            # A child of multiprocessing leaves without running what atexit knows.
            processes = sys.modules.get("multiprocessing.util")
            if processes is not None:
                processes.Finalize(None, self.close, exitpriority=100)
        return share


class _Share:
    """What one process has of a recording: its queue, its thread, its run."""

    def __init__(self, recorder: Recorder, parent_run: str | None) -> None:
        self.process = os.getpid()
        self.run_id = secrets.token_hex(8)
        self.is_closed = False
        self.problems = 0
        self.open: dict[int, OpenCall] = {}
        self.losses: deque[tuple[Exchange | None, ProblemReason, str]] = deque()
        self.log: TurnLog | None = None
        self._path = recorder.path
        self._settings = recorder._settings
        self._listener = recorder._listener
        self._queued_bytes = 0
        self._resource: dict[str, Attribute | None] = {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", "tokenprof"),
            names.RUN_ID: self.run_id,
            names.PARENT_RUN_ID: parent_run,
            names.VERSION: __version__,
            names.CONTENT: names.CONTENT_MASKED if recorder._settings.content else None,
            **{names.TAG_PREFIX + key: value for key, value in recorder.tags.items()},
        }
        self.worker: Worker[Exchange | None] = Worker(
            "tokenprof-recorder", self._record, self._not_recorded, self._at_end
        )
        # Counting has a thread of its own, because turns must not wait for a tokenizer that is being loaded.
        self.counter: Worker[dict[str, str]] = Worker("tokenprof-counter", self._count, _not_counted)
        self._counted: deque[dict[str, Mapping[str, int]]] = deque()
        self.teller: Worker[Callable[[], None]] = Worker("tokenprof-listener", _call, _not_told)
        if self._path is not None and parent_run is None:
            # The file is opened now, so that the host hears what is wrong with it.
            self.log = TurnLog(self._path, self._resource, self._settings)

    def put(self, exchange: Exchange) -> None:
        """Queue an exchange."""
        size = len(exchange.request) + len(exchange.body)
        if self._queued_bytes + size > MOST_QUEUED_BYTES:
            exchange.request = without_prompt(exchange)
            size = len(exchange.request) + len(exchange.body)
        self._queued_bytes += size
        self.worker.put(exchange)

    def wait(self, until: float) -> None:
        """Wait until everything is written, and told, or the time is over."""
        is_done = self.worker.wait(max(until - time.monotonic(), 0.0))
        longest = time.monotonic() + LONGEST_LOADING_S
        while not is_done and is_counting() and time.monotonic() < longest:
            is_done = self.worker.wait(0.1)
            until = time.monotonic() + CLOSE_WAIT_S
        if not is_done:
            is_done = self.worker.wait(max(until - time.monotonic(), 0.0))
        if not is_done:
            self._note_unfinished()
        self.teller.finish()
        self.teller.wait(max(until - time.monotonic(), 0.0))

    def _record(self, exchange: Exchange | None) -> None:
        if self._path is not None and self.log is None:
            self.log = TurnLog(self._path, self._resource, self._settings)
        turns = self.log
        if turns is not None:
            self._write_losses(turns)
            self._write_counts(turns)
        if exchange is not None:
            self._queued_bytes -= len(exchange.request) + len(exchange.body)
            call, turn, whole = self._read(exchange)
            if exchange.span is not None:
                self._tell(lambda: end_span(exchange, call))
            if turn is not None and whole is not None and self._listener is not None:
                listener, prompt = self._listener, whole.prompt
                self._tell(lambda: listener(turn, prompt))
        if len(self.worker.pending()) <= 1:
            self._queued_bytes = 0
            self._have_counted()

    def _read(self, exchange: Exchange) -> tuple[Call | None, Turn | None, Call | None]:
        if self.log is not None:
            return self.log.record(exchange)
        return exchange.interpret(exchange, Shaper(key=b"", count=_no_counts)), None, None

    def _not_recorded(self, exchange: Exchange | None, error: BaseException) -> None:
        log.warning(
            "tokenprof could not record a call to %s",
            exchange.provider if exchange else "a provider",
            exc_info=error,
        )
        if exchange is None:
            return
        self.losses.append((exchange, "unreadable", type(error).__name__))
        if exchange.span is not None:
            self._tell(lambda: end_span(exchange, None))
        if self.log is not None:
            self._write_losses(self.log)

    def _write_losses(self, turns: TurnLog) -> None:
        while self.losses:
            exchange, reason, error = self.losses[0]
            turns.write_problem(exchange, reason, error)
            self.losses.popleft()
            self.problems += 1

    def _have_counted(self) -> None:
        texts = self.log.take_uncounted() if self.log is not None else {}
        if texts:
            self.counter.put(texts)

    def _count(self, texts: dict[str, str]) -> None:
        self._counted.append(dict(zip(texts, count_tokens(list(texts.values())), strict=True)))
        self.worker.put(None)

    def _write_counts(self, turns: TurnLog) -> None:
        while self._counted:
            turns.write_counts(self._counted.popleft())

    def _finish_counting(self, turns: TurnLog) -> None:
        self._have_counted()
        self.counter.finish()
        self.counter.wait(LONGEST_LOADING_S)
        self._write_counts(turns)

    def _at_end(self) -> None:
        if self.log is None:
            return
        for step in (self._write_losses, self._finish_counting, TurnLog.close):
            try:
                step(self.log)
            except Exception:
                log.warning("tokenprof could not end a recording in order", exc_info=True)

    def _tell(self, told: Callable[[], None]) -> None:
        if len(self.teller.pending()) < MOST_UNTOLD_TURNS:
            self.teller.put(told)

    def _note_unfinished(self) -> None:
        """Note what the worker has not written yet; a reader ignores the note once the call is there."""
        missing = [exchange for exchange in self.worker.pending() if exchange is not None]
        log.warning("tokenprof ends with %d calls that are not written yet", len(missing))
        if self._path is None or not missing:
            return
        lines = [
            span_line(
                self._resource,
                (names.SCOPE, __version__),
                name="problem",
                trace_id=exchange.trace_id,
                span_id=exchange.span_id,
                parent_span_id="",
                started_ns=exchange.started_ns,
                ended_ns=exchange.ended_ns,
                attributes=problem_attributes(exchange, "unfinished"),
                failed=True,
            )
            for exchange in missing
        ]
        with contextlib.suppress(OSError):
            file = AppendedFile(self._path)
            file.append(b"".join(lines))
            file.close()


def require_recording(path: Path) -> None:
    """Raise FileExistsError if a file exists and does not begin as a recording."""
    try:
        if not path.is_file():
            return
        with path.open("rb") as file:
            head = file.read(_FIRST_BYTES)
    except FileNotFoundError:
        return
    if head.strip() and b'"resourceSpans"' not in head.lstrip().partition(b"\n")[0]:
        raise FileExistsError(
            f"{path} exists and is not a tokenprof recording; give another name to record to."
        )


def _call(told: Callable[[], None]) -> None:
    told()


def _not_told(told: Callable[[], None], error: BaseException) -> None:
    log.warning("tokenprof: a listener of finished turns failed", exc_info=error)


def _not_counted(texts: dict[str, str], error: BaseException) -> None:
    log.warning("tokenprof could not count the tokens of %d texts", len(texts), exc_info=error)


def _no_counts(texts: Sequence[str]) -> list[Mapping[str, int]]:
    return [{} for _ in texts]


@functools.cache
def spans_recorder() -> Recorder:
    """Return the process's recorder for calls without a profile: it finishes their spans and writes nothing.

    It is started on first use and drained when the process ends.
    """
    made = Recorder(None)
    atexit.register(made.close)
    return made

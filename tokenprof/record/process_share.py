"""One process's share of a recording: its queue, the threads that work it off, the run that they write."""

from __future__ import annotations

import contextlib
import functools
import operator
import os
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tokenprof.facts.version import __version__
from tokenprof.record import names
from tokenprof.record.background.appended_file import AppendedFile, append_once
from tokenprof.record.background.counting_process import COUNTING_PROCESS
from tokenprof.record.background.end_waits import LONGEST_NOTE_S
from tokenprof.record.background.ended_blocks import add_ended_block, has_program_ended
from tokenprof.record.background.harmless_log import log
from tokenprof.record.background.host_interrupts import raise_if_the_hosts
from tokenprof.record.background.late_imports import importing
from tokenprof.record.background.settings import RecordingSettings
from tokenprof.record.background.shared_tally import SharedTally
from tokenprof.record.background.system_threads import SYSTEM, held_lock, run_within
from tokenprof.record.background.unwritten_calls import forget_unwritten, note_unwritten
from tokenprof.record.background.worker import Worker
from tokenprof.record.digest import project_key
from tokenprof.record.exchange import Exchange, OpenCall, without_prompt
from tokenprof.record.span import end_span

if TYPE_CHECKING:
    from tokenprof.facts.types import Block, ProblemReason, Turn
    from tokenprof.record.call import Call
    from tokenprof.record.otlp import Attribute
    from tokenprof.record.turn_log import TurnLog

TurnListener = Callable[["Turn", Sequence["Block"]], None]
"""Called on a thread of the recorder with each finished turn and its whole prompt."""

COUNT_EVERY_S = 1.0
"""How long new texts are collected before they are counted: waking two threads costs more than counting."""

YOUNG_PROCESS_S = 5.0
MOST_QUEUED_BYTES = 64 * 1024 * 1024
MOST_QUEUED_CALLS = 2_000
"""From here on prompts are let go before they are read. Their turns keep their usage: no turn is dropped."""

MOST_UNTOLD_TURNS = 10_000


class ProcessShare:
    """What one process has of a recording: its queue, its thread, its run."""

    def __init__(
        self,
        path: Path | None,
        settings: RecordingSettings,
        listener: TurnListener | None,
        *,
        parent_run: str | None = None,
        waits_for_counts: bool = True,
        tally: SharedTally,
    ) -> None:
        self.process = SYSTEM.process_id()
        self.run_id = secrets.token_hex(8)
        self.is_closed = False
        self.problems = 0
        self.open: dict[int, OpenCall] = {}
        self.losses: deque[tuple[Exchange | None, ProblemReason, str]] = deque()
        self.log: TurnLog | None = None
        self.waits_for_counts = waits_for_counts and parent_run is None
        self._began_s = SYSTEM.monotonic_s()
        self.waits = settings.waits
        self.path = path
        self._settings = settings
        self._tally = tally
        self._listener = listener
        self._queued_bytes = 0
        self._finished_s = 0.0
        self._unprepared = [True]
        self._is_over = False
        self._has_begun_to_count = False
        self._resource: dict[str, Attribute | None] = {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", "tokenprof"),
            names.RUN_ID: self.run_id,
            names.PARENT_RUN_ID: parent_run,
            names.VERSION: __version__,
            names.CONTENT: names.CONTENT_MASKED if settings.content else None,
            **{names.TAG_PREFIX + key: value for key, value in settings.tags.items()},
        }
        self.worker: Worker[Exchange | None] = Worker(
            "tokenprof-recorder", self._record, self._not_recorded, self._at_end
        )
        # Counting has a thread of its own, because turns must not wait for a tokenizer that is being loaded.
        not_counted = _logged("texts were not counted")
        self.counter: Worker[bool] = Worker("tokenprof-counter", self._count, not_counted)
        self._is_ending = held_lock()
        self._counted: deque[dict[str, Mapping[str, int]]] = deque()
        self.teller: Worker[Callable[[], None]] = Worker(
            "tokenprof-listener", operator.call, _logged("a listener failed")
        )
        self._file: AppendedFile | None = None
        self._begins_the_file = False
        if self.path is not None and parent_run is None:
            # The file is opened now, so that the host hears what is wrong with it; and the key of the digests
            # belongs to the folder in which the host is now.
            self._file = AppendedFile(self.path)
            self._begins_the_file = not self.path.stat().st_size
            with contextlib.suppress(Exception):
                project_key()

    def watch(self, attempt: OpenCall) -> None:
        """Note a call that has begun. The first one lets the worker prepare while the host waits for it."""
        self.open[id(attempt)] = attempt
        if not self._unprepared:
            return
        try:
            self._unprepared.pop()
            self.worker.put(None)
        except Exception as error:  # noqa: BLE001 - without preparation the call is recorded, only later
            raise_if_the_hosts(error)

    def put(self, exchange: Exchange) -> None:
        """Queue an exchange."""
        size = len(exchange.request) + len(exchange.body)
        if self.worker.length() > MOST_QUEUED_CALLS or self._queued_bytes + size > MOST_QUEUED_BYTES:
            exchange.request = without_prompt(exchange)
            size = len(exchange.request) + len(exchange.body)
        self._queued_bytes += size
        self._tally.given()
        self.worker.put(exchange)
        if has_program_ended():
            # No thread of ours will be waited for.
            self._note_unfinished([exchange])

    def finish(self) -> None:
        """Take nothing more, and let the worker finish. Does nothing in a process that has no share yet."""
        if self.process == SYSTEM.process_id():
            self._finished_s, self.is_closed = self._finished_s or SYSTEM.monotonic_s(), True
            self.worker.finish()

    def wait(self, until: float) -> None:
        """Wait until everything is written, and told, or the time is over."""
        if self.process != SYSTEM.process_id():
            return
        if not self.worker.wait(max(until - SYSTEM.monotonic_s(), 0.0)):
            self.note_unfinished()
        self.teller.finish()
        self.teller.wait(max(until - SYSTEM.monotonic_s(), 0.0))
        if not self.is_complete():
            add_ended_block(self)

    def is_complete(self) -> bool:
        """Whether everything is written and counted, or will be in another process."""
        return self.process != SYSTEM.process_id() or (self.worker.has_ended() and self.counter.has_ended())

    def wait_to_the_end(self, until: float) -> None:
        """Wait until everything is written and counted, or the time is over."""
        if self.process == SYSTEM.process_id():
            # Calls that came after the end of the block are nobody's to finish but the program's.
            for attempt in self.open.copy().values() if has_program_ended() else ():
                attempt.cut()
            self.finish()
            if not self.worker.has_ended():
                self.worker.wait(max(until - SYSTEM.monotonic_s(), 0.0))
            self.counter.wait(max(until - SYSTEM.monotonic_s(), 0.0))

    def _record(self, exchange: Exchange | None) -> None:
        if (turns := self._opened_log()) is not None:
            self._write_losses(turns)
            self._write_counts(turns)
        if exchange is not None:
            self._queued_bytes -= len(exchange.request) + len(exchange.body)
            if self.is_closed and SYSTEM.monotonic_s() - self._finished_s > self.waits.full_reading_s:
                exchange.request = without_prompt(exchange)
            call, written = self._read(exchange)
            self._tally.done()
            if exchange.span is not None:
                cost: dict[str, Attribute] = {}
                if (span_cost := self._settings.span_cost) is not None and written:
                    # On its own: a price that cannot be found must not keep the span open.
                    self._tell(lambda: cost.update(span_cost(written[0][0])))
                self._tell(lambda: end_span(exchange, call, self._settings.tags, cost))
            if self._listener is not None:
                for turn, whole in written:
                    self._tell(functools.partial(self._listener, turn, whole.prompt))
        if self.worker.length() <= 1:
            self._queued_bytes = 0
            self._have_counted()

    def _opened_log(self) -> TurnLog | None:
        """Return what writes the turns; it is imported and made here, on the recorder's thread."""
        if self.log is None and self.path is not None:
            with importing():
                from tokenprof.record.turn_log import TurnLog
            if self._begins_the_file:
                forget_unwritten(self.path)
            self.log = TurnLog(self._file or AppendedFile(self.path), self._resource, self._settings)
            _notes_of_unfinished()
            self._have_counted()
        return self.log

    def _read(self, exchange: Exchange) -> tuple[Call | None, list[tuple[Turn, Call]]]:
        if self.log is not None:
            return self.log.record(exchange)
        with importing():
            from tokenprof.record.block_facts import Shaper
        return exchange.interpret(exchange, Shaper(key=b"", count=lambda texts: [{} for _ in texts])), []

    def _not_recorded(self, exchange: Exchange | None, error: BaseException) -> None:
        log.warning(
            "tokenprof could not record a call to %s",
            exchange.provider if exchange else "a provider",
            exc_info=error,
        )
        if exchange is not None:
            self.note_loss(exchange, "unreadable", type(error).__name__)
            self._tally.done()
            if self.log is not None:
                self._write_losses(self.log)

    def note_loss(self, exchange: Exchange | None, reason: ProblemReason, error: str) -> None:
        """Note a call that could not be recorded, for the worker to write. One that is lost has ended."""
        if self.path is not None:
            self.losses.append((exchange, reason, error))
        if exchange is not None and exchange.span is not None and reason != "unassigned":
            self._tell(functools.partial(end_span, exchange, None, self._settings.tags))

    def _write_losses(self, turns: TurnLog) -> None:
        while self.losses:
            exchange, reason, error = self.losses[0]
            turns.write_problem(exchange, reason, error)
            self.losses.popleft()
            self.problems += 1

    def _have_counted(self, *, is_last: bool = False) -> None:
        if self.log is None:
            # Only spans are made, without sizes.
            return
        is_young = is_last or SYSTEM.monotonic_s() - self._began_s < YOUNG_PROCESS_S
        if not self.waits_for_counts and is_young and not COUNTING_PROCESS.is_ready():
            # Many worker processes live for one call, and loading would take longer than that.
            return
        is_first = not self._has_begun_to_count
        has_texts = self.log.has_uncounted()
        # One may be counting already; the next takes what has come since.
        if is_first or (has_texts and self.counter.length() < 2):
            # Without texts the vocabularies are loaded, while the host waits for its first answer.
            self._has_begun_to_count = True
            try:
                self.counter.put(not is_first)
            except Exception:
                log.warning("tokenprof cannot count tokens here", exc_info=True)

    def _count(self, may_wait: bool) -> None:
        """Count the texts that are there, after waiting for more of them."""
        if may_wait and self._is_ending.acquire(timeout=COUNT_EVERY_S):
            self._is_ending.release()
        texts = self.log.take_uncounted() if self.log is not None else {}
        counted = dict(zip(texts, COUNTING_PROCESS.count(list(texts.values())), strict=True))
        if not counted:
            return
        self._counted.append(counted)
        if self._is_over:
            self._write_late_counts()
        else:
            self.worker.put(None)

    def _write_counts(self, turns: TurnLog) -> None:
        while self._counted:
            # At the end of a block, two threads may come here.
            with contextlib.suppress(IndexError):
                turns.write_counts(self._counted.popleft())

    def _write_late_counts(self) -> None:
        """Write counts that came after the end of the block."""
        from tokenprof.record.turn_log import TurnLog

        if self.path is None or self.process != SYSTEM.process_id() or not self.path.exists():
            return
        turns = TurnLog(AppendedFile(self.path), self._resource, self._settings)
        self._write_counts(turns)
        turns.close()

    def _finish_counting(self, turns: TurnLog) -> None:
        if self._is_ending.locked():
            self._is_ending.release()
        try:
            self._have_counted(is_last=True)
        finally:
            self.counter.finish()
        self.counter.wait(max(self._finished_s + self.waits.counts_s - SYSTEM.monotonic_s(), 0.0))
        self._is_over = True
        self._write_counts(turns)

    def _at_end(self) -> None:
        abandoned = self._tally.take_abandoned() if self.path is not None else 0
        if self.losses or abandoned:
            try:
                self._opened_log()
            except Exception:
                log.warning("tokenprof could not load what writes a recording", exc_info=True)
        if self.log is None:
            if self.path is not None and (missing := len(self.losses) + abandoned):
                note_unwritten(self.path, missing, self.run_id)
            if self._file is not None:
                self._file.close()
            return
        if abandoned:
            self.log.write_problem(None, "process_ended", calls=abandoned)
        for step in (self._write_losses, self._finish_counting, lambda turns: turns.close()):
            try:
                step(self.log)
            except Exception:
                log.warning("tokenprof could not end a recording in order", exc_info=True)

    def _tell(self, told: Callable[[], None]) -> None:
        if self.teller.length() < MOST_UNTOLD_TURNS:
            self.teller.put(told)

    def note_unfinished(self) -> None:
        """Note the calls that are not written yet; a reader ignores notes of calls that are there."""
        missing = list(filter(None, self.worker.pending()))
        if self.process == SYSTEM.process_id() and self.path is not None and missing:
            log.warning("tokenprof: %d calls are not written yet; the recording says so", len(missing))
            self._note_unfinished(missing)

    def _note_unfinished(self, missing: Sequence[Exchange]) -> None:
        # The host does not wait for a disk that has gone away.
        run_within(LONGEST_NOTE_S, lambda: self._write_notes(missing))

    def _write_notes(self, missing: Sequence[Exchange]) -> None:
        if self.path is not None:
            append_once(self.path, _notes_of_unfinished()(self._resource, missing))
        for _ in missing:
            self._tally.done()


@functools.cache
def _notes_of_unfinished() -> Callable[..., bytes]:
    """Return what makes the notes, loaded early: nothing can be at the end of a program."""
    from tokenprof.record.turn_codec import unfinished_lines

    return unfinished_lines


def _logged(failure: str) -> Callable[[object, BaseException], None]:
    return lambda _, error: log.warning("tokenprof: %s", failure, exc_info=error)

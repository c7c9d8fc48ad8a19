"""The recorder: takes exchanges off the host's threads, and has them written as turns.

It cannot disturb the host. A finished exchange is put on a queue, and a thread of the recorder reads and
writes it; another one tells the host's listeners and finishes spans. Both are started by the first exchange
of a process, so that a forked child has its own. What goes wrong is logged to the `tokenprof` logger and
written to the recording as a problem.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tokenprof.facts.switches import is_switched_on
from tokenprof.facts.whole_characters import as_texts
from tokenprof.record.background.end_waits import EndWaits, end_waits
from tokenprof.record.background.ended_blocks import add_ended_block, at_end_of_process
from tokenprof.record.background.harmless_log import log
from tokenprof.record.background.host_interrupts import raise_if_the_hosts
from tokenprof.record.background.settings import RecordingSettings
from tokenprof.record.background.shared_tally import SharedTally
from tokenprof.record.background.system_threads import SYSTEM
from tokenprof.record.process_share import ProcessShare, TurnListener

if TYPE_CHECKING:
    from tokenprof.facts.types import ProblemReason, Turn
    from tokenprof.record.exchange import Exchange, OpenCall
    from tokenprof.record.otlp import Attribute

SELLER_VARIABLE = "TOKENPROF_SELLER"
"""Names who sells the calls of a recording, if they do not show it."""

SETTLE_STEP_S = 0.002

LABELS_VARIABLE = "TOKENPROF_LABELS"
"""Set to 1, the tool calls of every recording of the program are labelled."""

_FIRST_BYTES = 65_536


def _labeller_of_environment() -> Callable[[str, object], str | None] | None:
    if not is_switched_on(os.environ.get(LABELS_VARIABLE)):
        return None
    from tokenprof.facts.call_labels import Labeller

    return Labeller().label


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
        waits_for_counts: bool = True,
        seller: str | None = None,
        labeller: Callable[[str, object], str | None] | None = None,
        span_cost: Callable[[Turn], Mapping[str, Attribute]] | None = None,
        tally_address: str | None = None,
    ) -> None:
        # The host may change its folder.
        self.path = None if path is None else path.absolute()
        self.tags = as_texts(tags or {})
        self.cache_diagnostics = cache_diagnostics
        self.request_usage = request_usage
        self.outer: Recorder | None = None
        self.waits_for_counts = waits_for_counts
        self.gatekeeper: Callable[[int | None], str | None] | None = None
        self._settings = RecordingSettings(
            self.tags,
            content,
            cache_diagnostics,
            counts_at_once=listener is not None,
            seller=seller or os.environ.get(SELLER_VARIABLE) or None,
            labeller=labeller or _labeller_of_environment(),
            span_cost=span_cost,
            waits=end_waits(),
        )
        self._listener = listener
        self._to_close = [True]
        self._tally = SharedTally(tally_address)
        if self.path is not None:
            require_recording(self.path)
        self._share = self._new_share(None)

    @property
    def problems(self) -> int:
        """How many calls this process could not record."""
        return self._share.problems

    @property
    def waits(self) -> EndWaits:
        """How long the end of a block waits for this recording."""
        return self._settings.waits

    def submit(self, exchange: Exchange) -> None:
        """Hand over a finished exchange; returns at once and never raises."""
        try:
            self._share_here().put(exchange)
        except Exception as error:  # noqa: BLE001 - whatever happens to us, the host goes on
            raise_if_the_hosts(error)
            self.note_loss(type(error).__name__, exchange)

    def is_settled(self) -> bool:
        """Whether every call that has ended here is written, and its listeners have been told."""
        share = self._share
        return share.process != SYSTEM.process_id() or (share.worker.is_idle() and share.teller.is_idle())

    def settle(self, timeout_s: float | None = None) -> None:
        """Wait until the calls that have ended are accounted for, for a budget that must not be passed.

        Never raises, whatever the host has made of `time.sleep`, which greenlets need here.
        """
        until = SYSTEM.monotonic_s() + (self.waits.budget_s if timeout_s is None else timeout_s)
        while not self.is_settled() and SYSTEM.monotonic_s() < until:
            try:
                time.sleep(SETTLE_STEP_S)
            except Exception as error:  # noqa: BLE001 - the call is made, then, before it is known
                raise_if_the_hosts(error)
                return

    def watch(self, attempt: OpenCall) -> None:
        """Note a call that has begun; it is cut if it is still open when the recording ends."""
        self._share_here().watch(attempt)

    def unwatch(self, attempt: OpenCall) -> None:
        """Forget a call that has ended."""
        self._share.open.pop(id(attempt), None)

    def note_loss(
        self, error: str, exchange: Exchange | None = None, reason: ProblemReason = "interrupted"
    ) -> None:
        """Have a call that could not be recorded written as a problem. Never raises."""
        with contextlib.suppress(Exception):
            share = self._share
            if share.process != SYSTEM.process_id() or share.is_closed:
                share = self._share_here()
            share.note_loss(exchange, reason, error)
            share.worker.put(None)

    def note_unfinished(self) -> None:
        """Note in the recording what is not written yet, because the process leaves at once."""
        self._share.note_unfinished()

    def note_spawned(self, process: int) -> None:
        """Note that a process was spawned, which records to the same file: it may be killed."""
        self._tally.spawned.add(process)

    def response_that_made(self, calls: Iterable[str]) -> str | None:
        """Return the id of the recorded response that made one of these tool calls."""
        turns = self._share.log
        return turns.response_that_made(tuple(calls)) if turns is not None else None

    def end(self) -> None:
        """Begin to end: cut the calls that are still open, and let the worker finish. Does not wait."""
        share = self._share
        if share.process != SYSTEM.process_id():
            return
        for attempt in share.open.copy().values():
            try:
                attempt.cut()
            except Exception as error:  # noqa: BLE001 - the others still have to be cut
                self.note_loss(type(error).__name__, attempt.exchange)
        share.finish()

    def close(self, wait_s: float | None = None) -> None:
        """Write everything pending, open calls as cut, and stop. It is safe to call twice.

        Waits up to `wait_s` seconds, or as long as `EndWaits` says; what is not written by then is noted in
        the recording as missing, unless the recorder's thread still comes to write it.
        """
        try:
            self._to_close.pop()
        except IndexError:
            return
        until = SYSTEM.monotonic_s() + (self.waits.block_s if wait_s is None else wait_s)
        for step in (self.end, self._share.finish, lambda: self._share.wait(until)):
            try:
                step()
            except Exception:
                log.warning("tokenprof could not end a recording in order", exc_info=True)

    def is_ended(self) -> bool:
        """Whether nothing is left to do after `end`."""
        share = self._share
        return share.process != SYSTEM.process_id() or (share.worker.has_ended() and share.teller.is_idle())

    def _new_share(self, parent_run: str | None) -> ProcessShare:
        return ProcessShare(
            self.path,
            self._settings,
            self._listener,
            parent_run=parent_run,
            waits_for_counts=self.waits_for_counts,
            tally=self._tally,
        )

    def _share_here(self) -> ProcessShare:
        """Return this process's share of the recording; a forked child, or a late call, begins a new one."""
        share = self._share
        if share.process == SYSTEM.process_id() and not share.is_closed:
            return share
        is_child = share.process != SYSTEM.process_id()
        self._share = share = self._new_share(share.run_id)
        if is_child:
            self._to_close = [True]
            at_end_of_process(self.close)
        else:
            share.waits_for_counts = self.waits_for_counts
            add_ended_block(share)
        return share


def require_recording(path: Path) -> None:
    """Raise FileExistsError if something exists there that is neither a recording nor a device."""
    try:
        if path.is_fifo() or path.is_socket():
            raise FileExistsError(f"{path} is not a file; give another name to record to.")
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


@functools.cache
def spans_recorder() -> Recorder:
    """Return the process's recorder for calls without a profile: it finishes their spans and writes nothing.

    It is started on first use and drained when the process ends.
    """
    made = Recorder(None)
    at_end_of_process(made.close)
    return made

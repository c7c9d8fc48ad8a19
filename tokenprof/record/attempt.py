"""One attempt at a model call, observed while its answer is read and handed to the recorder once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tokenprof.record.background.host_interrupts import raise_if_the_hosts
from tokenprof.record.background.system_threads import now_ns
from tokenprof.record.exchange import HEADERS_READ, Exchange

if TYPE_CHECKING:
    from tokenprof.record.recorder import Recorder

MOST_ANSWER_BYTES = 64 * 1024 * 1024
"""How much of an answer is kept; no model writes as much."""


class Attempt:
    """One attempt at a call while its response is being read; handed to the recorder exactly once.

    Everything here runs on the host's threads, also in finalisers and while its streams are closed, so it
    takes no lock. Without a recorder, only the span of the call is finished. A recording may end, and cut
    what is still open, while another thread reads the body.
    """

    __slots__ = ("__weakref__", "_bytes", "_chunks", "_recorder", "_to_hand_over", "exchange")

    def __init__(self, exchange: Exchange, recorder: Recorder | None):
        self.exchange = exchange
        self._recorder = recorder
        self._chunks: list[bytes] = []
        self._bytes = 0
        self._to_hand_over = [True]
        if recorder is not None:
            recorder.watch(self)

    def answered(self, status_code: int, headers: Mapping[str, str], *, is_decoded: bool = False) -> None:
        """Note the beginning of the provider's answer.

        The names in `headers` are in lower case. `is_decoded` says that the bytes come without their content
        coding.
        """
        self.exchange.status_code = status_code
        self.exchange.headers = {
            name: headers[name]
            for name in HEADERS_READ
            if name in headers and not (is_decoded and name == "content-encoding")
        }

    def take(self, chunk: bytes) -> None:
        """Note a chunk of the body as it passes."""
        if self.exchange.first_byte_ns is None:
            self.exchange.first_byte_ns = now_ns()
        self._bytes += len(chunk)
        if self._to_hand_over and self._bytes <= MOST_ANSWER_BYTES:
            self._chunks.append(chunk)

    def whole(self, body: bytes) -> None:
        """Note a body that has been read already."""
        self._chunks.append(body)
        self.end(complete=True)

    def broken(self, error: BaseException) -> None:
        """Note that the body ended in an exception. A reader that stops early has not failed."""
        self.end(failure=None if isinstance(error, GeneratorExit) else type(error).__name__)

    def cut(self) -> None:
        """End the attempt because the recording ends."""
        self.exchange.in_flight = True
        self.end()

    def end(self, *, complete: bool = False, failure: str | None = None) -> None:
        """Hand over what was seen: complete, cut (neither complete nor failed), or ended by a `failure`."""
        try:
            self._to_hand_over.pop()
        except IndexError:
            return
        try:
            self._hand_over(complete, failure)
        except Exception as error:  # noqa: BLE001 - the host is told nothing, the recording is
            self._note_loss(error)
            raise_if_the_hosts(error)

    def _hand_over(self, complete: bool, failure: str | None) -> None:
        exchange = self.exchange
        exchange.ended_ns = now_ns()
        exchange.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        exchange.complete = complete
        exchange.failure = failure
        self._chunks = []
        taker = self._taker()
        taker.unwatch(self)
        taker.submit(exchange)

    def _taker(self) -> Recorder:
        if self._recorder is not None:
            return self._recorder
        from tokenprof.record.recorder import spans_recorder

        return spans_recorder()

    def recorded_elsewhere(self, lost_calls: int) -> None:
        """End the attempt, whose answer another one recorded, and count calls that were taken for it."""
        for _ in range(lost_calls):
            self._taker().note_loss("TakenForAnotherCall", self.exchange)
        self.end()

    def lost(self, error: BaseException) -> None:
        """Count a call that could not be observed to its end, because something of ours failed."""
        try:
            self._to_hand_over.pop()
        except IndexError:
            return
        self._note_loss(error)

    def _note_loss(self, error: BaseException) -> None:
        taker = self._taker()
        taker.note_loss(type(error).__name__, self.exchange)
        taker.unwatch(self)

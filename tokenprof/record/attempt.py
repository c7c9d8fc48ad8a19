"""One attempt at a model call, observed while its answer is read and handed to the recorder once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tokenprof.record.exchange import HEADERS_READ, Exchange

if TYPE_CHECKING:
    from tokenprof.record.recorder import Recorder


class Attempt:
    """One attempt at a call while its response is being read; handed to the recorder exactly once.

    Without a recorder, only the span of the call is finished. `ended` is called with the finished exchange.
    A recording may end, and cut what is still open, while another thread reads the body.
    """

    def __init__(
        self,
        exchange: Exchange,
        recorder: Recorder | None,
        ended: Callable[[Exchange], None] | None = None,
    ):
        self.exchange = exchange
        self._ended = ended
        self._recorder = recorder
        self._chunks: list[bytes] = []
        self._handed_over = False
        self._lock = threading.Lock()
        self._ticket: int | None = None

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

    def watch(self) -> None:
        """End the attempt with the recording if the rest of the body is never read."""
        if self._recorder is not None:
            self._ticket = self._recorder.watch(self.end)

    def take(self, chunk: bytes) -> None:
        """Note a chunk of the body as it passes."""
        if self.exchange.first_byte_ns is None:
            self.exchange.first_byte_ns = time.time_ns()
        self._chunks.append(chunk)

    def whole(self, body: bytes) -> None:
        """Note a body that has been read already."""
        self._chunks.append(body)
        self.end(complete=True)

    def broken(self, error: BaseException) -> None:
        """Note that the body ended in an exception. A reader that stops early has not failed."""
        self.end(failure=None if isinstance(error, GeneratorExit) else type(error).__name__)

    def end(self, *, complete: bool = False, failure: str | None = None) -> None:
        """Hand over what was seen: complete, cut (neither complete nor failed), or ended by a `failure`."""
        with self._lock:
            if self._handed_over:
                return
            self._handed_over = True
        exchange = self.exchange
        exchange.ended_ns = time.time_ns()
        exchange.body = b"".join(self._chunks)
        exchange.complete = complete
        exchange.failure = failure
        self._chunks.clear()
        if self._ended is not None:
            self._ended(exchange)
        if self._recorder is None:
            from tokenprof.record.recorder import spans_recorder

            spans_recorder().submit(exchange)
            return
        if self._ticket is not None:
            self._recorder.unwatch(self._ticket)
        self._recorder.submit(exchange)

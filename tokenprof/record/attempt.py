"""One attempt at a model call: what its answer shows as the bytes pass, handed to the recorder once."""

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

    Without a recorder, only the span of the call is finished. `ended` is called with the finished exchange. A
    recording may end, and cut what is still open, while another thread reads the body.
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
        """Note how the provider answers; `is_decoded`: the bytes come without their content coding.

        `headers` know their names in lower case.
        """
        self.exchange.status_code = status_code
        self.exchange.headers = {
            name: headers[name]
            for name in HEADERS_READ
            if name in headers and not (is_decoded and name == "content-encoding")
        }

    def watch(self) -> None:
        """Have the attempt ended with the recording, should the rest of the body stay unread."""
        if self._recorder is not None:
            self._ticket = self._recorder.watch(self.end)

    def take(self, chunk: bytes) -> None:
        """Note a chunk of the body as it passes."""
        if self.exchange.first_byte_ns is None:
            self.exchange.first_byte_ns = time.time_ns()
        self._chunks.append(chunk)

    def whole(self, body: bytes) -> None:
        """Note a body that was read already."""
        self._chunks.append(body)
        self.end(complete=True)

    def broken(self, error: BaseException) -> None:
        """Note that the body ended in an exception; a reader that stops early does not count as one."""
        self.end(failure=None if isinstance(error, GeneratorExit) else type(error).__name__)

    def end(self, *, complete: bool = False, failure: str | None = None) -> None:
        """Hand over what was seen: to its end, cut (without a `failure`), or failed."""
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
            from tokenprof.record.recorder import recorder_of_spans

            recorder_of_spans().submit(exchange)
            return
        if self._ticket is not None:
            self._recorder.unwatch(self._ticket)
        self._recorder.submit(exchange)

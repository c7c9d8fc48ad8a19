"""Writes exchanges as lines of run.jsonl: turns, failed attempts, problems, and token counts of new texts.

Only the recorder's own thread comes here. A turn is written as soon as it is read, and the tokens of its
texts are counted afterwards: a killed process must not lose a turn to a tokenizer that is being loaded.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.secrets.masks import masked
from tokenprof.facts.types import ProblemReason, Turn
from tokenprof.facts.version import __version__
from tokenprof.record import names
from tokenprof.record.background.appended_file import AppendedFile
from tokenprof.record.background.counting_process import COUNTING_PROCESS
from tokenprof.record.background.fresh_ids import TRACE_BYTES, fresh_id
from tokenprof.record.background.harmless_log import log
from tokenprof.record.background.settings import RecordingSettings
from tokenprof.record.background.system_threads import now_ns
from tokenprof.record.background.unwritten_calls import note_unwritten
from tokenprof.record.background.waiting_lines import WaitingLines
from tokenprof.record.block_codec import encode_counts
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import ADVISOR, Call, calls_of_advice
from tokenprof.record.contexts import ContextTracker, HeldHistories, turn_of
from tokenprof.record.exchange import Exchange, is_fetch
from tokenprof.record.otlp import Attribute, line_head, span_line
from tokenprof.record.read_call import read_call, seller_of, unmeasured_call
from tokenprof.record.turn_codec import TurnEncoder, problem_attributes

REMEMBERED_FAILURES = 256
"""How many failed requests are remembered, to recognise their repetitions."""

REMEMBERED_ANSWERS = 10_000

UNSENT = (
    "ConnectError",
    "ConnectTimeout",
    "PoolTimeout",
    "ConnectorError",
    "ProxyError",
    "UnsupportedProtocol",
)
"""Ends of the names of errors that come before anything was sent, so that nothing can be billed."""


@frozen
class _Failed:
    call: str
    attempts: int


class TurnLog:
    """One process's share of a recording."""

    def __init__(
        self, file: AppendedFile, resource: Mapping[str, Attribute | None], settings: RecordingSettings
    ) -> None:
        self._file = file
        self._resource = resource
        self._line_head = line_head(resource, (names.SCOPE, __version__))
        self._settings = settings
        self._uncounted: deque[tuple[str, str]] = deque()
        self._shaper = self._new_shaper()
        self._failed: dict[bytes, _Failed] = {}
        self._lines = WaitingLines(file)
        self._answers: dict[str, str] = {}
        self._replaced = 0
        self._unmeasured: set[str] = set()
        self._fetched: set[str] = set()
        self._told: set[str] = set()
        self._begin_a_file()

    def _begin_a_file(self) -> None:
        self._encoder = TurnEncoder(self._settings.tags)
        self._contexts = ContextTracker()
        self._held = HeldHistories(self._shaper)
        self._index_of_call: dict[str, int] = {}
        self._clients_of: dict[str, tuple[str, int, int]] = {}
        self._turns = 0

    def record(self, exchange: Exchange) -> tuple[Call | None, list[tuple[Turn, Call]]]:
        """Write an exchange. Return the call as read, and its turns with their completed calls.

        A call has one turn, and one more for each other model that advised.
        """
        self._name_attempt(exchange)
        call = read_call(exchange, self._shaper)
        if is_fetch(exchange) and not self._is_awaited(call):
            return call, []
        if exchange.is_guess and call is None:
            return None, []
        self._remember_failure(exchange)
        if call is None or call.response_id is None:
            if not exchange.in_flight:
                self._write_attempt(exchange, call)
                return call, []
            call = unmeasured_call(exchange, call)
        if self._is_reported_twice(exchange, call):
            # Its span says nothing of the counts, because a backend adds them up.
            return replace(call, usage=None), []
        self._tell(call)
        if call.usage is None and call.response_id is not None:
            self._unmeasured.add(call.response_id)
        written = [self._write_turn(exchange, call)]
        if call.advice:
            written += [self._write_turn(_beside(exchange), advice) for advice in calls_of_advice(call)]
        return call, written

    def _is_awaited(self, call: Call | None) -> bool:
        """Whether a fetched answer brings the counts of a call that has none yet.

        It was recorded here without them, or asked for elsewhere to run in the background.
        """
        if call is None or call.usage is None or call.response_id in self._fetched:
            return False
        asked_elsewhere = bool(call.content and call.content["response"].get("background"))
        if call.response_id not in self._unmeasured and not asked_elsewhere:
            return False
        self._fetched.add(str(call.response_id))
        self._unmeasured.discard(str(call.response_id))
        return True

    def _tell(self, call: Call) -> None:
        """Log each note about a bill once."""
        for note in call.notes:
            if note not in self._told:
                self._told.add(note)
                log.warning("%s: %s", call.model or call.requested_model, note)

    def write_problem(
        self, exchange: Exchange | None, reason: ProblemReason, error: str = "", calls: int = 1
    ) -> None:
        """Write that calls could not be recorded."""
        attributes = problem_attributes(exchange, reason, error, calls)
        self._write_span("problem", exchange, attributes, failed=True, calls=calls)

    def has_uncounted(self) -> bool:
        """Whether texts were written without their tokens."""
        return bool(self._uncounted)

    def take_uncounted(self) -> dict[str, str]:
        """Return the texts that were written without their tokens, by digest, and forget them.

        May be called on another thread.
        """
        texts: dict[str, str] = {}
        while self._uncounted:
            digest, text = self._uncounted.popleft()
            texts[digest] = text
        return texts

    def write_counts(self, counted: Mapping[str, Mapping[str, int]]) -> None:
        """Write the tokens of texts, by digest."""
        if any(counted.values()):
            self._shaper.learn(counted)
            attributes: dict[str, Attribute | None] = {
                names.RECORD: "counts",
                names.COUNTS: encode_counts(counted),
            }
            self._write_span("counts", None, attributes)

    def response_that_made(self, calls: Sequence[str]) -> str | None:
        """Return the id of the recorded response that made one of these tool calls."""
        return next((self._answers[call] for call in calls if call in self._answers), None)

    def close(self) -> None:
        """Write what is left, and close the file."""
        try:
            self._lines.write()
            if missing := self._lines.missing_calls():
                note_unwritten(self._file.path, missing, str(self._resource[names.RUN_ID]))
        finally:
            self._file.close()

    def _name_attempt(self, exchange: Exchange) -> None:
        """Recognise the next attempt at a call by the bytes of its request, if it does not say so itself."""
        before = self._failed.get(_digest(exchange.request)) if self._failed else None
        if before is not None and exchange.call in ("", before.call):
            exchange.call = exchange.call or before.call
            exchange.retries_taken = max(exchange.retries_taken, before.attempts)
        exchange.call = exchange.call or fresh_id()

    def _remember_failure(self, exchange: Exchange) -> None:
        answered = exchange.status_code is not None and 200 <= exchange.status_code < 300
        if answered and exchange.failure is None:
            if self._failed:
                self._failed.pop(_digest(exchange.request), None)
            return
        self._failed[_digest(exchange.request)] = _Failed(exchange.call, exchange.retries_taken + 1)
        if len(self._failed) > REMEMBERED_FAILURES:
            del self._failed[next(iter(self._failed))]

    def _is_reported_twice(self, exchange: Exchange, call: Call) -> bool:
        """Whether an SDK and the HTTP library below it both reported a call.

        An id alone does not say so: test providers repeat theirs.
        """
        identity = str(call.response_id)
        client, started_ns, ended_ns = self._clients_of.get(identity, ("", 0, 0))
        self._clients_of[identity] = exchange.client, exchange.started_ns, exchange.ended_ns
        if len(self._clients_of) > REMEMBERED_ANSWERS:
            del self._clients_of[next(iter(self._clients_of))]
        overlaps = exchange.started_ns < ended_ns and started_ns < exchange.ended_ns
        return bool(client) and client != exchange.client and overlaps

    def _write_attempt(self, exchange: Exchange, call: Call | None) -> None:
        """A failed attempt: kept, so that retries can be counted, but not a turn."""
        attributes: dict[str, Attribute | None] = {
            names.RECORD: "attempt",
            names.FORMAT: names.RUN_FORMAT,
            names.PROVIDER: exchange.provider,
            names.CLIENT: exchange.client or None,
            names.REQUEST_MODEL: call.requested_model if call else None,
            names.CALL: exchange.call,
            names.ATTEMPTS: exchange.retries_taken + 1,
            names.HTTP_STATUS: exchange.status_code,
            names.ERROR_TYPE: exchange.failure or str(exchange.status_code or "unknown"),
            names.BILL: "unknown" if _may_be_billed(exchange) else None,
        }
        self._write_span("attempt", exchange, attributes, failed=True)

    def _write_turn(self, exchange: Exchange, call: Call) -> tuple[Turn, Call]:
        call = self._held.completed(call)
        place = self._contexts.place(exchange.span_id, call.prompt, exchange.agent)
        tags = {**self._settings.tags, **exchange.tags}
        seller = seller_of(exchange, call, self._settings.seller)
        turn = turn_of(exchange, call, place, self._index_of_call.get(place.base or ""), tags, seller)
        self._write_span(
            f"chat {call.requested_model}",
            exchange,
            {
                **self._encoder.attributes(turn, None if turn.base is None else place.base),
                **self._attributes_of_exchange(exchange, call),
            },
            failed=call.status == "error",
            calls=1,
        )
        self._turns += 1
        self._index_of_call[exchange.span_id] = len(self._index_of_call)
        self._held.remember(call)
        if self._settings.cache_diagnostics:
            self._answers |= {block.link: turn.id for block in call.output if block.link}
            while len(self._answers) > REMEMBERED_ANSWERS:
                del self._answers[next(iter(self._answers))]
        return turn, call

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
        if self._settings.content and call.content:
            attributes[names.CONTENT_REQUEST] = orjson.dumps(masked(call.content.get("request"))).decode()
            attributes[names.CONTENT_RESPONSE] = orjson.dumps(masked(call.content.get("response"))).decode()
        return attributes

    def _write_span(
        self,
        name: str,
        exchange: Exchange | None,
        attributes: Mapping[str, Attribute | None],
        *,
        failed: bool = False,
        calls: int = 0,
    ) -> None:
        now = now_ns()
        line = span_line(
            self._line_head,
            name=name,
            trace_id=(exchange and exchange.trace_id) or fresh_id(TRACE_BYTES),
            span_id=(exchange and exchange.span_id) or fresh_id(),
            parent_span_id=exchange.parent_span_id if exchange else "",
            started_ns=exchange.started_ns if exchange else now,
            ended_ns=(exchange and exchange.ended_ns) or now,
            attributes=attributes,
            failed=failed,
        )
        if self._lines.write(line, calls):
            self._write_losses()

    def _write_losses(self) -> None:
        """Write what a file that was deleted held, and what a full disk has cost."""
        if self._file.replaced > self._replaced:
            # What the lines refer to is in the file that was deleted.
            self._replaced, lost = self._file.replaced, self._turns
            self._begin_a_file()
            self._shaper = self._new_shaper()
            if lost:
                self.write_problem(None, "file_lost", calls=lost)
        if lost := self._lines.take_dropped_calls():
            self.write_problem(None, "not_written", calls=lost)

    def _new_shaper(self) -> Shaper:
        later = None if self._settings.counts_at_once else self._uncounted.append
        return Shaper(later=later, count=COUNTING_PROCESS.count, labeller=self._settings.labeller)


def _beside(exchange: Exchange) -> Exchange:
    """Return the exchange of a call that another model answered within an exchange."""
    return replace(
        exchange,
        call=fresh_id(),
        span_id=fresh_id(),
        parent_span_id=exchange.span_id,
        agent=ADVISOR,
        span=None,
        first_byte_ns=None,
    )


def _may_be_billed(exchange: Exchange) -> bool:
    """Whether a provider may have answered an attempt, and billed it, though the host has not seen it."""
    if exchange.status_code is None:
        return exchange.failure is not None and not exchange.failure.endswith(UNSENT)
    return 200 <= exchange.status_code < 300


def _digest(request: bytes) -> bytes:
    return hashlib.blake2b(request, digest_size=16).digest()

"""Reads run.jsonl back into a `Run`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tokenprof.data_classes.frozen import replaced
from tokenprof.facts.types import Block, Problem, Run, Source, Turn
from tokenprof.record import names
from tokenprof.record.background.unwritten_calls import unwritten_calls
from tokenprof.record.block_codec import decode_counts
from tokenprof.record.otlp import decode_attributes, spans_of
from tokenprof.record.turn_codec import TurnDecoder, problem_of, tags_of

FORMAT = "tokenprof"


def recognises(first_lines: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the first lines of a file are those of a recording of ours."""
    return any(
        scope == names.SCOPE and _is_ours(span) for line in first_lines for _, scope, span in spans_of(line)
    )


def _is_ours(span: Mapping[str, Any]) -> bool:
    return any(pair.get("key") == names.RECORD for pair in span.get("attributes", ()))


def read_lines(lines: Iterable[Mapping[str, Any]], path: Path) -> Run:
    """Return the run in parsed lines, its turns in the order of their start.

    If the line that a prompt is a delta to is missing, there is a warning, and the prompt holds only the
    blocks of its own line, until the next keyframe.
    """
    reading = _Reading(path)
    for line in lines:
        reading.add_line(line)
    return reading.run()


class TextFreeReading:
    """A reading (`store.ingest.followed_log`) that needs no line again; lines can always be added to it."""

    __slots__ = ()

    @property
    def is_spent(self) -> bool:
        """Whether nothing can be added any more."""
        return False

    def take_back(self, number: int, line: Mapping[str, Any]) -> None:
        """Do nothing: no line has to be read again."""


class FollowedRecording(TextFreeReading):
    """A recording read as it grows (`store.ingest.followed_log`)."""

    def __init__(self, path: Path) -> None:
        self._reading = _Reading(path)
        self._is_damaged = False

    def add(self, line: Mapping[str, Any], where: str) -> None:
        """Add one line."""
        try:
            self._reading.add_line(line)
        except (KeyError, TypeError, ValueError, AttributeError):
            self._is_damaged = True

    def run(self, warnings: list[str]) -> Run | None:
        """Return the run in the lines so far; None if a line needs the words of a whole reading."""
        return None if self._is_damaged or warnings else self._reading.run()

    def let_go(self) -> set[int] | None:
        """Forget all texts: a recording has none."""
        return None if self._is_damaged else set()


class _Reading:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._decoders: dict[str, TurnDecoder] = {}
        self._turns: list[Turn] = []
        self._index_of_span: dict[str, int] = {}
        self._seen: set[tuple[object, ...]] = set()
        self._repeated_turns = 0
        self._answered: set[str] = set()
        self._failed_attempts: Counter[str] = Counter()
        self._warnings: list[str] = []
        self._problems: dict[str, Problem] = {}
        self._counts: dict[str, Mapping[str, int]] = {}
        self._parts: set[str] = set()
        self._failed_spans: set[str] = set()
        self._counted_by_others = 0
        self.unread_lines = 0

    def add_line(self, line: Mapping[str, Any]) -> None:
        """Take the spans of a line."""
        is_read = False
        for resource, scope, span in spans_of(line):
            if scope == names.SCOPE or _is_ours(span):
                is_read |= self.add(resource, span)
            else:
                is_read = True
                keys = (str(pair.get("key")) for pair in span.get("attributes", ()))
                self._counted_by_others += any("token" in key for key in keys)
        self.unread_lines += not is_read

    def add(self, resource: Mapping[str, Any], span: Mapping[str, Any]) -> bool:
        """Take a span; return whether it is of a known kind."""
        attributes = decode_attributes(span.get("attributes", ()))
        record = attributes.get(names.RECORD)
        run_id = str(resource.get(names.RUN_ID, ""))
        if resource.get(names.PARENT_RUN_ID):
            self._parts.add(run_id)
        if self._is_repeated(run_id, span, record, attributes.get(names.RESPONSE_ID)):
            self._repeated_turns += record == "turn"
            return True
        if record == "attempt" and attributes.get(names.BILL) != "unknown":
            self._failed_spans.add(str(span.get("spanId")))
            self._failed_attempts[str(attributes.get(names.CALL) or span["spanId"])] += 1
        elif record in ("attempt", "problem"):
            started_ns = int(span.get("startTimeUnixNano") or 0)
            self._problems[str(span["spanId"])] = problem_of(attributes, started_ns)
        elif record == "counts":
            self._counts |= decode_counts(attributes[names.COUNTS])
        elif record == "turn":
            self._answered.add(str(attributes.get(names.CALL)))
            self._add_turn(run_id, resource, span, attributes)
        else:
            return False
        return True

    def _is_repeated(self, run_id: str, span: Mapping[str, Any], record: object, response_id: object) -> bool:
        """Whether an earlier line holds this turn or attempt; files that overlap may have been joined."""
        if record not in ("turn", "attempt"):
            return False
        told = record, run_id, str(span.get("spanId")), str(span.get("startTimeUnixNano")), str(response_id)
        is_repeated = told in self._seen
        self._seen.add(told)
        return is_repeated

    def _add_turn(
        self, run_id: str, resource: Mapping[str, Any], span: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> None:
        decoder = self._decoders.setdefault(run_id, TurnDecoder(run_id[:6]))
        base_span = attributes.get(names.BASE_SPAN)
        base = self._index_of_span.get(str(base_span)) if base_span else None
        if base_span and base is None:
            self._warnings.append(
                f"{self._path}: the line that turn {attributes.get(names.RESPONSE_ID)} continues is missing; "
                "what it repeats of the earlier prompt is left unattributed."
            )
        span_id = str(span["spanId"])
        self._index_of_span[span_id] = len(self._turns)
        self._turns.append(
            decoder.turn(
                attributes,
                span_id=span_id,
                started_ns=int(span["startTimeUnixNano"]),
                ended_ns=int(span.get("endTimeUnixNano") or 0),
                base=base,
                tags=tags_of(resource),
            )
        )

    def run(self) -> Run:
        lost = sum(n for call, n in self._failed_attempts.items() if call not in self._answered)
        warnings = list(self._warnings)
        if self.unread_lines:
            warnings.append(
                f"{self._path}: {self.unread_lines} of its lines hold nothing that this version can read; "
                "the calls in them are missing."
            )
        if self._counted_by_others:
            warnings.append(
                f"{self._path}: {self._counted_by_others} spans of other instrumentations count tokens; they "
                "are not in the totals, because they may be of the same calls. To read them, put them into a "
                "file of their own."
            )
        if self._repeated_turns:
            warnings.append(
                f"{self._path}: {self._repeated_turns} of its lines repeat a turn of an earlier line; each "
                "turn is counted once."
            )
        if lost:
            warnings.append(
                f"{self._path}: {lost} failed attempt{'s' if lost > 1 else ''} led to no response "
                "and to no bill; not counted as turns."
            )
        runs = max(1, len(self._decoders.keys() - self._parts))
        turns = [with_counts(turn, self._counts) for turn in self._turns] if self._counts else self._turns
        # A call that was noted as missing may have been written after all.
        written = self._index_of_span.keys() | self._failed_spans
        missing = tuple(found for span, found in self._problems.items() if span not in written)
        unwritten = tuple(Problem("not_written", at, calls) for calls, at in unwritten_calls(self._path))
        source = Source(str(self._path), FORMAT, runs)
        return Run(in_time_order(turns), (source,), tuple(warnings), missing + unwritten)


def with_counts(turn: Turn, counts: Mapping[str, Mapping[str, int]]) -> Turn:
    """Return a turn whose blocks have the tokens that were counted after its line was written."""
    added = tuple(_counted(block, counts) for block in turn.added)
    output = tuple(_counted(block, counts) for block in turn.output)
    return replaced(turn, added=added, output=output)


def _counted(block: Block, counts: Mapping[str, Mapping[str, int]]) -> Block:
    children = tuple(
        replaced(child, tokens=counts[child.digest]) if not child.tokens and child.digest in counts else child
        for child in block.children
    )
    if block.features.tokens or block.features.version == 0 or block.digest not in counts:
        return replaced(block, children=children) if children else block
    return replaced(block, children=children, features=replaced(block.features, tokens=counts[block.digest]))


def in_time_order(turns: list[Turn]) -> tuple[Turn, ...]:
    """Return turns by their start, with the indices of their bases adjusted."""
    order = sorted(range(len(turns)), key=lambda i: turns[i].started_at)
    place = {old: new for new, old in enumerate(order)}
    return tuple(
        turn if (base := turn.base) is None or place[base] == base else replaced(turn, base=place[base])
        for turn in (turns[i] for i in order)
    )

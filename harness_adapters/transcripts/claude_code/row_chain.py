"""The rows of a Claude Code log as a chain: each names the one before it (`parentUuid`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import BlockKind
from tokenprof.harness_adapters.transcripts.claude_code.logged_prompts import LoggedPiece
from tokenprof.record.wire_values import Wire


@dataclass(slots=True)
class Entry:
    """A row that added something to the context and is not a response of the model.

    `items` are discarded once `piece` is made from them; `line` is the number of the line that holds them.
    `kind` and `name` are set if the row, and not the content, says what its blocks are. After a row that
    `is_summary`, the log does not show all that is sent. A row that `asks` holds the words of somebody.
    """

    order: int
    role: str
    items: list[Wire]
    at: datetime | None
    line: int = 0
    is_summary: bool = False
    piece: LoggedPiece | None = None
    kind: BlockKind | None = None
    name: str = ""
    asks: bool = False


class Answered(Protocol):
    """What the chain needs of a response: the ids of the calls that it made."""

    calls: list[str]


ResponseT = TypeVar("ResponseT", bound=Answered)


@frozen
class Above(Generic[ResponseT]):
    """What precedes a row: the nearest response, the entries after it, the chain's end, failed attempts."""

    response: ResponseT | None
    entries: Sequence[Entry]
    top: str
    failed_attempts: int


class RowChain(Generic[ResponseT]):
    """All rows of a session by their ids, over all its files."""

    def __init__(self) -> None:
        self._parents: dict[str, str | None] = {}
        self._entries: dict[str, Entry] = {}
        self._responses: dict[str, ResponseT] = {}
        self._failures: set[str] = set()
        self._answers: dict[str, list[Entry]] = {}
        self._beside: dict[str, list[Entry]] = {}

    def link(self, uuid: str, parent: str | None) -> bool:
        """Note a row and the row before it. Return False if the row is already known (a replay)."""
        if uuid in self._parents:
            return False
        self._parents[uuid] = parent
        return True

    def set_entry(self, uuid: str, entry: Entry, answers: Iterable[str] = ()) -> None:
        """Put an entry at a linked row; `answers` are the ids of the calls that it answers."""
        self._entries[uuid] = entry
        for call in answers:
            self._answers.setdefault(call, []).append(entry)

    def set_beside(self, uuid: str, entry: Entry, answers: Iterable[str] = ()) -> None:
        """Put an entry without a row of its own right after a linked row."""
        self._beside.setdefault(uuid, []).append(entry)
        for call in answers:
            self._answers.setdefault(call, []).append(entry)

    def set_response(self, uuid: str, response: ResponseT) -> None:
        """Note that a linked row is part of a response."""
        self._responses[uuid] = response

    def response_before(self, uuid: str) -> ResponseT | None:
        """Return the response that the row right before a linked row is part of."""
        return self._responses.get(self._parents.get(uuid) or "")

    def set_failure(self, uuid: str) -> None:
        """Note that a linked row reports a failed attempt."""
        self._failures.add(uuid)

    def open_entries(self) -> dict[int, Entry]:
        """Return the entries whose content is held, by the lines that hold it."""
        held = [*self._entries.values(), *(each for beside in self._beside.values() for each in beside)]
        return {entry.line: entry for entry in held if entry.items and entry.piece is None}

    def above(self, uuid: str) -> Above[ResponseT]:
        """Walk from a row up to the nearest response, or to the end of the chain."""
        entries: list[Entry] = []
        visited = {uuid}
        failed = 0
        top = uuid
        at = self._parents.get(uuid)
        # A damaged log may lead back to where it came from.
        while at is not None and at not in visited:
            visited.add(at)
            top = at
            failed += at in self._failures
            entries += reversed(self._beside.get(at, ()))
            if at in self._responses:
                response = self._responses[at]
                return Above(response, self._with_parallel_answers(response, entries), top, failed)
            if at in self._entries:
                entries.append(self._entries[at])
            at = self._parents.get(at)
        return Above(None, entries[::-1], top, failed)

    def _with_parallel_answers(self, response: ResponseT, on_chain: Iterable[Entry]) -> list[Entry]:
        """Return the entries after a response in file order, including answers to its calls off the chain.

        The results of parallel calls name different rows of the response, and the chain passes only one.
        """
        found = {entry.order: entry for entry in on_chain}
        for call in response.calls:
            answers = self._answers.get(call, ())
            if not any(entry.order in found for entry in answers):
                found.update((entry.order, entry) for entry in answers)
        return [found[order] for order in sorted(found)]

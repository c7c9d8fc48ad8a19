"""The lines of a Codex rollout: how to recognise them, and which fields a bill needs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any, TypedDict

import msgspec
import orjson

from tokenprof.facts.types import Block, Turn
from tokenprof.reading.formats import ForeignLines
from tokenprof.reading.json_lines import parse_in_part
from tokenprof.record.wire_values import Wire, sequence, text_of

ROLLOUT_FORMAT = "Codex session"

LINE_TYPES = frozenset(
    {
        "session_meta",
        "response_item",
        "compacted",
        "turn_context",
        "world_state",
        "event_msg",
        "token_usage_record",
    }
)
LINES_TO_LOOK_AT = 3
"""The first line may be damaged."""

WRITTEN = frozenset({"reasoning", "function_call", "custom_tool_call", "local_shell_call", "web_search_call"})
"""Items that the model wrote, apart from its messages."""

TIERS = {"fast": "priority"}
"""Names that Codex gives to tiers that have another name in prices."""

REPLAY_WITHIN = timedelta(seconds=1)
"""A fork writes everything that it replays at once, when it starts."""

REPLAY_PAUSE = timedelta(seconds=0.2)
"""A longer pause between two lines ends a replay; a model takes longer to answer."""

BILLED_EVENTS = frozenset({"token_count", "thread_settings_applied"})
"""The events that say what was billed, or at which tier."""


def hashed(identity: object) -> str:
    """Return an id for a call that has none."""
    return f"codex-{hashlib.sha256(orjson.dumps(identity)).hexdigest()[:16]}"


def recognises(first_lines: Sequence[Wire]) -> bool:
    """Whether a file that begins with these lines is a Codex rollout."""
    return any(
        text_of(line.get("type")) in LINE_TYPES
        and isinstance(line.get("payload"), Mapping)
        and "timestamp" in line
        for line in first_lines[:LINES_TO_LOOK_AT]
    )


def repeats_instructions(item: Wire, context: Sequence[Block]) -> bool:
    """Whether an item is the instructions again, as newer versions write them; they are only sent once."""
    if item.get("role") != "developer":
        return False
    texts = [text_of(part.get("text")) for part in sequence(item.get("content"))]
    # They come before all messages, and there may be very many messages.
    head = takewhile(lambda block: block.section != "messages", context)
    known = {block.features.bytes for block in head if block.name == "base instructions"}
    return any(len(text.encode()) in known for text in texts)


def missing_bills(file: Path, turns: Sequence[Turn], compactions: int, unrecorded: int) -> Iterator[str]:
    """Yield a sentence about each thing that the lines of a rollout do not tell about its bill."""
    if unrecorded:
        yield (
            f"{file}: {unrecorded} of {compactions} compactions left no record of their own call, so its "
            "cost is not counted."
        )
    if any(turn.selectors.service_tier for turn in turns):
        yield (
            f"{file}: the log shows the service tier that was asked for, not the one that was served; calls "
            "are priced at the one that was asked for."
        )


class RolloutLines:
    """Which lines of a rollout are read: not those of another format, and none a second time.

    Lines are written in the order of their times. So one that is older than an earlier line, and of the time
    and kind of one that was read, is that line again: files that overlap have been joined.
    """

    def __init__(self) -> None:
        self._foreign = ForeignLines(ROLLOUT_FORMAT)
        self._latest: datetime | None = None
        self._read: set[bytes] = set()
        self._repeated = 0
        self._replays_until: datetime | None = None

    def begin_replay(self, at: datetime | None) -> None:
        """Note that a fork began at a time: it first writes its parent's lines again."""
        self._replays_until = None if at is None else at + REPLAY_WITHIN

    def is_replay(self, at: datetime | None) -> bool:
        """Whether a line that was written at a time is one of a fork's parent; a pause ends the replay."""
        if at is None or self._replays_until is None or at > self._replays_until:
            return False
        self._replays_until = max(self._replays_until, at + REPLAY_PAUSE)
        return True

    def is_new(self, line: Wire, payload: Wire, at: datetime | None) -> bool:
        """Take a line, which was written at `at`; return whether it is to be read."""
        type_ = text_of(line.get("type"))
        if type_ not in LINE_TYPES:
            self._foreign.add(line)
            return False
        if at is None or self.is_replay(at):
            return True
        total = payload.get("info") if type_ == "event_msg" else payload.get("response_id")
        named = payload.get("call_id") or payload.get("id")
        told = repr((line.get("timestamp"), type_, payload.get("type"), named, total))
        key = hashlib.blake2b(told.encode(errors="replace"), digest_size=8).digest()
        if self._latest is not None and at < self._latest and key in self._read:
            self._repeated += 1
            return False
        self._read.add(key)
        self._latest = at if self._latest is None else max(self._latest, at)
        return True

    def warnings(self, path: Path) -> list[str]:
        """Return what is to be said about the lines that were left out."""
        repeated = (
            f"{path}: {self._repeated} of its lines repeat earlier ones, as when files are joined; each is "
            "read once."
        )
        return [*self._foreign.warnings(path), *([repeated] if self._repeated else [])]


class _LoggedItem(TypedDict, total=False):
    type: Any
    role: Any
    id: Any


class _RolloutLine(TypedDict, total=False):
    type: Any
    timestamp: Any
    payload: _LoggedItem


_line_of = msgspec.json.Decoder(_RolloutLine).decode


def usage_line(line: bytes) -> Any:
    """Return the object on a line: whole if it may decide a bill, else what is at its place and its kind.

    Raises ValueError if the line is not one JSON value.
    """
    row = parse_in_part(line, _line_of)
    if type(row) is not dict or type(row.get("payload")) is not dict:
        return orjson.loads(line)
    type_ = row.get("type")
    if type_ == "response_item" or (
        type_ == "event_msg" and text_of(row["payload"].get("type")) not in BILLED_EVENTS
    ):
        return row
    return orjson.loads(line)

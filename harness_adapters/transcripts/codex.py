"""Codex's own session logs (`~/.codex/sessions/YYYY/MM/DD/rollout-*.jsonl`).

A line is `{timestamp, type, payload}`. Items of the context are `response_item`s. The event `token_count`
reports the bill (`codex_totals`); the call of a compaction has a `token_usage_record` instead, and is in no
total. A fork replays its parent's lines, with their own times or with the fork's, and they are not billed
again. Observed in 0.169; earlier versions are read by their public structs (`codex-rs/protocol`).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import orjson

from tokenprof.facts.errors import InputError
from tokenprof.facts.shared_prefix import shared_length
from tokenprof.facts.times import utc_time
from tokenprof.facts.types import Block, Run, Source, Turn
from tokenprof.facts.whole_characters import with_whole_characters
from tokenprof.harness_adapters.transcripts.codex_answers import (
    NO_COUNT,
    NOT_ENDED,
    TURN_EVENTS,
    CodexAnswer,
    PendingAnswers,
)
from tokenprof.harness_adapters.transcripts.codex_lines import (
    ROLLOUT_FORMAT,
    TIERS,
    WRITTEN,
    RolloutLines,
    hashed,
    missing_bills,
    recognises,
    repeats_instructions,
    usage_line,
)
from tokenprof.harness_adapters.transcripts.codex_totals import (
    SessionTotal,
    UsageRecord,
    is_same_count,
    notes_of,
    usage_of,
    with_unknown,
)
from tokenprof.harness_adapters.wires.implausible_usage import raw_json
from tokenprof.harness_adapters.wires.openai_blocks import add_instructions, add_tools
from tokenprof.harness_adapters.wires.openai_responses import add_item, output_of_responses
from tokenprof.harness_adapters.wires.prompt_layout import PromptLayout
from tokenprof.pricing.selectors import Selectors
from tokenprof.reading.json_lines import feed_lines
from tokenprof.reading.log_bytes import log_stem
from tokenprof.reading.logged_calls import shaper_of_log
from tokenprof.reading.recordings import TextFreeReading, in_time_order
from tokenprof.reading.usage_only import without_blocks
from tokenprof.record.block_facts import Shaper
from tokenprof.record.wire_values import Wire, mapping, sequence, text_of

__all__ = ["FORMAT", "follow", "read", "read_bills", "recognises"]

FORMAT = ROLLOUT_FORMAT

COMPACTION = "compaction"
MISSING_NAME = "calls whose lines are missing from the log"


def read(path: Path) -> Run:
    """Return the turns of a session, one per billed call. A line that cannot be read costs a warning.

    Raises InputError if the file cannot be opened.
    """
    return _read(path)


def read_bills(path: Path) -> Run:
    """Return the turns of a session as `read` does, without blocks. Raises InputError as `read` does."""
    return without_blocks(_read(path, with_blocks=False))


def _read(path: Path, *, with_blocks: bool = True) -> Run:
    warnings: list[str] = []
    session = _Session(path, warnings, with_blocks)
    feed_lines(path, warnings, session.add, orjson.loads if with_blocks else usage_line)
    return session.run(warnings)


def follow(path: Path, warnings: list[str]) -> _Session:
    """Return a session to be read on as it grows (`store.ingest.followed_log`)."""
    return _Session(path, warnings)


@dataclass(slots=True)
class _Session(TextFreeReading):
    """A rollout while it is read: the context so far, and what has been billed so far."""

    file: Path
    warnings: list[str]
    with_blocks: bool = True
    name: str = ""
    turns: list[Turn] = field(default_factory=list)
    _shaper: Shaper = field(default_factory=shaper_of_log)
    _context: list[Block] = field(default_factory=list)
    _layout: PromptLayout | None = None
    _pending: PendingAnswers = field(default_factory=PendingAnswers)
    _total: SessionTotal = field(default_factory=SessionTotal)
    _records: list[UsageRecord] = field(default_factory=list)
    _last_call: Wire | None = None
    _last_call_wrote_nothing: bool = False
    _model: str = ""
    _tier: str | None = None
    _id: str = ""
    _is_fork: bool = False
    _compacted: bool = False
    _compactions: int = 0
    _unrecorded_compactions: int = 0
    _at: datetime | None = None
    _asked_at: datetime | None = None
    _last_prompt: tuple[Block, ...] = ()
    _lines: RolloutLines = field(default_factory=RolloutLines)

    def __post_init__(self) -> None:
        self.name = self.name or with_whole_characters(log_stem(self.file))

    def add(self, line: Wire, where: str) -> None:
        """Add one line. Raises InputError for a billed call without any time."""
        payload = mapping(line.get("payload"))
        self._at = utc_time(line.get("timestamp")) or self._at
        if not self._lines.is_new(line, payload, self._at):
            return
        type_ = line.get("type")
        if type_ == "session_meta":
            self._begin(payload)
        elif type_ == "turn_context":
            self._model = text_of(payload.get("model")) or self._model
            self._note_tier(payload)
        elif type_ == "response_item":
            self._add_item(payload)
        elif type_ == "compacted":
            self._compact(payload)
        elif type_ == "token_usage_record":
            self._note_record(payload, where)
        elif type_ == "event_msg" and payload.get("type") == "token_count":
            self._count(mapping(payload.get("info")), where)
        elif type_ == "event_msg" and payload.get("type") == "thread_settings_applied":
            self._note_tier(mapping(payload.get("thread_settings")) or payload)
        elif type_ == "event_msg" and payload.get("type") in TURN_EVENTS:
            self._pending.end_call()
        if self._lines.is_replay(self._at):
            self._pending.drop()

    def run(self, warnings: Sequence[str]) -> Run:
        """Return the run if no line follows; lines may still be added. `warnings` are those so far."""
        last = copy.copy(self)
        last.turns, last.warnings, last._pending = [*self.turns], [*warnings], copy.copy(self._pending)
        last._take_rest()
        return Run(in_time_order(last.turns), (Source(str(self.file), FORMAT, 1),), tuple(last.warnings))

    def let_go(self) -> set[int] | None:
        """Forget all texts, of which none are needed any more; None if some are."""
        return set() if not self._pending and self._items().let_go() else None

    def _take_rest(self) -> None:
        """Take what is left into account, after the last line."""
        self.warnings += self._lines.warnings(self.file)
        self._take_calls_left()
        self.warnings += missing_bills(self.file, self.turns, self._compactions, self._unrecorded_compactions)

    def _take_calls_left(self) -> None:
        for record in self._records:
            self._add_record(record, None)
        for answer in self._pending.rest():
            self._add_uncounted(answer, NOT_ENDED if self.turns and not answer.is_over else NO_COUNT)

    def _begin(self, meta: Wire) -> None:
        id_ = text_of(meta.get("id"))
        if self._layout is not None:
            if self._lines.is_replay(self._at) or self._id in ("", id_) or not id_:
                # A fork repeats its parent's line; the session is the first one in the file.
                return
            self._end()
        self._id, self.name = id_, id_[:8] or self.name
        self._layout = self._items()
        if meta.get("forked_from_id"):
            self._is_fork = True
            self._lines.begin_replay(self._at)
        instructions = text_of(mapping(meta.get("base_instructions")).get("text"))
        if instructions and self.with_blocks:
            add_instructions(self._layout, instructions, "base instructions")

    def _end(self) -> None:
        """End a session after which another one follows, as when files are joined."""
        self._take_calls_left()
        self._records, self._last_call, self._last_prompt = [], None, ()
        self._context, self._layout, self._total = [], None, SessionTotal()
        self._is_fork = self._compacted = False

    def _note_tier(self, settings: Wire) -> None:
        if "service_tier" in settings:
            tier = text_of(settings.get("service_tier")).strip().lower()
            self._tier = TIERS.get(tier, tier) if tier not in ("", "default", "auto") else None

    def _items(self) -> PromptLayout:
        if self._layout is None:
            self._layout = PromptLayout(self._shaper, blocks=self._context)
        return self._layout

    def _add_item(self, item: Wire) -> None:
        layout = self._items()
        type_ = text_of(item.get("type")) or "message"
        if type_ == "additional_tools":
            tools = PromptLayout(self._shaper, tools=layout.tools)
            add_tools(tools, sequence(item.get("tools")))
            # They are logged after the instructions, but come before them in a prompt.
            self._context[0:0] = tools.blocks
            return
        if type_ in WRITTEN or (type_ == "message" and item.get("role") == "assistant"):
            self._pending.write(item, len(self._context))
            self._last_call_wrote_nothing = False
        else:
            self._pending.follow(ends_call=item.get("role") == "user")
            self._asked_at = self._at
        if self.with_blocks and not (type_ == "message" and repeats_instructions(item, self._context)):
            add_item(layout, item)

    def _compact(self, payload: Wire) -> None:
        """Take a compaction into account: its call, and what the context is from here on."""
        self._compactions += 1
        for answer in self._pending.rest():
            self._add_uncounted(answer, NO_COUNT)
        if self._records:
            for record in self._records:
                self._add_record(record, COMPACTION)
            self._records = []
        elif not self._last_call_wrote_nothing:
            self._unrecorded_compactions += 1
        kept = [block for block in self._context if block.section in ("tools", "system")]
        self._context = kept
        self._layout = PromptLayout(self._shaper, blocks=self._context, tools=self._items().tools)
        history, message = sequence(payload.get("replacement_history")), text_of(payload.get("message"))
        for item in history if self.with_blocks else ():
            add_item(self._layout, item)
        if not history and message and self.with_blocks:
            add_item(self._layout, {"type": "message", "role": "user", "content": message})
        self._compacted = True

    def _note_record(self, payload: Wire, where: str) -> None:
        usage = mapping(payload.get("usage"))
        id_ = text_of(payload.get("response_id"))
        self._pending.note_record()
        # A call that a token count reports too is billed there.
        if usage and not is_same_count(usage, self._last_call) and not self._lines.is_replay(self._at):
            self._records.append(UsageRecord(id_, usage, tuple(self._context), self._time(where), where))

    def _add_record(self, record: UsageRecord, agent: str | None) -> None:
        identity = record.id or dict(record.usage)
        self._add_turn(record.usage, record.where, record.prompt, (), identity, record.at, agent=agent)

    def _count(self, info: Wire, where: str) -> None:
        billed = self._total.take(info)
        if billed is None:
            self._pending.end_call()
            return
        if self._lines.is_replay(self._at):
            return
        at = self._time(where)
        answer, uncounted = self._pending.count(covers_all=billed.missed is not None)
        for earlier in uncounted:
            self._add_uncounted(earlier, NO_COUNT)
        written = answer.items if answer else []
        prompt = tuple(self._context[: answer.prompt_length] if answer else self._context)
        if not self._is_fork or billed.missed:
            self.warnings += notes_of(billed, where)
        if billed.missed:
            self._add_missing(billed.missed, at, where)
        if billed.last is None:
            return
        records = [record for record in self._records if is_same_count(record.usage, billed.last)]
        self._records = [record for record in self._records if record not in records]
        self._last_call, self._last_call_wrote_nothing = billed.last, not written
        items = [text_of(item.get("id")) for item in written]
        own = next((record.id for record in records), "")
        identity = own or [dict(self._total.known or billed.last), items]
        told = with_unknown(billed.last, self._total.known, *(record.usage for record in records))
        self._add_turn(told, where, prompt, written, identity, at)

    def _add_uncounted(self, answer: CodexAnswer, note: str) -> None:
        """Add the call of an answer that nothing counts. It has ended by the time that is known."""
        if self._at is not None:
            prompt = tuple(self._context[: answer.prompt_length])
            identity = ["uncounted", len(self.turns), self.name]
            self._add_turn(None, "", prompt, answer.items, identity, self._at, notes=(note,))

    def _add_missing(self, missed: Wire, at: datetime, where: str) -> None:
        block = self._shaper.block("unattributed", MISSING_NAME, dict(missed), opens_message=True)
        self._add_turn(missed, where, (block,), (), ["missing", dict(missed)], at, agent="missing")

    def _time(self, where: str) -> datetime:
        if self._at is None:
            raise InputError(f"{where}: a call without a timestamp; without one it cannot be priced.")
        return self._at

    def _add_turn(
        self,
        raw: Wire | None,
        where: str,
        prompt: tuple[Block, ...],
        written: Sequence[Wire],
        identity: object,
        at: datetime,
        *,
        agent: str | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        usage, notes = (None, notes) if raw is None else usage_of(raw, where, self.warnings)
        base = len(self.turns) - 1 if self.turns else None
        kept = shared_length(prompt, self._last_prompt) if base is not None else 0
        began = min((self._asked_at or at), at) if agent is None else at
        id_ = identity if isinstance(identity, str) else hashed([self._model, identity])
        self.turns.append(
            Turn(
                id=id_,
                context=self.name if agent is None else f"{self.name}.{agent}",
                provider="openai",
                requested_model=self._model,
                model=self._model,
                started_at=began,
                duration_s=(at - began).total_seconds() if agent is None else None,
                status="ok",
                usage=usage,
                added=prompt[kept:],
                output=output_of_responses(written, self._shaper) if self.with_blocks else (),
                selectors=Selectors(service_tier=self._tier),
                notes=notes,
                raw_usage=raw_json(dict(raw)) if raw and notes else None,
                base=base if kept else None,
                kept=kept,
                agent=agent,
                parent=None if agent is None else self.name,
                hidden_prefix=True,
                compacted=self._compacted and agent is None,
            )
        )
        if agent is None:
            self._compacted = False
        self._last_prompt = prompt

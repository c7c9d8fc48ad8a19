"""Codex's own session logs (`~/.codex/sessions/YYYY/MM/DD/rollout-*.jsonl`).

A line is `{timestamp, type, payload}`. Items of the context are `response_item`s. The event `token_count`
reports the bill: the last call's usage and the session's total. It is repeated when nothing new was billed,
so a call is a change of the total. A fork replays its parent's lines, with their own times or with the
fork's, and they are not billed again. Observed in 0.169; earlier versions are read by their public structs
(`codex-rs/protocol`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from tokenprof.facts.errors import InputError
from tokenprof.facts.shared_prefix import shared_length
from tokenprof.facts.times import utc_time
from tokenprof.facts.types import Block, Run, Source, Turn
from tokenprof.harness_adapters.wires.implausible_usage import raw_json
from tokenprof.harness_adapters.wires.openai_blocks import add_instructions, add_tools
from tokenprof.harness_adapters.wires.openai_responses import add_item, output_of_responses
from tokenprof.harness_adapters.wires.prompt_layout import PromptLayout
from tokenprof.pricing.selectors import Selectors
from tokenprof.pricing.usage import Usage, UsageError
from tokenprof.pricing.usage_dialects import CODEX
from tokenprof.pricing.usage_reader import read_usage
from tokenprof.reading.json_lines import read_json_lines
from tokenprof.reading.recordings import in_time_order
from tokenprof.record.block_facts import Shaper
from tokenprof.record.wire_values import Wire, mapping, sequence, text_of

FORMAT = "Codex session"

LINE_TYPES = frozenset(
    {"session_meta", "response_item", "compacted", "turn_context", "world_state", "event_msg"}
)
WRITTEN = frozenset({"reasoning", "function_call", "custom_tool_call", "local_shell_call", "web_search_call"})
"""Items that the model wrote, apart from its messages."""

REPLAY_PAUSE = timedelta(seconds=0.2)
"""A longer pause between two lines ends a replay; a model takes longer to answer."""

TIERS = {"priority": "priority", "fast": "priority", "flex": "flex", "default": None, "auto": None}
"""Codex's names of service tiers, and OpenAI's."""

REPLAY_WITHIN = timedelta(seconds=1)
"""A fork writes everything that it replays at once, when it starts."""


def recognises(first_lines: Sequence[Wire]) -> bool:
    """Whether a file that begins with these lines is a Codex rollout."""
    return any(
        text_of(line.get("type")) in LINE_TYPES
        and isinstance(line.get("payload"), Mapping)
        and "timestamp" in line
        for line in first_lines[:1]
    )


def read(path: Path) -> Run:
    """Return the turns of a session, one per billed call. Raises InputError for a malformed line."""
    warnings: list[str] = []
    session = _Session(path.stem, warnings)
    for number, line in read_json_lines(path, warnings):
        session.add(line, f"{path}:{number}")
    session.bill_the_rest(path)
    if session.unpriced_items:
        warnings.append(f"{path}: what follows the last token count belongs to a call that did not end.")
    return Run(in_time_order(session.turns), (Source(str(path), FORMAT, 1),), tuple(warnings))


@dataclass(slots=True)
class _Session:
    """A rollout while it is read: the context so far, and what has been billed so far."""

    name: str
    warnings: list[str]
    turns: list[Turn] = field(default_factory=list)
    _shaper: Shaper = field(default_factory=Shaper)
    _context: list[Block] = field(default_factory=list)
    _layout: PromptLayout | None = None
    _written: list[Wire] = field(default_factory=list)
    _prompt_length: int | None = None
    _total: Wire | None = None
    _model: str = ""
    _forked_at: datetime | None = None
    _compacted: bool = False
    _asked_at: datetime | None = None
    _last_prompt: tuple[Block, ...] = ()
    _records: list[tuple[str, Wire, datetime]] = field(default_factory=list)
    _tier: str | None = None
    _replays_until: datetime | None = None

    @property
    def unpriced_items(self) -> bool:
        """Whether the model wrote something after the last token count."""
        return bool(self._written)

    def add(self, line: Wire, where: str) -> None:
        """Add one line."""
        payload = mapping(line.get("payload"))
        at = _time(line.get("timestamp"), where)
        type_ = line.get("type")
        if self._replays_until is not None and at <= self._replays_until:
            # A replay is written in one go; a pause ends it.
            self._replays_until = max(self._replays_until, at + REPLAY_PAUSE)
        if type_ == "session_meta":
            self._begin(payload, at)
        elif type_ == "turn_context":
            self._model = text_of(payload.get("model")) or self._model
            self._tier = TIERS.get(text_of(payload.get("service_tier")), self._tier)
        elif type_ == "token_usage_record":
            self._records.append((text_of(payload.get("response_id")), mapping(payload.get("usage")), at))
        elif type_ == "response_item":
            self._add_item(payload, at)
        elif type_ == "compacted":
            self._bill_records(where, only=text_of(payload.get("compaction_response_id")))
            self._replace(sequence(payload.get("replacement_history")), text_of(payload.get("message")))
        elif type_ == "event_msg" and payload.get("type") == "token_count":
            self._count(mapping(payload.get("info")), at, where)

    def _begin(self, meta: Wire, at: datetime) -> None:
        if self._layout is not None:
            # A fork repeats its parent's line; the session is the first one in the file.
            return
        self.name = text_of(meta.get("id"))[:8] or self.name
        self._layout = PromptLayout(self._shaper, blocks=self._context)
        if meta.get("forked_from_id"):
            self._forked_at = at
            self._replays_until = at + REPLAY_WITHIN
        instructions = text_of(mapping(meta.get("base_instructions")).get("text"))
        if instructions:
            add_instructions(self._layout, instructions, "base instructions")

    def _items(self) -> PromptLayout:
        if self._layout is None:
            self._layout = PromptLayout(self._shaper, blocks=self._context)
        return self._layout

    def _add_item(self, item: Wire, at: datetime) -> None:
        layout = self._items()
        type_ = text_of(item.get("type")) or "message"
        if type_ == "additional_tools":
            tools = PromptLayout(self._shaper, tools=layout.tools)
            add_tools(tools, sequence(item.get("tools")))
            # They are logged after the instructions, but come before them in a prompt.
            self._context[0:0] = tools.blocks
            return
        if type_ in WRITTEN or (type_ == "message" and item.get("role") == "assistant"):
            if self._prompt_length is None:
                self._prompt_length = len(self._context)
            self._written.append(item)
        else:
            self._asked_at = at
        if type_ == "message" and self._is_base_instructions(item):
            return
        add_item(layout, item)

    def _is_base_instructions(self, item: Wire) -> bool:
        """Newer versions repeat the instructions as the first developer message; they are only sent once."""
        texts = [text_of(part.get("text")) for part in sequence(item.get("content"))]
        known = {block.features.bytes for block in self._context if block.name == "base instructions"}
        return item.get("role") == "developer" and any(len(text.encode()) in known for text in texts)

    def _replace(self, history: Sequence[Wire], message: str) -> None:
        """Take a compaction into account: the log says what the context is from here on."""
        kept = [block for block in self._context if block.section in ("tools", "system")]
        self._context = kept
        self._layout = PromptLayout(self._shaper, blocks=self._context, tools=self._items().tools)
        for item in history:
            add_item(self._layout, item)
        if not history and message:
            add_item(self._layout, {"type": "message", "role": "user", "content": message})
        self._compacted = True
        self._written, self._prompt_length = [], None

    def _count(self, info: Wire, at: datetime, where: str) -> None:
        total, last = info.get("total_token_usage"), info.get("last_token_usage")
        if not isinstance(total, Mapping) or total == self._total:
            return
        before, self._total = self._total, total
        written, self._written = self._written, []
        length = len(self._context) if self._prompt_length is None else self._prompt_length
        prompt, self._prompt_length = tuple(self._context[:length]), None
        if self._replays_until is not None and at <= self._replays_until:
            self._records.clear()
            return
        counted = last if isinstance(last, Mapping) else _difference(total, before)
        if not any(counted.values()):
            # A fork begins with its parent's total, which was not billed here.
            return
        response_id = self._record_of(counted)
        self._bill_records(where)
        if before is not None and isinstance(last, Mapping):
            self._bill_what_only_the_total_counts(_difference(total, before), last, at, where)
        self._add_turn(counted, prompt, written, total, at, where, response_id)

    def _record_of(self, counted: Wire) -> str:
        """Take the usage record of a call from those that wait, and return its response id, if it has one."""
        for place, (response_id, usage, _) in enumerate(self._records):
            if usage == counted:
                del self._records[place]
                return response_id
        return ""

    def bill_the_rest(self, path: Path) -> None:
        """Bill what has a usage record, and no token count after it."""
        self._bill_records(str(path))

    def _bill_records(self, where: str, only: str = "") -> None:
        """Add a turn for each usage record that no token count holds, as those of compactions."""
        for response_id, usage, at in [r for r in self._records if not only or r[0] == only]:
            self._records.remove((response_id, usage, at))
            if any(usage.values()):
                prompt = tuple(self._context) if only else ()
                self._add_turn(usage, prompt, (), usage, at, where, response_id)

    def _bill_what_only_the_total_counts(self, grown: Wire, last: Wire, at: datetime, where: str) -> None:
        """Add a turn for calls whose token count is lost: the total grew by more than the last call."""
        lost = {key: grown.get(key, 0) - (last.get(key) or 0) for key in grown}
        if lost.get("input_tokens", 0) <= 0 or min(lost.values()) < 0:
            return
        note = (
            "A token count is missing in the log. What the session's total counts beyond the calls in the "
            "log is billed as one turn."
        )
        self._add_turn(lost, (), (), {**lost, "lost": 1}, at, where, "", notes=(note,))

    def _add_turn(
        self,
        counted: Wire,
        prompt: tuple[Block, ...],
        written: Sequence[Wire],
        total: Wire,
        at: datetime,
        where: str,
        response_id: str,
        notes: tuple[str, ...] = (),
    ) -> None:
        usage: Usage | None = None
        try:
            read = read_usage(counted, CODEX)
            usage, notes = read.usage, (*notes, *read.notes)
        except UsageError as error:
            self.warnings.append(f"{where}: a call is counted as unmeasured. {error}")
            notes = (*notes, "It is counted as unmeasured, because its counts contradict each other.")
        output = output_of_responses(written, self._shaper)
        base = len(self.turns) - 1 if self.turns else None
        kept = shared_length(prompt, self._last_prompt) if base is not None else 0
        began = self._asked_at or at
        identity = orjson.dumps([self._model, dict(total), [text_of(item.get("id")) for item in written]])
        self.turns.append(
            Turn(
                id=response_id or f"codex-{hashlib.sha256(identity).hexdigest()[:16]}",
                context=self.name,
                provider="openai",
                requested_model=self._model,
                model=self._model,
                started_at=min(began, at),
                duration_s=(at - min(began, at)).total_seconds(),
                status="ok",
                usage=usage,
                added=prompt[kept:],
                output=output,
                selectors=Selectors(service_tier=self._tier),
                notes=notes,
                raw_usage=raw_json(dict(counted)) if notes else None,
                base=base if kept else None,
                kept=kept,
                hidden_prefix=True,
                compacted=self._compacted,
            )
        )
        self._compacted = False
        self._last_prompt = prompt


def _difference(total: Wire, before: Wire | None) -> dict[str, int]:
    earlier = before or {}
    return {key: value - earlier.get(key, 0) for key, value in total.items() if isinstance(value, int)}


def _time(value: object, where: str) -> datetime:
    at = utc_time(value)
    if at is None:
        raise InputError(f"{where}: the line has no timestamp; without one it cannot be priced.")
    return at

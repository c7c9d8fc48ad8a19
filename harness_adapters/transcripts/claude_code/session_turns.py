"""Turns the files of one Claude Code session into turns.

A response is spread over several rows with one `message.id`. Its prompt is the prompt of the nearest response
above it on the chain of rows, then that response, then the rows in between; if the log has the request itself
(`request_records`), the prompt is exactly that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby

from tokenprof.facts.times import utc_time
from tokenprof.facts.types import TASK_NOTIFICATION, Turn
from tokenprof.harness_adapters.transcripts.claude_code.attachments import loaded_schemas, sent_attachment
from tokenprof.harness_adapters.transcripts.claude_code.logged_prompts import (
    LoggedPiece,
    LoggedPrompt,
    PieceMaker,
    joined,
    named,
    shared_blocks,
)
from tokenprof.harness_adapters.transcripts.claude_code.request_records import (
    RECORD_TYPES,
    Request,
    Requests,
    message_hash,
)
from tokenprof.harness_adapters.transcripts.claude_code.responses import (
    COMPACTION_AGENT,
    Response,
    thread_of,
    warnings_of,
)
from tokenprof.harness_adapters.transcripts.claude_code.row_chain import Above, Entry, RowChain
from tokenprof.harness_adapters.transcripts.claude_code.row_contents import (
    as_sent,
    calls_answered,
    is_task_notification,
    loaded_without_schema,
    unlogged_after_compaction,
)
from tokenprof.harness_adapters.transcripts.claude_code.unlogged_reminders import TaskReminders
from tokenprof.harness_adapters.transcripts.claude_code.written_texts import WrittenTexts
from tokenprof.pricing.usage import UsageError
from tokenprof.record.block_facts import Shaper
from tokenprof.record.wire_values import Wire, content_items, is_object, mapping, text_of

ROW_TYPES = frozenset({"user", "assistant", "attachment", "system", "progress"})
SYNTHETIC_MODEL = "<synthetic>"
UNDATED = "of its responses have no time; they are priced for the date of the file,"
NO_PROMPT = LoggedPrompt.of(None, ())


class ClaudeCodeSession:
    """A session while it is read: add the lines of its files, the main file first, then ask for the turns.

    Without `with_blocks`, its turns have no blocks. Rows without any time get `written_at`.
    """

    def __init__(
        self,
        name: str,
        shaper: Shaper,
        agent_types: Mapping[str, str] | None = None,
        *,
        written_at: datetime,
        with_blocks: bool = True,
    ):
        self._with_blocks = with_blocks
        self._written = WrittenTexts()
        self._reminders = TaskReminders()
        self._name = name
        self._shaper = shaper
        self._maker = PieceMaker(shaper)
        self._requests = Requests(self._maker, shaper)
        self._chain: RowChain[Response] = RowChain()
        self._responses: dict[str, Response] = {}
        self._latest: dict[str, str] = {}
        self._newest: dict[str, Response] = {}
        self._agent_types = dict(agent_types or {})
        self._agents_named: set[str] = set()
        self._unlogged: dict[str, list[Wire]] = {}
        self._schemas: dict[str, Wire] = {}
        self._log_renders = False
        self._failed_calls = 0
        self._compactions = 0
        self._rows = 0
        self._last_row: str | None = None
        self._last_time: datetime | None = None
        self._written_at, self._undated = written_at, 0

    def note_unlogged(self, line: Wire) -> None:
        """Add a row of the main conversation that is logged only in a fork of it.

        Older versions log what hooks injected only in the compaction's own file, with the row of the main
        file that it followed. Call this before the main file is read.
        """
        if line.get("type") == "user" and line.get("isMeta") and isinstance(line.get("parentUuid"), str):
            self._unlogged.setdefault(line["parentUuid"], []).append(line)

    def add(self, line: Wire, where: str) -> None:
        """Add one line. `where` is its file and number."""
        kind = text_of(line.get("type"))
        if kind not in ROW_TYPES:
            if kind in RECORD_TYPES:
                self._requests.add(line)
            return
        self._rows += 1
        uuid = str(line.get("uuid") or f"row {self._rows}")
        parent = line.get("parentUuid", self._last_row)
        if not self._chain.link(uuid, parent if isinstance(parent, str) else None):
            return
        self._last_row = uuid
        self._last_time = utc_time(line.get("timestamp")) or self._last_time
        if kind == "progress" and not self._unlogged:
            return
        message = line.get("message")
        if kind == "system":
            self._add_event(line, uuid)
        elif kind == "attachment":
            self._add_attachment(line, uuid)
        elif kind == "user" and is_object(message):
            self._add_user(line, message, uuid)
        elif kind == "assistant" and is_object(message):
            self._add_assistant(line, message, uuid, where)
        for unlogged in self._unlogged.pop(uuid, ()):
            self._rows += 1
            items = content_items(mapping(unlogged.get("message")).get("content"))
            answered = calls_answered(content_items(mapping(message).get("content")))
            self._chain.set_beside(uuid, self._entry(unlogged, "user", items), answered)

    def _add_event(self, line: Wire, uuid: str) -> None:
        if line.get("subtype") == "compact_boundary":
            self._compactions += 1
            self._reminders.restart()
        elif line.get("subtype") == "api_error":
            self._chain.set_failure(uuid)

    def _add_attachment(self, line: Wire, uuid: str) -> None:
        self._reminders.stop()
        self._log_renders |= "rendered" in line
        self._schemas |= loaded_schemas(line)
        sent = sent_attachment(line, log_renders=self._log_renders)
        if sent is not None:
            entry = self._entry(line, sent.role, list(sent.items))
            if entry.kind is None:
                entry.kind, entry.name = sent.kind, sent.name
            self._chain.set_entry(uuid, entry)

    def _add_user(self, line: Wire, message: Wire, uuid: str) -> None:
        if line.get("isVisibleInTranscriptOnly") and not line.get("isCompactSummary"):
            return
        items = content_items(message.get("content"))
        entry = self._entry(line, "user", items)
        calls = calls_answered(items)
        self._note_agent(line.get("toolUseResult"), calls)
        if isinstance(line.get("sourceToolUseID"), str):
            calls.append(line["sourceToolUseID"])
        self._chain.set_entry(uuid, entry, calls)

    def _note_agent(self, result: object, calls: Sequence[str]) -> None:
        agent = result.get("agentId") if isinstance(result, Mapping) else None
        if not isinstance(agent, str):
            return
        self._agents_named.add(agent)
        type_ = next(filter(None, (self._maker.argument_of_call(c, "subagent_type") for c in calls)), None)
        if type_:
            self._agent_types.setdefault(agent, type_)

    def _entry(self, line: Wire, role: str, items: list[Wire]) -> Entry:
        entry = Entry(
            self._rows, role, items, utc_time(line.get("timestamp")), bool(line.get("isCompactSummary"))
        )
        if is_task_notification(items):
            entry.kind, entry.name = "reminder", TASK_NOTIFICATION
        return entry

    def _add_assistant(self, line: Wire, message: Wire, uuid: str, where: str) -> None:
        if line.get("isApiErrorMessage"):
            self._failed_calls += 1
            return
        items = [as_sent(item) for item in content_items(message.get("content"))]
        if message.get("model") == SYNTHETIC_MODEL:
            self._chain.set_entry(uuid, self._entry(line, "assistant", items))
            return
        id_ = str(message.get("id") or line.get("requestId") or uuid)
        id_ = self._latest.get(id_, id_)
        known = self._responses.get(id_)
        if known is not None and known.is_another_than(line, message):
            self._latest[known.plain_id] = id_ = f"{known.plain_id}#{line.get('requestId') or uuid}"
            known = self._responses.get(id_)
        response = known or self._open(id_, line, uuid, where)
        self._chain.set_response(uuid, response)
        if known and line.get("agentId") and line["agentId"] != response.thread:
            # A side conversation repeats the history that it was forked from.
            return
        self._maker.note_calls(items)
        response.add_row(line, items, utc_time(line.get("timestamp")))
        if self._with_blocks and not response.thread:
            self._reminders.note_row(items)

    def _open(self, id_: str, line: Wire, uuid: str, where: str) -> Response:
        above = self._chain.above(uuid)
        thread = thread_of(line, above)
        request = self._requests.get(line.get("requestRef"))
        if self._with_blocks:
            if not thread and request is None and above.response is not None:
                above = self._with_reminder(above)
            prompt = self._prompt(above, request)
        else:
            prompt = NO_PROMPT
            if above.response is not None:
                above.response.let_go(self._written)
        nearest = above.response or self._newest.get(thread)
        if self._with_blocks:
            kept = shared_blocks(prompt, nearest.prompt) if nearest else 0
        else:
            kept = int(above.response is not None and above.response.has_prompt)
        response = Response(
            index=len(self._responses),
            id=id_,
            thread=thread,
            where=where,
            prompt=prompt,
            base=nearest.index if nearest and kept else None,
            kept=kept,
            started_at=self._asked_at(above, request),
            request=request,
            breakpoints=self._requests.breakpoints(request, prompt) if request and self._with_blocks else (),
            compacted=thread in self._newest
            and above.response is None
            and any(entry.is_summary for entry in above.entries),
            attempts=1 + above.failed_attempts,
            has_prompt=above.response is not None or any(e.items or e.piece for e in above.entries),
        )
        self._responses[id_] = self._newest[thread] = response
        return response

    def _with_reminder(self, above: Above[Response]) -> Above[Response]:
        piece = self._reminders.due()
        if piece is None:
            return above
        return replace(above, entries=(*above.entries, Entry(self._rows, "user", [], None, piece=piece)))

    def _asked_at(self, above: Above[Response], request: Request | None) -> datetime:
        known = utc_time(request.timestamp) if request else None
        asked = known or max((e.at for e in above.entries if e.at), default=None) or self._last_time
        self._undated += asked is None
        return asked or self._written_at

    def _prompt(self, above: Above[Response], request: Request | None) -> LoggedPrompt:
        history = above.response.prompt if above.response else LoggedPrompt.of(None, ())
        added = self._added_messages(above, self._requests.tools(request))
        if request is None:
            return history.then(history.head, added)
        prompt = self._requests.prompt(request, added) or history.then(None, added)
        return replace(prompt, head=self._requests.head(request, prompt.loaded))

    def _added_messages(self, above: Above[Response], tools: Sequence[Wire]) -> list[LoggedPiece]:
        """Return the messages between the nearest earlier prompt and the one asked for."""
        messages: list[LoggedPiece] = []
        if above.response is not None:
            items = above.response.items
            above.response.settle(self._maker, self._shaper)
            self._note("assistant", items, above.response.piece)
            messages.append(above.response.piece)
        for role, group in groupby(above.entries, key=lambda entry: entry.role):
            entries = list(group)
            items = [item for entry in entries for item in entry.items]
            is_new = all(entry.piece is None for entry in entries)
            pieces = [self._piece_of(entry, tools) for entry in entries]
            message = pieces[0]
            for piece in pieces[1:]:
                message = joined(message, piece)
            if is_new:
                self._note(role, items, message)
            messages.append(message)
        return messages

    def _note(self, role: str, items: Sequence[Wire], piece: LoggedPiece) -> None:
        """Let request records find a message of the rows by its hash, if the log has such records."""
        if items and self._requests:
            self._requests.note_message(message_hash(role, items), piece)

    def _piece_of(self, entry: Entry, tools: Sequence[Wire]) -> LoggedPiece:
        if entry.piece is None:
            definitions = tools or tuple(self._schemas.values())
            piece = self._maker.piece(entry.role, entry.items, definitions)
            if entry.is_summary:
                piece = named(piece, "summary", "compaction")
            elif entry.kind is not None:
                piece = named(piece, entry.kind, entry.name)
            more = [] if tools else loaded_without_schema(entry.items, self._schemas)
            if entry.is_summary and not self._requests:
                more.append(unlogged_after_compaction(self._name, entry.order))
            if more:
                piece = replace(piece, blocks=(*piece.blocks, *more))
            entry.piece = piece
            entry.items = []
        return entry.piece

    def settle(self) -> None:
        """Make blocks of what is left, after the last line."""
        for response in self._responses.values():
            if self._with_blocks:
                response.settle(self._maker, self._shaper)
            else:
                response.let_go(self._written)
        self._written.count()

    def bases(self) -> list[int | None]:
        """Return, for each response, the index of the one whose prompt it continues."""
        return [response.base for response in self._responses.values()]

    def turns(self, warnings: list[str]) -> list[Turn]:
        """Return the turns in the order of their first rows, and add what is wrong to `warnings`.

        Call `settle` first; then the tokens of all blocks must be known.
        """
        turns = []
        for response in self._responses.values():
            try:
                turns.append(self._turn(response))
            except UsageError as error:
                warnings.append(f"{response.where}: {error} The response is counted as unmeasured.")
                response.usage = None
                turns.append(self._turn(response))
        if self._undated:
            warnings.append(f"{self._name}: {self._undated} {UNDATED} {self._written_at:%Y-%m-%d}.")
        warnings += warnings_of(
            self._name, self._responses.values(), self._failed_calls, self._agents_named, self._compactions
        )
        # Turns name their base by its place, so these come after all others.
        advice = [
            turn
            for response, own in zip(list(self._responses.values()), list(turns), strict=False)
            for turn in response.advice(own)
        ]
        return turns + advice

    def _turn(self, response: Response) -> Turn:
        thread = response.thread
        if not thread:
            return response.turn(self._name, None, None)
        agent = "compaction" if thread.startswith(COMPACTION_AGENT) else self._agent_types.get(thread, thread)
        return response.turn(f"{self._name}.{thread}", self._name, agent)

"""Turns the files of one Claude Code session into turns.

A response is spread over several rows with one `message.id`. Its prompt is the prompt of the nearest response
above it on the chain of rows, then that response, then the rows in between; if the log has the request itself
(`request_records`), the prompt is exactly that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from tokenprof.data_classes.frozen import replaced
from tokenprof.facts.times import utc_time
from tokenprof.facts.types import TASK_NOTIFICATION, Turn
from tokenprof.harness_adapters.transcripts.claude_code.attachments import sent_attachment
from tokenprof.harness_adapters.transcripts.claude_code.logged_prompts import LoggedPrompt, shared_blocks
from tokenprof.harness_adapters.transcripts.claude_code.request_records import RECORD_TYPES, Request
from tokenprof.harness_adapters.transcripts.claude_code.responses import (
    COMPACTION_AGENT,
    Response,
    quick_digest,
    thread_of,
    warnings_of,
)
from tokenprof.harness_adapters.transcripts.claude_code.row_chain import Above, Entry, RowChain
from tokenprof.harness_adapters.transcripts.claude_code.row_contents import (
    agent_types_asked,
    as_sent,
    calls_answered,
    is_task_notification,
    items_of_row,
)
from tokenprof.harness_adapters.transcripts.claude_code.session_prompts import SessionPrompts
from tokenprof.harness_adapters.transcripts.claude_code.unlogged_reminders import TaskReminders
from tokenprof.harness_adapters.transcripts.claude_code.usage_rows import ROW_TYPES, UNBILLED_TYPES
from tokenprof.harness_adapters.transcripts.claude_code.written_texts import WrittenTexts
from tokenprof.pricing.usage import UsageError
from tokenprof.reading.formats import ForeignLines
from tokenprof.reading.json_lines import line_number
from tokenprof.record.block_facts import Shaper
from tokenprof.record.wire_values import Wire, content_items, is_object, mapping, text_of

SESSION_FORMAT = "Claude Code session"
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
        self._prompts = SessionPrompts(name, shaper)
        self._maker, self._requests = self._prompts.maker, self._prompts.requests
        self._chain: RowChain[Response] = RowChain()
        self._responses: dict[str, Response] = {}
        self._latest: dict[str, str] = {}
        self._newest: dict[str, Response] = {}
        self._agent_types = dict(agent_types or {})
        self._agent_types_asked: dict[str, str] = {}
        self._agents_named: set[str] = set()
        self._unlogged: dict[str, list[Wire]] = {}
        self._waiting: dict[int, Entry] = {}
        self._log_renders = False
        self._failed_calls = 0
        self._compactions = 0
        self._rows = 0
        self._where = ""
        self._last_row: str | None = None
        self._last_time: datetime | None = None
        self._written_at, self._undated = written_at, 0
        self._foreign, self._unread = ForeignLines(SESSION_FORMAT), 0

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
        self._where = where
        if kind not in ROW_TYPES:
            if kind in RECORD_TYPES:
                self._requests.add(line, line_number(where))
            elif kind not in UNBILLED_TYPES and not self._foreign.add(line):
                self._unread += _holds_usage(line)
            return
        self._rows += 1
        uuid = str(line.get("uuid") or f"row {self._rows}")
        parent = line.get("parentUuid", self._last_row)
        if not self._chain.link(uuid, parent if isinstance(parent, str) else None):
            return
        self._last_row = uuid
        at = utc_time(line.get("timestamp"))
        self._last_time = at or self._last_time
        if kind == "progress" and not self._unlogged:
            return
        message = line.get("message")
        if kind == "system":
            self._add_event(line, uuid)
        elif kind == "attachment":
            self._add_attachment(line, uuid, at)
        elif kind == "user" and is_object(message):
            self._add_user(line, message, uuid, at)
        elif kind == "assistant" and is_object(message):
            self._add_assistant(line, message, uuid, at, where)
        elif kind == "assistant":
            self._unread += 1
        for unlogged in self._unlogged.pop(uuid, ()) if self._unlogged else ():
            self._rows += 1
            items = content_items(mapping(unlogged.get("message")).get("content"))
            answered = calls_answered(content_items(mapping(message).get("content")))
            entry = self._entry(unlogged, "user", items, utc_time(unlogged.get("timestamp")))
            self._chain.set_beside(uuid, entry, answered)

    def _add_event(self, line: Wire, uuid: str) -> None:
        if line.get("subtype") == "compact_boundary":
            self._compactions += 1
            self._reminders.restart()
        elif line.get("subtype") == "api_error":
            self._chain.set_failure(uuid)

    def _add_attachment(self, line: Wire, uuid: str, at: datetime | None) -> None:
        self._reminders.stop()
        self._log_renders |= "rendered" in line
        self._prompts.note_schemas(line, line_number(self._where))
        sent = sent_attachment(line, log_renders=self._log_renders)
        if sent is not None:
            entry = self._entry(line, sent.role, list(sent.items), at)
            if entry.kind is None:
                entry.kind, entry.name = sent.kind, sent.name
            self._chain.set_entry(uuid, entry)

    def _add_user(self, line: Wire, message: Wire, uuid: str, at: datetime | None) -> None:
        if line.get("isVisibleInTranscriptOnly") and not line.get("isCompactSummary"):
            return
        items = content_items(message.get("content"))
        entry = self._entry(line, "user", items, at)
        calls = calls_answered(items)
        entry.asks = not (calls or line.get("isMeta") or line.get("isCompactSummary"))
        self._note_agent(line.get("toolUseResult"), calls)
        if isinstance(line.get("sourceToolUseID"), str):
            calls.append(line["sourceToolUseID"])
        self._chain.set_entry(uuid, entry, calls)

    def _note_agent(self, result: object, calls: Sequence[str]) -> None:
        agent = result.get("agentId") if isinstance(result, Mapping) else None
        if not isinstance(agent, str):
            return
        self._agents_named.add(agent)
        type_ = next(filter(None, map(self._agent_types_asked.get, calls)), None)
        if type_:
            self._agent_types.setdefault(agent, type_)

    def _entry(self, line: Wire, role: str, items: list[Wire], at: datetime | None) -> Entry:
        number, is_summary = line_number(self._where), bool(line.get("isCompactSummary"))
        entry = Entry(self._rows, role, items, at, number, is_summary)
        if self._with_blocks and is_task_notification(items):
            entry.kind, entry.name = "reminder", TASK_NOTIFICATION
        return entry

    def _add_assistant(self, line: Wire, message: Wire, uuid: str, at: datetime | None, where: str) -> None:
        if line.get("isApiErrorMessage"):
            self._failed_calls += 1
            return
        items = [as_sent(item) for item in content_items(message.get("content"))]
        if message.get("model") == SYNTHETIC_MODEL:
            self._chain.set_entry(uuid, self._entry(line, "assistant", items, at))
            return
        id_ = str(message.get("id") or line.get("requestId") or uuid)
        id_ = self._latest.get(id_, id_)
        known = self._responses.get(id_)
        if known is not None and known.is_another_than(line, message, self._between(known, uuid)):
            self._latest[known.plain_id] = id_ = f"{known.plain_id}#{line.get('requestId') or uuid}"
            known = self._responses.get(id_)
        response = known or self._open(id_, line, uuid, where)
        self._chain.set_response(uuid, response)
        if known and line.get("agentId") and line["agentId"] != response.thread:
            # A side conversation repeats the history that it was forked from.
            return
        self._agent_types_asked |= agent_types_asked(items)
        response.add_row(line, items, at, self._shaper.digest if self._with_blocks else quick_digest)
        if self._with_blocks:
            self._maker.note_calls(items)
            if not response.thread:
                self._reminders.note_row(items)

    def _between(self, known: Response, uuid: str) -> Sequence[Entry]:
        """Return the entries on the chain from a response to a row that has its id, too."""
        if self._chain.response_before(uuid) is known:
            return ()
        above = self._chain.above(uuid)
        return above.entries if above.response is known else ()

    def _open(self, id_: str, line: Wire, uuid: str, where: str) -> Response:
        above = self._chain.above(uuid)
        thread = thread_of(line, above)
        request = self._requests.get(line.get("requestRef"))
        if self._with_blocks:
            if not thread and request is None and above.response is not None:
                above = self._with_reminder(above)
            prompt = self._prompts.prompt(above, request)
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
        return replaced(above, entries=(*above.entries, Entry(self._rows, "user", [], None, piece=piece)))

    def _asked_at(self, above: Above[Response], request: Request | None) -> datetime:
        known = utc_time(request.timestamp) if request else None
        asked = known or max((e.at for e in above.entries if e.at), default=None) or self._last_time
        self._undated += asked is None
        return asked or self._written_at

    def settle(self) -> None:
        """Make blocks of what is left, after the last line."""
        for response in self._responses.values():
            if self._with_blocks:
                response.settle(self._maker)
            else:
                response.let_go(self._written)
        self._written.count()

    def name_agents(self, types: Mapping[str, str]) -> None:
        """Take the types of subagents that the files beside theirs tell."""
        self._agent_types |= types

    def let_go(self) -> set[int] | None:
        """Forget all texts, after `settle`; return the numbers of the lines that hold those still needed.

        `take_back` must be given these lines before any other. None if more is needed than such lines.
        """
        is_odd = any(response.other_usage is not None for response in self._responses.values())
        lines = None if is_odd or self._unlogged else self._prompts.let_go()
        if lines is None:
            return None
        self._waiting = self._chain.open_entries()
        for entry in self._waiting.values():
            entry.items = []
        return lines | self._waiting.keys()

    def take_back(self, number: int, line: Wire) -> None:
        """Take the texts of a line that `let_go` returned, in the order of their numbers."""
        if text_of(line.get("type")) in RECORD_TYPES:
            self._requests.add(line, number)
        self._prompts.note_schemas(line, number)
        if (entry := self._waiting.pop(number, None)) is not None:
            entry.items = items_of_row(line)

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
        warnings += self._foreign.warnings(self._name)
        if self._unread:
            warnings.append(
                f"{self._name}: {self._unread} of its rows hold a response in a form that this version "
                "does not know; what they bill is missing."
            )
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


def _holds_usage(line: Wire) -> bool:
    return is_object(line.get("usage")) or is_object(mapping(line.get("message")).get("usage"))

"""The prompts of a Claude Code session: from the rows above a response, or from the record of its request."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from tokenprof.data_classes.frozen import replaced
from tokenprof.harness_adapters.transcripts.claude_code.attachments import loaded_schemas
from tokenprof.harness_adapters.transcripts.claude_code.logged_prompts import (
    LoggedPiece,
    LoggedPrompt,
    PieceMaker,
    joined,
    named,
)
from tokenprof.harness_adapters.transcripts.claude_code.request_records import (
    Request,
    Requests,
    message_hash,
)
from tokenprof.harness_adapters.transcripts.claude_code.responses import Response
from tokenprof.harness_adapters.transcripts.claude_code.row_chain import Above, Entry
from tokenprof.harness_adapters.transcripts.claude_code.row_contents import (
    loaded_without_schema,
    unlogged_after_compaction,
)
from tokenprof.record.block_facts import Shaper
from tokenprof.record.wire_values import Wire


class SessionPrompts:
    """What the prompts of a session are made of: messages, request records, and schemas of deferred tools.

    `name` is the session's.
    """

    def __init__(self, name: str, shaper: Shaper) -> None:
        self._name = name
        self.maker = PieceMaker(shaper)
        self.requests = Requests(self.maker, shaper)
        self._schemas: dict[str, Wire] = {}
        self._schema_lines: set[int] = set()

    def note_schemas(self, row: Wire, number: int) -> None:
        """Note the definitions of tools that a row records, and the number of its line."""
        if found := loaded_schemas(row):
            self._schemas |= found
            self._schema_lines.add(number)

    def let_go(self) -> set[int] | None:
        """Forget texts; return the lines that hold those still needed, None if others are needed too."""
        if self.maker.holds_texts:
            return None
        self._schemas = {}
        return self.requests.let_go() | self._schema_lines

    def prompt(self, above: Above[Response], request: Request | None) -> LoggedPrompt:
        """Return the prompt of a response: what precedes it, or exactly the request if the log has it."""
        history = above.response.prompt if above.response else LoggedPrompt.of(None, ())
        added = self._added_messages(above, self.requests.tools(request))
        if request is None:
            return history.then(history.head, added)
        prompt = self.requests.prompt(request, added) or history.then(None, added)
        return replaced(prompt, head=self.requests.head(request, prompt.loaded))

    def _added_messages(self, above: Above[Response], tools: Sequence[Wire]) -> list[LoggedPiece]:
        """Return the messages between the nearest earlier prompt and the one asked for."""
        messages: list[LoggedPiece] = []
        if above.response is not None:
            items = above.response.items
            above.response.settle(self.maker)
            self._note("assistant", items, above.response.piece)
            messages.append(above.response.piece)
        for role, group in groupby(above.entries, key=lambda entry: entry.role):
            entries = list(group)
            is_noted = bool(self.requests) and all(entry.piece is None for entry in entries)
            items = [item for entry in entries for item in entry.items] if is_noted else []
            pieces = [self._piece_of(entry, tools) for entry in entries]
            message = pieces[0]
            for piece in pieces[1:]:
                message = joined(message, piece)
            self._note(role, items, message)
            messages.append(message)
        return messages

    def _note(self, role: str, items: Sequence[Wire], piece: LoggedPiece) -> None:
        """Let request records find a message of the rows by its hash, if the log has such records."""
        if items and self.requests:
            self.requests.note_message(message_hash(role, items), piece)

    def _piece_of(self, entry: Entry, tools: Sequence[Wire]) -> LoggedPiece:
        if entry.piece is None:
            definitions = tools or tuple(self._schemas.values())
            piece = self.maker.piece(entry.role, entry.items, definitions)
            if entry.is_summary:
                piece = named(piece, "summary", "compaction")
            elif entry.kind is not None:
                piece = named(piece, entry.kind, entry.name)
            more = [] if tools else loaded_without_schema(entry.items, self._schemas)
            if entry.is_summary and not self.requests:
                more.append(unlogged_after_compaction(self._name, entry.order))
            if more:
                piece = replaced(piece, blocks=(*piece.blocks, *more))
            entry.piece = piece
            entry.items = []
        return entry.piece

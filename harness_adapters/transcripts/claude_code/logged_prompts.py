"""Prompts of a Claude Code session as lists of messages; a message that two prompts share is one object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import Any

from tokenprof.data_classes.frozen import frozen, replaced
from tokenprof.data_classes.often_made import often_made
from tokenprof.facts.shared_prefix import Trail, shared_length
from tokenprof.facts.types import Block, BlockKind, Breakpoint
from tokenprof.harness_adapters.wires.anthropic_content import called_tool
from tokenprof.harness_adapters.wires.anthropic_messages import answer_of, message_of, prompt_of
from tokenprof.harness_adapters.wires.progressive_disclosure import skill_of_call
from tokenprof.harness_adapters.wires.prompt_layout import ToolCalled
from tokenprof.harness_adapters.wires.skills_touched import Skills
from tokenprof.record.block_facts import Shaper
from tokenprof.record.wire_values import Wire, content_items, mapping

LONGEST_ARGUMENT = 1000
"""Longer arguments of a call are contents, not names of skills."""

HEADER = "x-anthropic-billing-header: cc_version=2.1.330.000; cc_entrypoint=cli;"
"""Takes the place of the first block of the system prompt, which is sent but not logged (2.1.330)."""
HEADER_NAME = "billing header, not in the log"


@often_made
class LoggedPiece:
    """A wire message as blocks; `ends` holds, per content item, the index of the block that ends it."""

    role: str
    blocks: tuple[Block, ...]
    ends: tuple[int, ...]


@frozen
class Head:
    """Tools and system prompt as blocks, with the breakpoints set on them."""

    blocks: tuple[Block, ...]
    breakpoints: tuple[Breakpoint, ...]


@often_made
class LoggedPrompt:
    """A request's context. Without a `head` the log does not show tools and system prompt.

    `starts` holds the index of each piece's first block among the blocks of all pieces, `loaded` the names
    of the tools whose schemas stand in them. A prompt that extends another one shares both trails with it.
    """

    head: Head | None
    pieces: Trail[LoggedPiece]
    starts: Trail[int]
    loaded: frozenset[str] = frozenset()

    @classmethod
    def of(cls, head: Head | None, pieces: Sequence[LoggedPiece]) -> LoggedPrompt:
        """Return a prompt of these messages."""
        return cls(head, Trail(), Trail()).then(head, pieces)

    def then(self, head: Head | None, more: Sequence[LoggedPiece], kept: int | None = None) -> LoggedPrompt:
        """Return the prompt of the first `kept` messages (None: all of them), followed by `more`."""
        count = len(self.pieces)
        loaded = self.loaded
        if kept is not None and kept < count:
            count = kept
            loaded = _tools_in(self.pieces[:kept])
        at = self.blocks_of(count)
        starts = []
        for piece in more:
            starts.append(at)
            at += len(piece.blocks)
        new = _tools_in(more) - loaded
        return LoggedPrompt(
            head,
            self.pieces.then(count, more),
            self.starts.then(count, starts),
            loaded | new if new else loaded,
        )

    def blocks_of(self, pieces: int) -> int:
        """Return how many blocks the first messages have."""
        return self.starts[pieces - 1] + len(self.pieces[pieces - 1].blocks) if pieces else 0

    def blocks_after(self, kept: int) -> tuple[Block, ...]:
        """Return the blocks after the first `kept`, in the order of the prompt."""
        head = self.head.blocks if self.head else ()
        if kept < len(head):
            return (*head[kept:], *(block for piece in self.pieces for block in piece.blocks))
        kept -= len(head)
        at = max(self.starts.count_below(kept + 1) - 1, 0)
        blocks = [block for piece in self.pieces[at:] for block in piece.blocks]
        return tuple(blocks[kept - self.starts[at] :]) if self.pieces else ()


def shared_blocks(ours: LoggedPrompt, theirs: LoggedPrompt) -> int:
    """Return how many leading blocks two prompts share."""
    our_head = ours.head.blocks if ours.head else ()
    their_head = theirs.head.blocks if theirs.head else ()
    if our_head != their_head:
        return shared_length(our_head, their_head)
    pieces = ours.pieces.shared_with(theirs.pieces)
    shared = ours.blocks_of(pieces)
    if pieces < min(len(ours.pieces), len(theirs.pieces)):
        shared += shared_length(ours.pieces[pieces].blocks, theirs.pieces[pieces].blocks)
    return len(our_head) + shared


def _tools_in(pieces: Iterable[LoggedPiece]) -> frozenset[str]:
    return frozenset(block.name for piece in pieces for block in piece.blocks if block.kind == "tool")


def joined(first: LoggedPiece, second: LoggedPiece) -> LoggedPiece:
    """Return two pieces as one message."""
    if not first.blocks or not second.blocks:
        return first if first.blocks else second
    at = len(first.blocks)
    opening, *others = second.blocks
    if opening.opens_message:
        opening = replaced(opening, opens_message=False)
    blocks = (*first.blocks, opening, *others)
    return LoggedPiece(first.role, blocks, first.ends + tuple(at + end for end in second.ends))


def named(piece: LoggedPiece, kind: BlockKind, name: str) -> LoggedPiece:
    """Return a piece whose blocks have this kind and name."""
    return replaced(piece, blocks=tuple(replaced(block, kind=kind, name=name) for block in piece.blocks))


class PieceMaker:
    """Makes pieces from messages that arrive one at a time, and connects results with earlier calls."""

    def __init__(self, shaper: Shaper):
        self.shaper = shaper
        self._calls: dict[str, ToolCalled] = {}
        self._skills = Skills()
        self._heads: dict[tuple[object, ...], Head] = {}

    def note_calls(self, items: Iterable[Wire]) -> None:
        """Remember the tool calls of an assistant message."""
        for item in items:
            if item.get("type") == "tool_use" and isinstance(item.get("id"), str):
                short = {
                    key: value
                    for key, value in mapping(item.get("input")).items()
                    if isinstance(value, str) and len(value) <= LONGEST_ARGUMENT
                }
                tool = called_tool(item)
                self._calls[item["id"]] = ToolCalled(tool, skill_of_call(tool, short))

    @property
    def holds_texts(self) -> bool:
        """Whether the words of a skill's body are held, to find the calls that touch the skill."""
        return bool(self._skills)

    def piece(self, role: str, items: Sequence[Wire], tools: Sequence[Wire] = ()) -> LoggedPiece:
        """Return a message as a piece. Deferred tools that it references are taken from `tools`."""
        calls = self._answered_by(items)
        blocks, ends = message_of(role, items, self.shaper, skills=self._skills, tools=tools, answered=calls)
        return LoggedPiece(role, blocks, ends)

    def answer(self, items: Sequence[Wire], digests: Sequence[str]) -> tuple[tuple[Block, ...], LoggedPiece]:
        """Return the content of an answer as blocks of output, and as the piece that sends it back.

        `digests` are those of the items, by `Shaper.digest`.
        """
        calls = self._answered_by(items)
        output, blocks = answer_of(items, self.shaper, digests=digests, skills=self._skills, answered=calls)
        return output, LoggedPiece("assistant", blocks, tuple(range(len(blocks))))

    def _answered_by(self, items: Iterable[Wire]) -> dict[str, ToolCalled]:
        known = self._calls
        named = [link for item in items if type(link := item.get("tool_use_id")) is str]
        return {link: known[link] for link in named if link and link in known}

    def head(self, shape_hash: str, shape: Wire, markers: Sequence[Wire], referenced: Set[str]) -> Head:
        """Return tools and system prompt of a request shape, with `cacheControl` markers set on them.

        A deferred tool that the messages reference stands there and not here.
        """
        loaded = sorted(referenced)
        key = (shape_hash, *loaded, *(str(marker) for marker in markers))
        if key not in self._heads:
            self._heads[key] = self._make_head(shape, markers, loaded)
        return self._heads[key]

    def _make_head(self, shape: Wire, markers: Sequence[Wire], loaded: Sequence[str]) -> Head:
        body: dict[str, Any] = {name: content_items(shape.get(name)) for name in ("tools", "system")}
        for marker in markers:
            section, index = marker["path"][:2]
            if section in body and index < len(body[section]):
                body[section][index] = {**body[section][index], "cache_control": marker["value"]}
        is_short = bool(body["system"]) and not _is_header(body["system"][0])
        if is_short:
            body["system"] = [{"type": "text", "text": HEADER}, *body["system"]]
        references = [{"type": "tool_reference", "tool_name": name} for name in loaded]
        body["messages"] = [{"role": "user", "content": [{"type": "tool_result", "content": references}]}]
        prompt = prompt_of(body, self.shaper)
        blocks = tuple(block for block in prompt.blocks if block.section != "messages")
        if is_short:
            first = next(at for at, block in enumerate(blocks) if block.section == "system")
            blocks = (*blocks[:first], replaced(blocks[first], name=HEADER_NAME), *blocks[first + 1 :])
        return Head(blocks, prompt.breakpoints)


def _is_header(block: Wire) -> bool:
    return str(block.get("text")).startswith(HEADER.partition(":")[0])

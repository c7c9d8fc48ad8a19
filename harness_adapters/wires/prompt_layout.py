"""A request as blocks in cache order: what the layouts of all wires have in common.

The prompt is laid out as tools, output schema, instructions, messages: a change in one of them ends the
cached prefix there. The module of each API finds the parts. What a part *is* (a skill, an index, a reminder,
a summary) and which calls touch a skill are decided here, with `progressive_disclosure` and `skills_touched`,
so that every rule holds for every API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import is_
from typing import Any, Literal

import msgspec

from tokenprof.data_classes.frozen import frozen, replaced
from tokenprof.data_classes.often_made import often_made
from tokenprof.facts.labels import labels_given
from tokenprof.facts.types import Block, BlockKind, Breakpoint, Section
from tokenprof.harness_adapters.wires.progressive_disclosure import (
    kind_of_text,
    skill_of_call,
    skill_of_result,
)
from tokenprof.harness_adapters.wires.skills_touched import Skills
from tokenprof.record.block_facts import CallContent, Shaper
from tokenprof.record.wire_values import Objects, Wire, content_items, is_object, sequence, text_of

Ttl = Literal["30m", "12h"]

OPENAI_MARKER = "prompt_cache_breakpoint"
ANTHROPIC_MARKER = "cache_control"
MARKERS = (OPENAI_MARKER, ANTHROPIC_MARKER)
"""Keys that mark a cache breakpoint. Gateways accept Anthropic's in OpenAI's shape, too."""


@often_made
class ToolCalled:
    """A tool call: the tool, and the skill that it loads, if any."""

    tool: str
    skill: str | None


@frozen
class LaidOutPrompt:
    """A request as blocks in cache order.

    The first `head` of them come before the history that the provider holds.
    """

    blocks: tuple[Block, ...]
    breakpoints: tuple[Breakpoint, ...]
    head: int = 0


class PromptLayout(msgspec.Struct, eq=False):
    """Collects the blocks of a request in cache order, and its cache breakpoints.

    `ttl` is the time to live of an OpenAI request, which its breakpoints inherit. `skills` and `tools` are
    those in the context so far, `calls` the tool calls by their ids. `loaded` names the deferred tools whose
    schema stands in the messages. `is_whole` says that all earlier messages are in the request, so that a
    call is known not to touch any skill. `leading` says that all items so far were instructions, and `head`
    how many blocks come before the first that is not one.

    A layout is noted for later prompts with its `start`, what it depends on besides items, and the deferred
    tools that later items load, which decide where tools stand.
    """

    shaper: Shaper
    ttl: Ttl = "30m"
    is_whole: bool = True
    skills: Skills = msgspec.field(default_factory=Skills)
    tools: set[str] = msgspec.field(default_factory=set)
    calls: dict[str, ToolCalled] = msgspec.field(default_factory=dict)
    deferred: dict[str, Wire] = msgspec.field(default_factory=dict)
    loaded: set[str] = msgspec.field(default_factory=set)
    blocks: list[Block] = msgspec.field(default_factory=list)
    breakpoints: list[Breakpoint] = msgspec.field(default_factory=list)
    leading: bool = True
    head: int = 0
    start: tuple[object, ...] = ()
    loaded_later: set[str] = msgspec.field(default_factory=set)
    _instructions: int = 0
    _noted_call: tuple[str, object] = ("", None)
    _is_shared: bool = False
    _noted_sizes: tuple[int, int] = (0, 0)

    def add(
        self,
        kind: BlockKind,
        name: str,
        identity: object,
        *,
        text: str | None = None,
        arguments: str | None = None,
        **shape: Any,
    ) -> None:
        """Add a block; `identity` is what makes two of them the same, `arguments` are a tool call's."""
        if kind == "tool":
            self._own()
            self.tools.add(name)
        block = self.shaper.block(kind, name, identity, text=text, **shape)
        kind = block.kind
        if kind == "tool_result":
            if text:
                said = self.shaper.result_content(block, text)
                block = replaced(block, content_digest=said.content_digest)
        elif kind == "tool_call":
            touched = self.skills.touched_by(name, (text or "") if arguments is None else arguments)
            called = self._content_of(block)
            block = replaced(
                block,
                uses=touched if touched or self.is_whole else None,
                content_digest=called.content_digest if called else None,
                label=called.label if called else None,
            )
        elif kind == "skill" and text:
            self._own()
            # A skill that the user has labelled is named by the label, but its folder is not.
            block = replaced(block, uses=self.skills.add(block.name, text, self.tools, folder=name))
        self.blocks.append(block)

    def add_text(
        self,
        text: str,
        identity: object,
        *,
        role: str,
        section: Section,
        name_of_instructions: str | None = None,
        **shape: Any,
    ) -> None:
        """Add a text as a block of its kind. Plain instructions without a name are numbered."""
        kind, name, children = kind_of_text(text, role, section)
        if section == "system":
            if kind == "system":
                name = name_of_instructions or f"system[{self._instructions}]"
            self._instructions += 1
        self.add(kind, name, identity, role=role, section=section, text=text, children=children, **shape)

    def note_call(self, link: str, tool: str, arguments: object) -> None:
        """Remember a tool call for the result that will answer it."""
        if link:
            self._own()
            self.calls[link] = ToolCalled(tool, skill_of_call(tool, arguments))
            self._noted_call = link, arguments

    def defer(self, name: str, tool: Wire) -> bool:
        """Note a deferred tool; return whether its schema stands in the messages instead."""
        self._own()
        self.deferred[name] = tool
        self.tools.add(name)
        return name in self.loaded

    def let_go(self) -> bool:
        """Forget texts; return whether none are needed any more."""
        self._noted_call = "", None
        return not (self.skills or self.deferred)

    def _content_of(self, call: Block) -> CallContent | None:
        """Return what identifies the arguments of a tool call, and on request a label; None if unknown."""
        link, arguments = self._noted_call
        if not link or link != call.link:
            return None
        # Layouts are noted for later prompts; the arguments are not.
        self._noted_call = "", None
        return self.shaper.call_content(call, self.calls[link].tool, arguments)

    def describe_result(
        self, link: str, text: str | None, otherwise: str, *, is_error: bool = False
    ) -> tuple[BlockKind, str]:
        """Return kind and name of a tool's result: the tool's name, or the skill that the call has loaded.

        `text` is what the model reads of it; `otherwise` names a result whose call is not in the prompt.
        """
        called = self.calls.get(link)
        skill = skill_of_result(text, called.skill if called else None, is_error=is_error)
        if skill:
            return "skill", skill
        return "tool_result", called.tool if called else otherwise

    def mark(self, part: Wire) -> None:
        """Note the cache breakpoint of the part whose block was added last, if it has one."""
        openai, anthropic = part.get(OPENAI_MARKER), part.get(ANTHROPIC_MARKER)
        if (openai is None and anthropic is None) or not self.blocks:
            return
        last = len(self.blocks) - 1
        if isinstance(openai, Mapping):
            self.breakpoints.append(
                Breakpoint(last, "12h" if (openai.get("ttl") or self.ttl) == "12h" else "30m")
            )
        elif isinstance(anthropic, Mapping):
            self.breakpoints.append(Breakpoint(last, "1h" if anthropic.get("ttl") == "1h" else "5m"))

    def noted(self) -> PromptLayout:
        """Return the layout as it is here, from which `continued` goes on.

        The two share what they hold, so that noting a layout takes no longer in a long prompt.
        """
        self._is_shared = True
        self._noted_sizes = len(self.blocks), len(self.breakpoints)
        return self._copied()

    def continued(self) -> PromptLayout:
        """Return a layout that goes on from one that was noted."""
        goes_on = self._copied()
        blocks, breakpoints = self._noted_sizes
        goes_on.blocks, goes_on.breakpoints = self.blocks[:blocks], self.breakpoints[:breakpoints]
        return goes_on

    def _copied(self) -> PromptLayout:
        copied: PromptLayout = self.__copy__()  # type: ignore[attr-defined]
        return copied

    def _own(self) -> None:
        """Have what is about to change to itself; blocks and breakpoints only grow."""
        if self._is_shared:
            self._is_shared = False
            self.skills, self.tools = self.skills.copied(), set(self.tools)
            self.calls, self.deferred = dict(self.calls), dict(self.deferred)

    def prompt(self) -> LaidOutPrompt:
        """Return what was collected."""
        return LaidOutPrompt(tuple(self.blocks), tuple(self.breakpoints), self.head)


NOTED_ITEMS = 6
"""After how many of the last items of a prompt its layout is noted: cache markers move among those."""


class RepeatedItems:
    """The items of a prompt, with the layouts after some of them that an earlier prompt has left.

    `start` is what a layout depends on besides its items. `referenced` returns the deferred tools that items
    bring in; unless `may_defer`, the items themselves have no further ones.
    """

    __slots__ = ("_items", "_may_defer", "_noted", "_referenced", "_start")

    def __init__(
        self,
        start: tuple[object, ...],
        items: Sequence[Wire],
        referenced: Callable[[Sequence[Wire]], set[str]],
        *,
        may_defer: bool = False,
    ) -> None:
        self._start = (labels_given(), *start)
        self._items = items
        self._referenced = referenced
        self._may_defer = may_defer
        self._noted: list[tuple[int, PromptLayout]] | None = items.noted if type(items) is Objects else None

    def latest(self) -> tuple[int, PromptLayout | None]:
        """Return how many items an earlier prompt had too, and a layout that goes on after them."""
        for count, noted in reversed(self._noted or ()):
            if all(map(is_, noted.start, self._start)):
                loaded = self._loaded_after(count, noted)
                fits = noted.loaded_later <= loaded <= noted.loaded
                return (count, noted.continued()) if fits else (0, None)
        return 0, None

    def note(self, count: int, layout: PromptLayout) -> None:
        """Note a layout after `count` items, if those that follow may change with the next prompt."""
        if self._noted is not None and len(self._items) - NOTED_ITEMS <= count:
            layout.start, layout.loaded_later = self._start, self._loaded_after(count, layout)
            self._noted.append((count, layout.noted()))
            del self._noted[:-NOTED_ITEMS]

    def _loaded_after(self, count: int, layout: PromptLayout) -> set[str]:
        return self._referenced(self._items[count:]) if self._may_defer or layout.deferred else set()


def without_markers(part: Wire) -> Wire:
    """Return a part without its marker: a moved marker changes no block."""
    return {key: value for key, value in part.items() if key not in MARKERS}


def references_in(content: object) -> list[str]:
    """Return the deferred tools that a tool's result brings into the context by reference."""
    if type(content) is str:
        return []
    inner = content.get("tool_references") if is_object(content) else content
    return [
        text_of(part.get("tool_name")) or text_of(part.get("name"))
        for part in sequence(inner)
        if part.get("type") == "tool_reference"
    ]


def referenced_tools(messages: Iterable[Wire]) -> set[str]:
    """Return the deferred tools that any message brings in: by a result's reference, or by an addition."""
    names: set[str] = set()
    for message in messages:
        content = message.get("content")
        if type(content) is str:
            continue
        names.update(references_in(content))
        for item in content_items(content):
            inner = item.get("content")
            if inner is not None and type(inner) is not str:
                names.update(references_in(inner))
            if item.get("type") == "tool_addition" and item.get("tool_name"):
                names.add(text_of(item["tool_name"]))
    return names

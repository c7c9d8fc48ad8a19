"""A request as blocks in cache order: what the layouts of all wires have in common.

The prompt is laid out as tools, output schema, instructions, messages: a change in one of them ends the
cached prefix there. The module of each API finds the parts. What a part *is* (a skill, an index, a reminder,
a summary) and which calls touch a skill are decided here, with `progressive_disclosure` and `skills_touched`,
so that every rule holds for every API.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import is_
from typing import Any, Literal
from weakref import WeakKeyDictionary

from tokenprof.facts.labels import labels_given
from tokenprof.facts.quick_making import quickly_made, replaced
from tokenprof.facts.types import Block, BlockKind, Breakpoint, Section
from tokenprof.harness_adapters.wires.progressive_disclosure import (
    kind_of_text,
    skill_of_call,
    skill_of_result,
)
from tokenprof.harness_adapters.wires.skills_touched import Skills
from tokenprof.record.block_facts import CallContent, Shaper
from tokenprof.record.wire_values import Objects, Wire, content_items, mapping, sequence, text_of

Ttl = Literal["30m", "12h"]

MARKERS = ("prompt_cache_breakpoint", "cache_control")
"""Keys that mark a cache breakpoint: OpenAI's, and Anthropic's, which gateways accept in OpenAI's shape."""


@quickly_made
@dataclass(frozen=True, slots=True)
class ToolCalled:
    """A tool call: the tool, and the skill that it loads, if any."""

    tool: str
    skill: str | None


@dataclass(frozen=True, slots=True)
class LaidOutPrompt:
    """A request as blocks in cache order.

    The first `head` of them come before the history that the provider holds.
    """

    blocks: tuple[Block, ...]
    breakpoints: tuple[Breakpoint, ...]
    head: int = 0


@dataclass(slots=True)
class PromptLayout:
    """Collects the blocks of a request in cache order, and its cache breakpoints.

    `ttl` is the time to live of an OpenAI request, which its breakpoints inherit. `skills` and `tools` are
    those in the context so far, `calls` the tool calls by their ids. `loaded` names the deferred tools whose
    schema stands in the messages. `is_whole` says that all earlier messages are in the request, so that a
    call is known not to touch any skill.
    """

    shaper: Shaper
    ttl: Ttl = "30m"
    is_whole: bool = True
    skills: Skills = field(default_factory=Skills)
    tools: set[str] = field(default_factory=set)
    calls: dict[str, ToolCalled] = field(default_factory=dict)
    deferred: dict[str, Wire] = field(default_factory=dict)
    loaded: set[str] = field(default_factory=set)
    blocks: list[Block] = field(default_factory=list)
    breakpoints: list[Breakpoint] = field(default_factory=list)
    _instructions: int = 0
    _noted: tuple[str, object] = ("", None)
    _shares_calls: bool = False
    _blocks_when_noted: int = 0

    def add(
        self, kind: BlockKind, name: str, identity: object, *, arguments: str | None = None, **shape: Any
    ) -> None:
        """Add a block; `identity` is what makes two of them the same, `arguments` are a tool call's."""
        block = self.shaper.block(kind, name, identity, **shape)
        text = text_of(shape.get("text"))
        if block.kind == "tool":
            self.tools.add(name)
        elif block.kind == "skill" and text:
            # A skill that the user has labelled is named by the label, but its folder is not.
            block = replaced(block, uses=self.skills.add(block.name, text, self.tools, folder=name))
        elif block.kind == "tool_call":
            touched = self.skills.touched_by(name, text if arguments is None else arguments)
            said = self._content_of(block)
            block = replaced(
                block,
                uses=touched if touched or self.is_whole else None,
                content_digest=said.content_digest if said else None,
                label=said.label if said else None,
            )
        elif block.kind == "tool_result" and text:
            said = self.shaper.result_content(block, text)
            block = replaced(block, content_digest=said.content_digest)
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
        shape = {"role": role, "section": section, "text": text, "children": children, **shape}
        self.add(kind, name, identity, **shape)

    def note_call(self, link: str, tool: str, arguments: object) -> None:
        """Remember a tool call for the result that will answer it."""
        if self._shares_calls:
            self.calls, self._shares_calls = dict(self.calls), False
        if link:
            self.calls[link] = ToolCalled(tool, skill_of_call(tool, arguments))
            self._noted = link, arguments

    def _content_of(self, call: Block) -> CallContent | None:
        """Return what identifies the arguments of a tool call, and on request a label; None if unknown."""
        link, arguments = self._noted
        if not link or link != call.link:
            return None
        # Layouts are kept for later prompts; the arguments are not.
        self._noted = "", None
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
        openai, anthropic = (part.get(marker) for marker in MARKERS)
        if not self.blocks:
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

        It shares what only grows, so that noting a layout takes no longer in a long prompt.
        """
        self._shares_calls = True
        return self._copied(self.blocks)

    def continued(self) -> PromptLayout:
        """Return a layout that goes on from one that was noted."""
        return self._copied(self.blocks[: self._blocks_when_noted])

    def _copied(self, blocks: list[Block]) -> PromptLayout:
        # Written out: `replace` takes several times as long.
        return PromptLayout(
            self.shaper,
            self.ttl,
            self.is_whole,
            self.skills.copied(),
            set(self.tools),
            self.calls,
            dict(self.deferred),
            set(self.loaded),
            blocks,
            list(self.breakpoints),
            self._instructions,
            _shares_calls=self._shares_calls,
            _blocks_when_noted=len(blocks),
        )

    def prompt(self, head: int = 0) -> LaidOutPrompt:
        """Return what was collected."""
        return LaidOutPrompt(tuple(self.blocks), tuple(self.breakpoints), head)


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A layout after the first `count` of some items; `leading` says whether all were instructions."""

    start: tuple[object, ...]
    items: Sequence[Wire]
    count: int
    labels: int
    layout: PromptLayout
    leading: bool
    head: int

    def fits(self, start: tuple[object, ...], items: Sequence[Wire]) -> bool:
        """Whether a prompt begins like that of this checkpoint."""
        last = self.count - 1
        if last >= len(items) or self.items[last] is not items[last]:
            return False
        if self.labels != labels_given() or not all(map(is_, self.start, start)):
            return False
        are_repeated = type(items) is Objects and type(self.items) is Objects
        return are_repeated or all(map(is_, self.items[: self.count], items))


CHECKPOINTS = 6
"""How many of the last items of a prompt have a checkpoint before them: cache markers move among those."""

MOST_CHECKPOINTS = 8 * CHECKPOINTS


class Checkpoints:
    """Layouts of earlier prompts, from which a prompt that repeats them goes on.

    Items are the same only if they are the same objects, as `RepeatedBodies` makes them: where two of its
    bodies have an object in the same place, they have all objects before it in common.
    """

    def __init__(self) -> None:
        self._kept: deque[Checkpoint] = deque(maxlen=MOST_CHECKPOINTS)

    def nearest(
        self,
        start: tuple[object, ...],
        items: Sequence[Wire],
        referenced: Callable[[Sequence[Wire]], set[str]],
    ) -> Checkpoint | None:
        """Return the checkpoint after the most items of a prompt, with a layout of its own, if one fits.

        `start` is what the layout depends on besides its items. `referenced` returns the deferred tools
        that items bring in, which decide where the tools stand.
        """
        best: Checkpoint | None = None
        for kept in reversed(self._kept):
            if (best is None or kept.count > best.count) and kept.fits(start, items):
                best = kept
        if best is None:
            return None
        then, here = referenced(best.items[best.count :]), referenced(items[best.count :])
        if not (then <= here <= best.layout.loaded):
            return None
        return replace(best, layout=best.layout.continued())

    def keep(
        self,
        start: tuple[object, ...],
        items: Sequence[Wire],
        count: int,
        layout: PromptLayout,
        *,
        leading: bool = False,
        head: int = 0,
    ) -> None:
        """Remember a layout after `count` items, if those that follow may change with the next prompt."""
        if len(items) - CHECKPOINTS <= count and count:
            self._kept.append(Checkpoint(start, items, count, labels_given(), layout.noted(), leading, head))


_checkpoints: WeakKeyDictionary[Shaper, Checkpoints] = WeakKeyDictionary()


def checkpoints_of(shaper: Shaper) -> Checkpoints:
    """Return the checkpoints of the prompts that a shaper has seen."""
    return _checkpoints.setdefault(shaper, Checkpoints())


def without_markers(part: Wire) -> Wire:
    """Return a part without its marker: a moved marker changes no block."""
    return {key: value for key, value in part.items() if key not in MARKERS}


def references_in(content: object) -> list[str]:
    """Return the deferred tools that a tool's result brings into the context by reference."""
    inner = mapping(content).get("tool_references") if isinstance(content, Mapping) else content
    return [
        text_of(part.get("tool_name")) or text_of(part.get("name"))
        for part in sequence(inner)
        if part.get("type") == "tool_reference"
    ]


def referenced_tools(messages: Iterable[Wire]) -> set[str]:
    """Return the deferred tools that any message brings in: by a result's reference, or by an addition."""
    names: set[str] = set()
    for message in messages:
        names.update(references_in(message.get("content")))
        for item in content_items(message.get("content")):
            names.update(references_in(item.get("content")))
            if item.get("type") == "tool_addition" and item.get("tool_name"):
                names.add(text_of(item["tool_name"]))
    return names

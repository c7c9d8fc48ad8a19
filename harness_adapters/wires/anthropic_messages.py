"""The Anthropic Messages wire shape: request and response content into blocks.

The prompt is laid out in the order in which it is cached: tools, then system, then messages. Cache
markers are taken off the content (a moved marker changes no block) and returned as breakpoints.
Shared by the SDK adapter, the proxy and the Claude Code reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenprof.facts.types import Block, BlockKind, Breakpoint, Section
from tokenprof.harness_adapters.wires import progressive_disclosure as progressive
from tokenprof.pricing.selectors import Selectors
from tokenprof.record.block_facts import Shaper, json_text

TOOL_FIELDS = ("name", "description", "input_schema", "type", "input_examples")

SETTINGS = (
    "model",
    "tool_choice",
    "thinking",
    "output_config",
    "output_format",
    "speed",
    "context_management",
)
"""Request parameters outside the blocks that can end a cached prefix when they change."""

Wire = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MessagesPrompt:
    """A request as blocks in cache order, with its breakpoints."""

    blocks: tuple[Block, ...]
    breakpoints: tuple[Breakpoint, ...]


@dataclass(frozen=True, slots=True)
class _Call:
    """A tool call seen earlier in the prompt, by its id."""

    tool: str
    arguments: object


class _Layout:
    """Collects blocks in cache order and notes where the markers stand."""

    def __init__(self, shaper: Shaper, skills: progressive.Skills):
        self.shaper = shaper
        self.skills = skills
        self.tools: set[str] = set()
        self.blocks: list[Block] = []
        self.breakpoints: list[Breakpoint] = []
        self.calls: dict[str, _Call] = {}
        self.deferred: dict[str, Wire] = {}

    def add(
        self, kind: BlockKind, name: str, content: Wire, marker: Wire | None = None, **shape: Any
    ) -> None:
        text = shape.get("text")
        if kind == "skill" and text:
            shape["uses"] = self.skills.add(name, text, self.tools)
        elif kind == "tool_call":
            shape["uses"] = self.skills.touched_by(name, text or "")
        self.blocks.append(self.shaper.block(kind, name, content, **shape))
        self.mark(marker)

    def mark(self, marker: Wire | None) -> None:
        if isinstance(marker, Mapping) and self.blocks:
            last = len(self.blocks) - 1
            self.breakpoints.append(Breakpoint(last, "1h" if marker.get("ttl") == "1h" else "5m"))


def prompt_of(body: Wire, shaper: Shaper, skills: progressive.Skills | None = None) -> MessagesPrompt:
    """Return the blocks and breakpoints of a `POST /v1/messages` body.

    `skills` are those that stand in the context already, where the body is only a part of it.
    """
    layout = _Layout(shaper, skills or progressive.Skills())
    messages = _sequence(body.get("messages"))
    referenced = _referenced_tools(messages)
    for tool in _sequence(body.get("tools")):
        _add_tool(layout, tool, referenced)
    for index, block in enumerate(_content(body.get("system"))):
        _add_system(layout, block, index)
    for message in messages:
        _add_message(layout, message)
    if isinstance(body.get("cache_control"), Mapping):
        layout.mark(body["cache_control"])
    return MessagesPrompt(tuple(layout.blocks), tuple(layout.breakpoints))


def output_of(content: object, shaper: Shaper) -> tuple[Block, ...]:
    """Return the blocks of a response's content, in order, as blocks of kind `output`."""
    blocks = []
    for index, (block, _) in enumerate(map(_split_marker, _content(content))):
        kind, name, text = _describe_assistant(block)
        blocks.append(
            shaper.block(
                "output",
                name,
                block,
                role="reasoning" if kind == "thinking" else "assistant",
                opens_message=index == 0,
                text=text,
                link=_text(block.get("id")) or None,
            )
        )
    return tuple(blocks)


def message_blocks(messages: Sequence[Wire], shaper: Shaper) -> tuple[Block, ...]:
    """Return the blocks of messages alone (a history that a transcript shows without its tools)."""
    return prompt_of({"messages": messages}, shaper).blocks


def settings_of(body: Wire, shaper: Shaper) -> dict[str, str]:
    """Return a digest of each request parameter that is part of the cache key."""
    return {name: shaper.digest(body[name]) for name in SETTINGS if body.get(name) is not None}


def selectors_of(usage: Wire) -> Selectors:
    """Return what the usage of a response says was served."""
    tier = _text(usage.get("service_tier")) or None
    speed, region = _text(usage.get("speed")) or None, _text(usage.get("inference_geo")) or None
    return Selectors(tier, speed, region, batch=tier == "batch")


def cache_miss_of(diagnostics: object) -> tuple[str | None, int | None]:
    """Return the provider's own reason for a cache miss and the tokens it names; None where it gives none."""
    reason = diagnostics.get("cache_miss_reason") if isinstance(diagnostics, Mapping) else None
    if not isinstance(reason, Mapping):
        return None, None
    tokens = reason.get("cache_missed_input_tokens")
    return str(reason.get("type")), tokens if isinstance(tokens, int) else None


def _add_tool(layout: _Layout, tool: Wire, referenced: frozenset[str]) -> None:
    tool, marker = _split_marker(tool)
    name = tool_name(tool)
    layout.tools.add(name)
    deferred = bool(tool.get("defer_loading"))
    if deferred:
        layout.deferred[name] = tool
        if name in referenced:
            return
    _place_tool(layout, tool, marker, section="tools", deferred=deferred)


def _place_tool(
    layout: _Layout, tool: Wire, marker: Wire | None, *, section: Section, deferred: bool, opens: bool = False
) -> None:
    layout.add(
        "tool",
        tool_name(tool),
        tool,
        marker,
        section=section,
        role="tools",
        opens_message=opens,
        text=json_text({key: value for key, value in tool.items() if key in TOOL_FIELDS}),
        deferred=deferred,
        fields=[key for key in tool if key != "defer_loading"],
    )


def tool_name(tool: Wire) -> str:
    """Return the name a tool definition goes by: its own, its MCP server's, or its type."""
    server = tool.get("mcp_server_name")
    if server:
        return f"mcp__{server}"
    return _text(tool.get("name")) or _text(tool.get("type")) or "tool"


def _add_system(layout: _Layout, block: Wire, index: int) -> None:
    block, marker = _split_marker(block)
    text = _text(block.get("text"))
    kind, children = _kind_of_instructions(text, "system")
    layout.add(
        kind,
        f"system[{index}]" if kind == "system" else kind,
        block,
        marker,
        section="system",
        role="system",
        opens_message=index == 0,
        text=text,
        children=children,
    )


def _kind_of_instructions(text: str, otherwise: BlockKind) -> tuple[BlockKind, list[tuple[str, str]]]:
    entries = progressive.index_entries(text)
    if progressive.is_mostly_index(text, entries):
        return "skills_index", entries
    if progressive.is_memory(text):
        return "memory", []
    return otherwise, entries


def _add_message(layout: _Layout, message: Wire) -> None:
    role = _text(message.get("role"))
    for index, block in enumerate(_content(message.get("content"))):
        block, marker = _split_marker(block)
        opens = index == 0
        if role == "assistant":
            _add_assistant(layout, block, marker, opens)
        else:
            _add_input(layout, block, marker, role, opens)


def _add_assistant(layout: _Layout, block: Wire, marker: Wire | None, opens: bool) -> None:
    kind, name, text = _describe_assistant(block)
    link = _text(block.get("id")) or _text(block.get("tool_use_id"))
    if kind == "tool_call" and link:
        layout.calls[link] = _Call(name, block.get("input"))
    if kind == "tool_result":
        name = layout.calls[link].tool if link in layout.calls else name
    layout.add(kind, name, block, marker, role="assistant", opens_message=opens, text=text, link=link or None)
    _place_references(layout, block)


def _describe_assistant(block: Wire) -> tuple[BlockKind, str, str | None]:
    """Return kind, name and the text the model reads of a block of an assistant message."""
    type_ = _text(block.get("type"))
    if type_ == "text":
        return "assistant", "text", _text(block.get("text"))
    if type_ == "thinking":
        # An omitted or summarised thinking text is not what is billed; its bytes are all that is known.
        return "thinking", "thinking", _text(block.get("thinking"))
    if type_ == "redacted_thinking":
        return "thinking", "thinking", None
    if type_.endswith("tool_use"):
        return "tool_call", _text(block.get("name")) or type_, json_text(block.get("input") or {})
    if type_.endswith("tool_result"):
        return "tool_result", type_, _result_text(block.get("content"))
    if type_ == "compaction":
        return "summary", "compaction", _text(block.get("content"))
    if type_ == "mcp_tool_listing":
        return "tool", _text(block.get("server_name")) or type_, json_text(block)
    return "assistant", type_ or "assistant", json_text(block)


def _add_input(layout: _Layout, block: Wire, marker: Wire | None, role: str, opens: bool) -> None:
    type_ = _text(block.get("type"))
    shape: dict[str, Any] = {"role": role, "opens_message": opens}
    if type_ == "tool_result" or type_.endswith("_tool_result"):
        _add_tool_result(layout, block, marker, shape)
    elif type_ == "text":
        text = _text(block.get("text"))
        kind, name, children = _describe_input_text(text, role)
        layout.add(kind, name, block, marker, text=text, children=children, **shape)
    elif type_ == "image":
        layout.add("image", "image", block, marker, **shape)
    elif type_ in ("document", "search_result", "container_upload"):
        layout.add("document", type_, block, marker, text=_document_text(block), **shape)
    elif type_ in ("tool_addition", "tool_removal"):
        _add_tool_change(layout, block, marker, opens)
    else:
        layout.add("user", type_ or "user", block, marker, text=json_text(block), **shape)


def _describe_input_text(text: str, role: str) -> tuple[BlockKind, str, list[tuple[str, str]]]:
    skill = progressive.skill_body_name(text)
    if skill:
        return "skill", skill, []
    if progressive.is_summary(text):
        return "summary", "compaction", []
    kind, entries = _kind_of_instructions(text, "reminder" if role == "system" else "user")
    if kind == "user" and progressive.is_reminder(text):
        kind = "reminder"
    return kind, kind, entries


def _add_tool_result(layout: _Layout, block: Wire, marker: Wire | None, shape: dict[str, Any]) -> None:
    link = _text(block.get("tool_use_id"))
    call = layout.calls.get(link)
    text = _result_text(block.get("content"))
    kind: BlockKind = "tool_result"
    name = call.tool if call else "tool_result"
    skill = progressive.skill_body_name(text or "")
    if call and not skill:
        skill = progressive.skill_of_call(call.tool, call.arguments)
    if skill and text and not progressive.is_launch_notice(text) and not block.get("is_error"):
        kind, name = "skill", skill
    layout.add(kind, name, block, marker, text=text, link=link or None, **shape)
    _place_references(layout, block)


def _place_references(layout: _Layout, block: Wire) -> None:
    """Put each deferred schema that a result references at the place of the reference."""
    for name in _references(block):
        if name in layout.deferred:
            _place_tool(layout, layout.deferred[name], None, section="messages", deferred=False)


def _add_tool_change(layout: _Layout, block: Wire, marker: Wire | None, opens: bool) -> None:
    definition = block.get("tool_definition") or block.get("tool") or block
    name = _text(block.get("tool_name")) or tool_name(definition)
    if definition is block and name in layout.deferred and block.get("type") == "tool_addition":
        definition = layout.deferred[name]
    _place_tool(layout, {**definition, "name": name}, marker, section="messages", deferred=False, opens=opens)


def _referenced_tools(messages: Iterable[Wire]) -> frozenset[str]:
    names: set[str] = set()
    for message in messages:
        for block in _content(message.get("content")):
            names.update(_references(block))
            if block.get("type") == "tool_addition" and block.get("tool_name"):
                names.add(_text(block["tool_name"]))
    return frozenset(names)


def _references(block: Wire) -> list[str]:
    """Return the tools that a tool result brings into the context by reference."""
    content = block.get("content")
    found: list[str] = []
    parts = (
        _sequence(content) if not isinstance(content, Mapping) else _sequence(content.get("tool_references"))
    )
    for part in parts:
        if part.get("type") == "tool_reference":
            found.append(_text(part.get("tool_name")) or _text(part.get("name")))
    return found


def _result_text(content: object) -> str | None:
    """Return what the model reads of a tool result; None where it is only an image."""
    if isinstance(content, str):
        return content
    parts = [block for block in _content(content) if block.get("type") != "tool_reference"]
    texts = [_text(part.get("text")) if part.get("type") == "text" else "" for part in parts]
    opaque = [part for part in parts if part.get("type") in ("image", "document")]
    if opaque and not any(texts):
        return None
    others = [json_text(part) for part in parts if part.get("type") not in ("text", "image", "document")]
    return "\n".join(filter(None, [*texts, *others]))


def _document_text(block: Wire) -> str | None:
    source = block.get("source")
    if isinstance(source, Mapping) and source.get("type") == "text":
        return _text(source.get("data"))
    if isinstance(source, Mapping) and source.get("type") == "content":
        return _result_text(source.get("content"))
    return json_text(block) if block.get("type") == "search_result" else None


def _split_marker(block: Wire) -> tuple[Wire, Wire | None]:
    """Take `cache_control` off a block and the parts of its content; return the outermost marker found."""
    marker = block.get("cache_control")
    if "cache_control" in block:
        block = {key: value for key, value in block.items() if key != "cache_control"}
    content = block.get("content")
    if isinstance(content, list) and any(isinstance(p, Mapping) and "cache_control" in p for p in content):
        inner = [_split_marker(part) if isinstance(part, Mapping) else (part, None) for part in content]
        block = {**block, "content": [part for part, _ in inner]}
        marker = marker or next((found for _, found in reversed(inner) if found), None)
    return block, marker


def _content(value: object) -> list[Wire]:
    """Return content as a list of blocks; a bare string is one text block."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if isinstance(value, Mapping):
        return [value]
    return [
        block if isinstance(block, Mapping) else {"type": "text", "text": str(block)}
        for block in (value if isinstance(value, list | tuple) else [])
    ]


def _sequence(value: object) -> list[Wire]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

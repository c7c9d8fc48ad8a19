"""The Anthropic Messages API: the content of requests and responses as blocks.

The prompt is laid out in the order in which it is cached: tools, then system, then messages. Cache markers
are taken off the content and returned as breakpoints. The SDK adapter, the proxy, Bedrock's Converse and the
Claude Code reader share this module.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from tokenprof.data_classes.often_made import often_made
from tokenprof.facts.types import Block, BlockKind, Section
from tokenprof.harness_adapters.wires.anthropic_content import (
    describe_written,
    split_marker,
    text_of_document,
    text_of_result,
    tool_name,
)
from tokenprof.harness_adapters.wires.prompt_layout import (
    LaidOutPrompt,
    PromptLayout,
    RepeatedItems,
    ToolCalled,
    referenced_tools,
    references_in,
)
from tokenprof.harness_adapters.wires.skills_touched import Skills
from tokenprof.pricing.selectors import Selectors
from tokenprof.record.block_facts import Shaper, json_text
from tokenprof.record.wire_values import Wire, content_items, is_object, mapping, sequence, text_of

TOOL_FIELDS = ("name", "description", "input_schema", "type", "input_examples")
"""The keys of a tool definition that the model reads."""

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


def prompt_of(body: Wire, shaper: Shaper) -> LaidOutPrompt:
    """Return the blocks and breakpoints of a `POST /v1/messages` body."""
    messages = sequence(body.get("messages"))
    start = (body.get("thread"), body.get("tools"), body.get("system"))
    repeated = RepeatedItems(start, messages, referenced_tools)
    known, layout = repeated.latest()
    if layout is None:
        layout = _head_of(body, messages, shaper)
    for place in range(known, len(messages)):
        _add_message(layout, messages[place])
        repeated.note(place + 1, layout)
    layout.mark(body)
    return layout.prompt()


def _head_of(body: Wire, messages: Sequence[Wire], shaper: Shaper) -> PromptLayout:
    """Return the layout of what comes before the messages."""
    is_whole = mapping(body.get("thread")).get("type") != "continue"
    layout = PromptLayout(shaper, is_whole=is_whole)
    layout.loaded |= referenced_tools(messages)
    for tool in sequence(body.get("tools")):
        _add_tool(layout, tool)
    for index, block in enumerate(content_items(body.get("system"))):
        bare, marker = split_marker(block)
        text = text_of(bare.get("text"))
        layout.add_text(text, bare, role="system", section="system", opens_message=index == 0)
        layout.mark(marker)
    return layout


def message_of(
    role: str,
    items: Sequence[Wire],
    shaper: Shaper,
    *,
    skills: Skills,
    tools: Sequence[Wire] = (),
    answered: Mapping[str, ToolCalled] | None = None,
) -> tuple[tuple[Block, ...], tuple[int, ...]]:
    """Return the blocks of one message of a context, and the index of the block that ends each item of it.

    `skills` are those in the context so far, `tools` its tools, and `answered` the calls that the message
    answers, by their ids.
    """
    layout = PromptLayout(shaper, skills=skills, tools={tool_name(tool) for tool in tools})
    deferred = [tool for tool in tools if tool.get("defer_loading")]
    if deferred:
        layout.loaded |= referenced_tools([{"content": items}])
    for tool in deferred:
        _add_tool(layout, tool)
    layout.calls |= answered or {}
    add = _add_written if role == "assistant" else _add_input
    start, ends = len(layout.blocks), []
    for index, item in enumerate(items):
        bare, _ = split_marker(item)
        add(layout, bare, role, index == 0)
        ends.append(len(layout.blocks) - 1 - start)
        if layout.deferred:
            _place_references(layout, bare)
    return tuple(layout.blocks[start:]), tuple(ends)


def output_of(content: object, shaper: Shaper) -> tuple[Block, ...]:
    """Return the blocks of a response's content, in order, as blocks of kind `output`."""
    output: list[Block] = []
    for item in content_items(content):
        output.append(_output_block(shaper, _written(split_marker(item)[0]), opens=not output))
    return tuple(output)


def answer_of(
    items: Sequence[Wire],
    shaper: Shaper,
    *,
    digests: Sequence[str],
    skills: Skills,
    answered: Mapping[str, ToolCalled] | None = None,
) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """Return the blocks of an answer's content: as output, and in a prompt that sends it back.

    They are those of `output_of` and of `message_of`, made from one look at each item. `digests` are those
    of the items, by `Shaper.digest`.
    """
    layout = PromptLayout(shaper, skills=skills)
    layout.calls |= answered or {}
    output: list[Block] = []
    for item, digest in zip(items, digests, strict=True):
        bare, _ = split_marker(item)
        written = _written(bare, digest if bare is item else None)
        output.append(_output_block(shaper, written, opens=not output))
        _place_written(layout, written, opens=not layout.blocks)
    return tuple(output), tuple(layout.blocks)


@often_made
class _Written:
    """A block of an assistant message: its content without marker, and what the model has written in it."""

    bare: Wire
    kind: BlockKind
    name: str
    text: str | None
    digest: str | None


def _written(bare: Wire, digest: str | None = None) -> _Written:
    return _Written(bare, *describe_written(bare), digest)


def _output_block(shaper: Shaper, written: _Written, opens: bool) -> Block:
    return shaper.block(
        "output",
        written.name,
        written.bare,
        role="reasoning" if written.kind == "thinking" else "assistant",
        opens_message=opens,
        text=written.text,
        link=text_of(written.bare.get("id")) or None,
        known_digest=written.digest,
    )


def answer_as_prompt(content: object, shaper: Shaper) -> tuple[Block, ...]:
    """Return an answer's content as the blocks of a later prompt that sends it back."""
    layout = PromptLayout(shaper, is_whole=False)
    _add_message(layout, {"role": "assistant", "content": content})
    return tuple(layout.blocks)


def settings_of(body: Wire, shaper: Shaper) -> dict[str, str]:
    """Return a digest of each request parameter that is part of the cache key."""
    return {name: shaper.digest(body[name]) for name in SETTINGS if body.get(name) is not None}


def selectors_of(usage: Wire) -> Selectors:
    """Return the price selectors as served, from the usage of a response."""
    served = [usage.get(key) for key in ("service_tier", "speed", "inference_geo")]
    return _selectors(*[value if isinstance(value, str) and value else None for value in served])


@functools.lru_cache(maxsize=256)
def _selectors(tier: str | None, speed: str | None, region: str | None) -> Selectors:
    return Selectors(tier, speed, region, batch=tier == "batch")


def cache_miss_of(diagnostics: object) -> tuple[str | None, int | None]:
    """Return the provider's reason for a cache miss and the tokens missed; None for what it does not say."""
    reason = mapping(diagnostics).get("cache_miss_reason") if diagnostics is not None else None
    if reason is None or not is_object(reason):
        return None, None
    tokens = reason.get("cache_missed_input_tokens")
    return str(reason.get("type")), tokens if isinstance(tokens, int) else None


def _add_tool(layout: PromptLayout, tool: Wire) -> None:
    tool, marker = split_marker(tool)
    is_deferred = bool(tool.get("defer_loading"))
    if is_deferred and layout.defer(tool_name(tool), tool):
        return
    _place_tool(layout, tool, section="tools", deferred=is_deferred)
    layout.mark(marker)


def _place_tool(
    layout: PromptLayout, tool: Wire, *, section: Section, deferred: bool, opens: bool = False
) -> None:
    layout.add(
        "tool",
        tool_name(tool),
        tool,
        section=section,
        role="tools",
        opens_message=opens,
        text=json_text({key: value for key, value in tool.items() if key in TOOL_FIELDS}),
        deferred=deferred,
        fields=[key for key in tool if key != "defer_loading"],
    )


def _add_message(layout: PromptLayout, message: Wire) -> None:
    role = text_of(message.get("role"))
    add = _add_written if role == "assistant" else _add_input
    opens = True
    for item in content_items(message.get("content")):
        bare, marker = split_marker(item)
        add(layout, bare, role, opens)
        if marker:
            layout.mark(marker)
        if layout.deferred:
            _place_references(layout, bare)
        opens = False


def _add_written(layout: PromptLayout, block: Wire, _: str, opens: bool) -> None:
    _place_written(layout, _written(block), opens)


def _place_written(layout: PromptLayout, written: _Written, opens: bool) -> None:
    block, kind, name, text = written.bare, written.kind, written.name, written.text
    link = text_of(block.get("id")) or text_of(block.get("tool_use_id"))
    if kind == "tool_call":
        layout.note_call(link, name, block.get("input"))
    elif kind == "tool_result":
        kind, name = layout.describe_result(link, text, name, is_error=_is_error(block))
    layout.add(
        kind,
        name,
        block,
        role="assistant",
        opens_message=opens,
        text=text,
        link=link or None,
        known_digest=written.digest,
    )


def _add_input(layout: PromptLayout, block: Wire, role: str, opens: bool) -> None:
    type_ = text_of(block.get("type"))
    shape: dict[str, Any] = {"role": role, "opens_message": opens}
    if type_.endswith("tool_result"):
        text, link = text_of_result(block.get("content")), text_of(block.get("tool_use_id"))
        kind, name = layout.describe_result(link, text, "tool_result", is_error=_is_error(block))
        layout.add(kind, name, block, text=text, link=link or None, **shape)
    elif type_ == "text":
        layout.add_text(text_of(block.get("text")), block, section="messages", **shape)
    elif type_ == "image":
        layout.add("image", "image", block, **shape)
    elif type_ in ("document", "search_result", "container_upload"):
        layout.add("document", type_, block, text=text_of_document(block), **shape)
    elif type_ in ("tool_addition", "tool_removal"):
        _add_tool_change(layout, block, opens)
    else:
        layout.add("user", type_ or "user", block, text=json_text(block), **shape)


def _is_error(block: Wire) -> bool:
    """Whether a result is a failure; server tools say so in the type of their content."""
    content = block.get("content")
    is_told = is_object(content) and text_of(content.get("type")).endswith("_error")
    return is_told or bool(block.get("is_error"))


def _place_references(layout: PromptLayout, block: Wire) -> None:
    """Put each deferred schema where a result references it."""
    for name in references_in(block.get("content")):
        if name in layout.deferred:
            _place_tool(layout, layout.deferred[name], section="messages", deferred=False)


def _add_tool_change(layout: PromptLayout, block: Wire, opens: bool) -> None:
    definition = mapping(block.get("tool_definition") or block.get("tool")) or block
    name = text_of(block.get("tool_name")) or tool_name(definition)
    if definition is block and name in layout.deferred and block.get("type") == "tool_addition":
        definition = layout.deferred[name]
    _place_tool(layout, {**definition, "name": name}, section="messages", deferred=False, opens=opens)

"""Gemini's `generateContent`: the content of requests and responses as blocks.

The prompt is laid out as cached content, tools, system instruction, contents. Field names are read in both
forms that the API accepts, `systemInstruction` and `system_instruction`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokenprof.facts.types import Block, BlockKind
from tokenprof.harness_adapters.wires.openai_blocks import (
    add_call,
    add_instructions,
    add_output_schema,
    add_result,
    add_tools,
)
from tokenprof.harness_adapters.wires.prompt_layout import LaidOutPrompt, PromptLayout
from tokenprof.record.block_facts import Shaper, json_text
from tokenprof.record.wire_values import Wire, joined_text, mapping, sequence, text_of

CACHED_NAME = "cached content"
"""The name of the block for the contents of an explicit cache, which the request only refers to."""

CODE_PARTS: dict[str, BlockKind] = {"executableCode": "tool_call", "codeExecutionResult": "tool_result"}


def field(value: Wire, name: str) -> Any:
    """Return a field by its name in camel case, whichever case the request uses."""
    if name in value:
        return value[name]
    return value.get("".join(f"_{char.lower()}" if char.isupper() else char for char in name))


def prompt_of_generation(body: Wire, shaper: Shaper) -> LaidOutPrompt:
    """Return the blocks of a `generateContent` body."""
    cached = text_of(field(body, "cachedContent"))
    layout = PromptLayout(shaper, is_whole=not cached)
    if cached:
        held = {"cached": cached}
        layout.add("server_state", CACHED_NAME, held, section="tools", role="provider")
    for tool in sequence(field(body, "tools")):
        functions = sequence(field(tool, "functionDeclarations"))
        add_tools(layout, [_as_tool(function) for function in functions])
        add_tools(layout, [{"type": name, **mapping(tool[name])} for name in tool if not _declares(name)])
    settings = mapping(field(body, "generationConfig"))
    schema = field(settings, "responseJsonSchema") or field(settings, "responseSchema")
    if schema:
        add_output_schema(layout, {"type": "json_schema", "json_schema": schema})
    instruction = field(body, "systemInstruction")
    texts = [text_of(part.get("text")) for part in sequence(field(mapping(instruction), "parts"))]
    for index, text in enumerate(filter(None, texts)):
        add_instructions(layout, text, opens_message=index == 0)
    layout.head = len(layout.blocks)
    for content in sequence(body.get("contents")):
        _add_content(layout, content)
    return layout.prompt()


def _declares(name: str) -> bool:
    return name in ("functionDeclarations", "function_declarations")


def _as_tool(function: Wire) -> Wire:
    parameters = field(function, "parametersJsonSchema") or function.get("parameters")
    return {
        "name": function.get("name"),
        "description": function.get("description"),
        "parameters": parameters,
    }


def _add_content(layout: PromptLayout, content: Wire) -> None:
    role = "assistant" if content.get("role") == "model" else "user"
    for index, part in enumerate(sequence(content.get("parts"))):
        _add_part(layout, part, role, opens=index == 0)


def _add_part(layout: PromptLayout, part: Wire, role: str, *, opens: bool) -> None:
    call, answer = mapping(field(part, "functionCall")), mapping(field(part, "functionResponse"))
    data = mapping(field(part, "inlineData")) or mapping(field(part, "fileData"))
    shape: dict[str, Any] = {"section": "messages", "role": role, "opens_message": opens}
    if call:
        name, arguments = text_of(call.get("name")) or "function", json_text(call.get("args") or {})
        # Without ids, a call is answered by the next result of the same name.
        link = text_of(call.get("id")) or name
        add_call(layout, name, call.get("args"), link, arguments, opens_message=opens)
    elif answer:
        name = text_of(answer.get("name"))
        link = text_of(answer.get("id")) or name
        given = answer.get("response")
        is_error = "error" in mapping(given) and not mapping(given).keys() & {"output", "result"}
        add_result(layout, link, given, name or "tool_result", is_error=is_error)
    elif data:
        is_image = text_of(field(data, "mimeType")).startswith("image/")
        identity = {"type": "image", "source": {"data": data.get("data")}} if data.get("data") else dict(data)
        kind: BlockKind = "image" if is_image else "document"
        layout.add(kind, text_of(field(data, "displayName")) or kind, identity, **shape)
    elif part.get("thought"):
        text = text_of(part.get("text"))
        layout.add("thinking", "thinking", {"thought": text}, **shape | {"text": text})
    elif text_of(part.get("text")):
        layout.add_text(part["text"], {"text": part["text"]}, **shape)
    elif part:
        code = next((name for name in CODE_PARTS if field(part, name)), "part")
        layout.add(CODE_PARTS.get(code, "user"), code, dict(part), text=json_text(part), **shape)


def output_of_generation(parts: Iterable[Wire], shaper: Shaper) -> tuple[Block, ...]:
    """Return the blocks of an answer's parts, as blocks of kind `output`."""
    found: list[Block] = []
    for part in parts:
        call = mapping(field(part, "functionCall"))
        is_thought = bool(part.get("thought"))
        name = text_of(call.get("name")) if call else "thinking" if is_thought else "text"
        text = name + json_text(call.get("args") or {}) if call else joined_text([part]) or json_text(part)
        shape: dict[str, Any] = {
            "role": "reasoning" if is_thought else "assistant",
            "opens_message": not found,
            "link": (text_of(call.get("id")) or name) if call else None,
        }
        found.append(shaper.block("output", name, {"output": dict(part)}, text=text, **shape))
    return tuple(found)

"""OpenAI's content as blocks: what Chat Completions, Responses and (in part) Gemini have in common.

Ids that the provider gives to items are not part of a block's identity, so a text is the same block whether
the client sends it again or the provider puts it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tokenprof.facts.types import BlockKind, Section
from tokenprof.harness_adapters.wires.prompt_layout import (
    PromptLayout,
    Ttl,
    references_in,
    without_markers,
)
from tokenprof.record.block_facts import json_text
from tokenprof.record.wire_values import Wire, content_items, joined_text, mapping, sequence, text_of

TEXT_PARTS = frozenset({"text", "input_text", "output_text", "summary_text", "reasoning_text"})
IMAGE_PARTS = frozenset({"image_url", "input_image", "computer_screenshot"})
FILE_PARTS = frozenset({"input_file", "file"})

TOOL_FIELDS = ("name", "description", "parameters", "format", "type", "server_label", "output_schema")
"""The keys of a tool definition that the model reads."""


def request_ttl(body: Wire) -> Ttl:
    """Return the time to live that a request asks for its cache breakpoints."""
    return "12h" if mapping(body.get("prompt_cache_options")).get("ttl") == "12h" else "30m"


def add_tools(
    layout: PromptLayout, tools: Iterable[Wire], *, section: Section = "tools", opens: bool | None = None
) -> None:
    """Add a block per tool definition. A namespace's own lines are a block apart from those of its functions.

    A deferred definition costs nothing where it is declared. Once it is loaded, it stands in the messages and
    its declaration is left out. With `section` "messages", the definitions are loaded ones, and the first
    opens a message unless `opens` says otherwise.
    """
    opens = section == "messages" if opens is None else opens
    for namespace, tool in _flattened(tools):
        name = tool_name(tool, namespace)
        deferred = bool(tool.get("defer_loading")) and section == "tools"
        if deferred and layout.defer(name, tool):
            continue
        function = without_markers(_function_of(tool))
        definition = {key: value for key, value in function.items() if key != "defer_loading"}
        shown = {key: value for key, value in definition.items() if key in TOOL_FIELDS}
        layout.add(
            "tool",
            name,
            definition,
            section=section,
            role="tools",
            opens_message=opens,
            text=json_text(shown),
            deferred=deferred,
            fields=list(definition),
        )
        layout.mark({**mapping(tool.get("function")), **tool})
        opens = False


def loaded_names(tools: Iterable[Wire]) -> set[str]:
    """Return the names of the definitions that a tool search has brought in."""
    return {tool_name(tool, namespace) for namespace, tool in _flattened(tools)}


def tool_name(tool: Wire, namespace: str = "") -> str:
    """Return the name of a tool: its own (after its namespace's), its MCP server's, or its type."""
    if tool.get("server_label"):
        return f"mcp__{tool['server_label']}"
    name = text_of(_function_of(tool).get("name")) or text_of(tool.get("type")) or "tool"
    return f"{namespace}.{name}" if namespace else name


def _flattened(tools: Iterable[Wire]) -> Iterable[tuple[str, Wire]]:
    """Yield (namespace, definition); a namespace's own lines come before its functions."""
    for tool in tools:
        if tool.get("type") != "namespace":
            yield "", tool
            continue
        yield "", {key: value for key, value in tool.items() if key != "tools"}
        for inner in sequence(tool.get("tools")):
            yield text_of(tool.get("name")), inner


def _function_of(tool: Wire) -> Wire:
    """Return a definition's fields, which Chat Completions wraps in a `function` or `custom` object."""
    for wrapper in ("function", "custom"):
        inner = tool.get(wrapper)
        if isinstance(inner, Mapping):
            return {**inner, **({"defer_loading": True} if tool.get("defer_loading") else {})}
    return tool


def add_output_schema(layout: PromptLayout, wanted: Wire) -> None:
    """Add the schema of a structured output, if there is one; it stands before the instructions."""
    if wanted.get("type") != "json_schema":
        return
    schema = mapping(wanted.get("json_schema")) or wanted
    name = text_of(schema.get("name")) or "output_schema"
    layout.add(
        "system", f"output_schema[{name}]", schema, section="system", role="system", text=json_text(schema)
    )


def add_instructions(
    layout: PromptLayout, text: str, name: str | None = None, *, opens_message: bool = True
) -> None:
    """Add instructions to the head of the prompt, under a name of their own if they have one."""
    layout.add_text(
        text,
        {"text": text},
        section="system",
        role="system",
        name_of_instructions=name,
        opens_message=opens_message,
    )


def add_message(layout: PromptLayout, role: str, content: object, *, leading: bool) -> None:
    """Add a message, one block per content part. `leading` instructions belong to the prompt's head."""
    section: Section = "system" if leading and role in ("system", "developer") else "messages"
    for index, part in enumerate(content_items(content)):
        shape: dict[str, Any] = {"section": section, "role": role, "opens_message": index == 0}
        _add_part(layout, part, shape)
        layout.mark(part)


def _add_part(layout: PromptLayout, part: Wire, shape: dict[str, Any]) -> None:
    type_, role = text_of(part.get("type")), shape["role"]
    if type_ in TEXT_PARTS:
        text = text_of(part.get("text"))
        layout.add_text(text, {"text": text}, **shape)
    elif type_ == "refusal":
        text = text_of(part.get("refusal"))
        layout.add("assistant", "refusal", {"refusal": text}, text=text, **shape)
    elif type_ in IMAGE_PARTS:
        layout.add("image", "image", _image_identity(part), **shape)
    elif type_ in FILE_PARTS:
        layout.add("document", type_, without_markers(part), **shape)
    elif type_ == "input_audio":
        layout.add("user", "audio", without_markers(part), **shape)
    else:
        kind: BlockKind = "assistant" if role == "assistant" else "user"
        layout.add(kind, type_ or kind, without_markers(part), text=json_text(without_markers(part)), **shape)


def _image_identity(part: Wire) -> Wire:
    """Return an image as `block_facts` can measure it: its base64 data, if that is in the request."""
    image = part.get("image_url")
    address = image.get("url") if isinstance(image, Mapping) else image
    detail = image.get("detail") if isinstance(image, Mapping) else part.get("detail")
    source = text_of(address)
    data = source.partition("base64,")[2] if source.startswith("data:") else ""
    where = {"data": data} if data else {"url": source or part.get("file_id")}
    return {"type": "image", "detail": detail, "source": where}


def add_call(layout: PromptLayout, tool: str, arguments: object, link: str, text: str, **shape: Any) -> None:
    """Add a tool call, and remember it for the result that will answer it."""
    layout.note_call(link, tool, arguments)
    identity = {"tool": tool, "call": link, "arguments": text}
    shape = {"role": "assistant", "text": f"{tool}{text}", "link": link or None, **shape}
    layout.add("tool_call", tool, identity, arguments=text, **shape)


def add_result(
    layout: PromptLayout, link: str, output: object, otherwise: str, *, is_error: bool = False
) -> None:
    """Add a tool's answer, and the deferred tools that it brings in by reference."""
    text = result_text(output)
    kind, name = layout.describe_result(link, text, otherwise, is_error=is_error)
    identity = {"result": link, "output": text if text is not None else _without_inner_markers(output)}
    layout.add(kind, name, identity, role="tool", opens_message=True, text=text, link=link or None)
    if isinstance(output, str):
        return
    for part in sequence(output):
        layout.mark(part)
    for tool in references_in(output):
        if tool in layout.deferred:
            add_tools(layout, [layout.deferred[tool]], section="messages", opens=False)


def _without_inner_markers(output: object) -> object:
    return [without_markers(part) for part in sequence(output)] if isinstance(output, list) else output


def result_text(output: object) -> str | None:
    """Return what the model reads of a tool's output; None if it is only images or files."""
    if isinstance(output, str):
        return output
    if isinstance(output, Mapping):
        return None if output.get("type") in IMAGE_PARTS else json_text(output)
    parts = [part for part in sequence(output) if part.get("type") != "tool_reference"]
    opaque = [part for part in parts if part.get("type") in IMAGE_PARTS | FILE_PARTS]
    if opaque and len(opaque) == len(parts):
        return None
    if all(part.get("type") in TEXT_PARTS for part in parts if part not in opaque):
        return joined_text(parts)
    return "\n".join(
        text_of(part.get("text")) or json_text(without_markers(part)) for part in parts if part not in opaque
    )

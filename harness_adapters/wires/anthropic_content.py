"""Parts of Messages content: taking off cache markers, and the text that the model reads of a part."""

from __future__ import annotations

from collections.abc import Mapping

from tokenprof.facts.types import BlockKind
from tokenprof.record.block_facts import json_text
from tokenprof.record.wire_values import Wire, content_items, is_object, mapping, text_of

MOST_TOOL_USES = 1_000_000


def split_marker(block: Wire) -> tuple[Wire, Wire]:
    """Return a block without `cache_control` on it or on its parts, and an object with the outermost one.

    The object is empty if the block has no `cache_control`.
    """
    marker, content = None, block.get("content")
    if "cache_control" in block:
        marker = block["cache_control"]
        block = {key: value for key, value in block.items() if key != "cache_control"}
    elif type(content) is not list:
        return block, {}
    if isinstance(content, list) and any(is_object(part) and "cache_control" in part for part in content):
        inner = [split_marker(part) if is_object(part) else (part, {}) for part in content]
        block = {**block, "content": [part for part, _ in inner]}
        found = (mark.get("cache_control") for _, mark in reversed(inner))
        marker = marker or next(filter(None, found), None)
    return block, {"cache_control": marker} if marker is not None else {}


def tool_name(tool: Wire) -> str:
    """Return the name of a tool definition: its own, its MCP server's, or its type."""
    server = tool.get("mcp_server_name")
    if server:
        return f"mcp__{server}"
    return text_of(tool.get("name")) or text_of(tool.get("type")) or "tool"


def called_tool(call: Wire) -> str:
    """Return the name of the tool that a block of an assistant message calls."""
    return text_of(call.get("name")) or text_of(call.get("type"))


def describe_written(block: Wire) -> tuple[BlockKind, str, str | None]:
    """Return the kind, the name and the text of a block of an assistant message."""
    type_ = text_of(block.get("type"))
    if type_ == "text":
        return "assistant", "text", text_of(block.get("text"))
    if type_ == "thinking":
        # An omitted or summarised thinking text is not what is billed; its bytes are all that is known.
        return "thinking", "thinking", text_of(block.get("thinking"))
    if type_ == "redacted_thinking":
        return "thinking", "thinking", None
    if type_.endswith("tool_use"):
        return "tool_call", called_tool(block), json_text(block.get("input") or {})
    if type_.endswith("tool_result"):
        return "tool_result", type_, text_of_result(block.get("content"))
    if type_ == "compaction":
        return "summary", "compaction", text_of(block.get("content"))
    if type_ == "mcp_tool_listing":
        return "tool", text_of(block.get("server_name")) or type_, json_text(block)
    return "assistant", type_ or "assistant", json_text(block)


def text_of_result(content: object) -> str | None:
    """Return what the model reads of a tool result; None if it is only an image."""
    if isinstance(content, str):
        return content
    parts = [part for part in content_items(content) if part.get("type") != "tool_reference"]
    if len(parts) == 1 and parts[0].get("type") == "text":
        return text_of(parts[0].get("text"))
    texts = [text_of(part.get("text")) if part.get("type") == "text" else "" for part in parts]
    opaque = [part for part in parts if part.get("type") in ("image", "document")]
    if opaque and not any(texts):
        return None
    others = [json_text(part) for part in parts if part.get("type") not in ("text", "image", "document")]
    return "\n".join(filter(None, [*texts, *others]))


def text_of_document(block: Wire) -> str | None:
    """Return the text of a document or a search result; None if only its bytes are known."""
    source = block.get("source")
    if isinstance(source, Mapping) and source.get("type") == "text":
        return text_of(source.get("data"))
    if isinstance(source, Mapping) and source.get("type") == "content":
        return text_of_result(source.get("content"))
    return json_text(block) if block.get("type") == "search_result" else None


def cleared_tool_uses_of(management: object) -> int | None:
    """Return how many uses of tools an answer says were cleared from its prompt; None if it says nothing."""
    edits = mapping(management).get("applied_edits") if management is not None else None
    told = [
        edit.get("cleared_tool_uses")
        for edit in (edits if isinstance(edits, list) else ())
        if is_object(edit) and text_of(edit.get("type")).startswith("clear_tool_uses")
    ]
    counts = [count for count in told if type(count) is int and 0 <= count <= MOST_TOOL_USES]
    return sum(counts) if counts and len(counts) == len(told) else None

"""What Claude Code sends beside the conversation: the texts of its `attachment` rows.

Newer versions log an attachment as it was sent (`rendered`). Versions 2.1.40 to 2.1.329 log only its parts,
which `attachment_texts` puts together. The format is undocumented.
"""

from __future__ import annotations

from collections.abc import Mapping

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import BlockKind
from tokenprof.harness_adapters.transcripts.claude_code.attachment_texts import (
    REMINDER_END,
    REMINDER_OPENING,
    text_of_attachment,
)
from tokenprof.record.wire_values import Wire, content_items, mapping, sequence, text_of

NOT_SENT = frozenset(
    {
        "command_permissions",
        "deferred_tools_record",
        "dynamic_skill",
        "already_read_file",
        "edited_image_file",
        "hook_cancelled",
        "hook_error_during_execution",
        "hook_non_blocking_error",
        "hook_permission_decision",
        "hook_system_message",
        "hook_deferred_tool",
        "max_turns_reached",
        "model",
        "environment",
        "prompt_snapshot",
        "remote_session_change",
        "session_context",
        "structured_output",
    }
)
"""Types that are notes of the log, or part of the system prompt if they have no `rendered`."""


_KINDS: Mapping[str, tuple[BlockKind, str]] = {
    "skill_listing": ("skills_index", "skills_index"),
    "invoked_skills": ("skill", "invoked skills"),
    "queued_command": ("user", "queued message"),
    "nested_memory": ("memory", "memory"),
    "relevant_memories": ("memory", "memory"),
    "file": ("document", "mentioned file"),
    "directory": ("document", "mentioned folder"),
    "mcp_resource": ("document", "MCP resource"),
    "selected_lines_in_ide": ("document", "selected lines"),
}


@frozen
class SentAttachment:
    """The content of an attachment as it stands in a message, and what it is.

    `kind` is None if the content itself shows its kind.
    """

    role: str
    items: tuple[Wire, ...]
    kind: BlockKind | None = None
    name: str = ""


def sent_attachment(row: Wire, *, log_renders: bool) -> SentAttachment | None:
    """Return what an `attachment` row sent; None if it sent nothing.

    `log_renders` says that the log has `rendered` texts, so that a row without one was not sent.
    """
    rendered = [item for part in sequence(row.get("rendered")) for item in content_items(part.get("content"))]
    if rendered:
        return SentAttachment(text_of(row.get("renderedRole")) or "user", tuple(rendered))
    attachment = mapping(row.get("attachment"))
    type_ = text_of(attachment.get("type"))
    if log_renders or type_ in NOT_SENT or not attachment:
        return None
    kind, name = _KINDS.get(type_, ("reminder", type_.replace("_", " ") or "attachment"))
    opaque = _opaque_items(mapping(attachment.get("content")))
    if opaque:
        return SentAttachment("user", opaque)
    prompt = attachment.get("prompt")
    if type_ == "queued_command" and isinstance(prompt, list):
        return SentAttachment("user", tuple(content_items(prompt)), kind, name)
    text = text_of_attachment(type_, attachment)
    if not text:
        return None
    framed = f"{REMINDER_OPENING}{text}{REMINDER_END}"
    return SentAttachment("user", ({"type": "text", "text": framed},), kind, name)


def _opaque_items(content: Wire) -> tuple[Wire, ...]:
    """Return the image or document that an attached file is; nothing for a text."""
    file = mapping(content.get("file"))
    type_ = {"image": "image", "pdf": "document"}.get(text_of(content.get("type")))
    if type_ is None or not isinstance(file.get("base64"), str):
        return ()
    media = text_of(file.get("type")) or ("application/pdf" if type_ == "document" else "image/png")
    return ({"type": type_, "source": {"type": "base64", "media_type": media, "data": file["base64"]}},)


def loaded_schemas(row: Wire) -> dict[str, Wire]:
    """Return the definitions of deferred tools that a row records, by name."""
    attachment = mapping(row.get("attachment"))
    entries = sequence(attachment.get("entries"))
    return {
        text_of(entry.get("name")): {**entry, "defer_loading": True}
        for entry in entries
        if text_of(entry.get("name")) and "input_schema" in entry
    }

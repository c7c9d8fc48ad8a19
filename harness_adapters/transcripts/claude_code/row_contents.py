"""What the rows of a Claude Code log hold: calls, their results, and what was added to them in the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tokenprof.facts.types import Block, Features
from tokenprof.harness_adapters.transcripts.claude_code.attachments import sent_attachment
from tokenprof.harness_adapters.wires.prompt_layout import references_in
from tokenprof.record.wire_values import Wire, content_items, mapping, text_of

_NOTIFICATION_OPENINGS = ("<task-notification", "<system-reminder>\n<task-notification")

UNLOGGED_SCHEMA_BYTES = 2400
"""About the size of a tool's schema; used if the log does not hold the schema that a search loaded."""

UNLOGGED_AFTER_COMPACTION = "sent again after the compaction, not in the log"


def calls_answered(items: Iterable[Wire]) -> list[str]:
    """Return the ids of the calls that the items of a message answer."""
    return [item["tool_use_id"] for item in items if isinstance(item.get("tool_use_id"), str)]


def agent_types_asked(items: Iterable[Wire]) -> dict[str, str]:
    """Return the types of subagents that the calls in an answer ask for, by the ids of the calls."""
    return {
        item["id"]: text_of(asked)
        for item in items
        if item.get("type") == "tool_use" and (asked := mapping(item.get("input")).get("subagent_type"))
        if isinstance(item.get("id"), str)
    }


def as_sent(item: Wire) -> Wire:
    """Return a block of an answer without what Claude Code added to it in the log.

    It puts the text of a plan file into the call that asks to leave plan mode. The model did not write
    it there, and the growth of the next call's bill shows that it is not sent back.
    """
    if item.get("name") != "ExitPlanMode":
        return item
    arguments = item.get("input")
    if not isinstance(arguments, Mapping):
        return item
    if not {"allowedPrompts", "planFilePath"} & arguments.keys():
        return item
    sent = {key: value for key, value in arguments.items() if key not in ("plan", "planFilePath")}
    return {**item, "input": sent}


def items_of_row(row: Wire) -> list[Wire]:
    """Return the content of a row that is not a response: of a message, or of an attachment that was sent."""
    if row.get("type") == "attachment":
        sent = sent_attachment(row, log_renders=False)
        return list(sent.items) if sent else []
    return [as_sent(item) for item in content_items(mapping(row.get("message")).get("content"))]


def is_task_notification(items: Sequence[Wire]) -> bool:
    """Whether the content of a message says that a task in the background has ended."""
    text = text_of(items[0].get("text")) if len(items) == 1 else ""
    return text.lstrip().startswith(_NOTIFICATION_OPENINGS)


def loaded_without_schema(items: Iterable[Wire], known: Mapping[str, Wire]) -> list[Block]:
    """Return a block for each deferred tool that results refer to and whose schema the log does not hold."""
    names = [name for item in items for name in references_in(item.get("content")) if name not in known]
    return [
        Block(
            kind="tool",
            name=name,
            digest=f"claude-code-unlogged-schema:{name}",
            section="messages",
            role="tools",
            opens_message=False,
            features=Features(version=1, bytes=UNLOGGED_SCHEMA_BYTES),
        )
        for name in dict.fromkeys(names)
    ]


def unlogged_after_compaction(thread: str, compaction: int) -> Block:
    """Return the block for what is attached again after a compaction: files, plans, skills.

    Versions that log no attachments do not show it, and it may be larger than the summary.
    """
    return Block(
        kind="unattributed",
        name=UNLOGGED_AFTER_COMPACTION,
        digest=f"claude-code-after-compaction:{thread}:{compaction}",
        section="messages",
        role="user",
        opens_message=False,
        features=Features(version=0, bytes=0),
    )

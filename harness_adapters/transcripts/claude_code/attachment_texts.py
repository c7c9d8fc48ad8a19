"""The texts of Claude Code's attachments, put together from the parts that logs of 2.1.40 to 2.1.329 hold.

Each type keeps its text under other keys. The frame around it is not logged; it is replaced by one about as
long, so that the block has about the right size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tokenprof.record.block_facts import json_text
from tokenprof.record.wire_values import Wire, mapping, sequence, text_of

REMINDER_OPENING, REMINDER_END = "<system-reminder>\n", "\n</system-reminder>"

TEXT_KEYS = (
    "prompt",
    "content",
    "text",
    "message",
    "addedLines",
    "addedBlocks",
    "snippet",
    "selection",
    "summary",
    "planContent",
    "reminder",
    "instructions",
)
"""Keys that hold the text of an attachment, in the order in which they are looked for."""

SENT_HOOK_EVENTS = frozenset({"SessionStart", "UserPromptSubmit", "SubagentStart", "Setup"})
"""The output of a hook that succeeded is sent only for these events."""


def text_of_attachment(type_: str, attachment: Wire) -> str:
    """Return the text that an attachment sent, without the frame of a reminder; empty if it sent none.

    A type that has no function here is read by the keys that usually hold a text.
    """
    put_together = _TEXTS.get(type_)
    if put_together is not None:
        return put_together(attachment)
    return next(filter(None, (_plain(attachment.get(key)) for key in TEXT_KEYS)), "")


def _plain(value: object) -> str:
    """Return the text in a value: a text, a list of texts or content blocks, or an object that holds one."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, map(_plain, value)))
    if isinstance(value, Mapping):
        inner = next((value[key] for key in ("text", "content", "file") if value.get(key)), None)
        return _plain(inner) if inner is not None else json_text(value) if value else ""
    return ""


def _lines(value: object) -> str:
    return "\n".join(line for line in value if isinstance(line, str)) if isinstance(value, list) else ""


def _skills(attachment: Wire) -> str:
    listed = _plain(attachment.get("content"))
    return f"Skills that the Skill tool can load for you in this session:\n\n{listed}" if listed else ""


def _invoked_skills(attachment: Wire) -> str:
    skills = [
        f"### Skill: {text_of(skill.get('name'))}\nPath: {text_of(skill.get('path'))}\n\n"
        f"{_plain(skill.get('content'))}"
        for skill in sequence(attachment.get("skills"))
    ]
    return (
        "\n\n---\n\n".join(["Skills invoked earlier in this session; keep to them:", *skills])
        if skills
        else ""
    )


def _queued(attachment: Wire) -> str:
    prompt = _plain(attachment.get("prompt"))
    if not prompt or prompt.lstrip().startswith("<task-notification"):
        return prompt
    return (
        f"While you were working, the user sent this message:\n{prompt}\n\n"
        "Finish what you are doing now, then answer the message. Do not leave it without an answer."
    )


def _edited(attachment: Wire) -> str:
    snippet = _plain(attachment.get("snippet"))
    return (
        f"Note: {text_of(attachment.get('filename'))} was changed by the user or by a formatter. The change "
        "was made on purpose, so keep it in mind from here on (do not undo it unless asked to). There "
        "is no need to mention it to the user, who knows. These are the changes, with line numbers:\n"
        + snippet
        if snippet
        else ""
    )


def _file(attachment: Wire) -> str:
    """A file or folder that the user mentioned is sent like a call of a tool and its result."""
    content = _plain(attachment.get("content"))
    name = text_of(attachment.get("filename")) or text_of(attachment.get("path"))
    called = f'Called the Read tool with this input: {{"file_path":"{name}"}}'
    return f"{called}{REMINDER_END}\n{REMINDER_OPENING}Result of the Read tool:\n{content}" if content else ""


def _memory(attachment: Wire) -> str:
    content = mapping(attachment.get("content"))
    text = _plain(content or attachment.get("content"))
    path = text_of(content.get("path")) or text_of(attachment.get("path"))
    return f"Contents of {path}:\n\n{text}" if text else ""


def _hook_context(attachment: Wire) -> str:
    text = _plain(attachment.get("content"))
    return f"{text_of(attachment.get('hookName'))} hook gave this context: {text}" if text else ""


def _hook_success(attachment: Wire) -> str:
    if text_of(attachment.get("hookEvent")) not in SENT_HOOK_EVENTS:
        return ""
    text = _plain(attachment.get("content"))
    return f"{text_of(attachment.get('hookName'))} hook success: {text}" if text else ""


def _hook_blocked(attachment: Wire) -> str:
    """The text of a hook that blocks a tool is sent here, and once more as the result of the tool."""
    error = attachment.get("blockingError")
    inner = mapping(error)
    text = _plain(inner.get("blockingError") if inner else error)
    name, command = text_of(attachment.get("hookName")), text_of(inner.get("command"))
    return f'{name} hook blocking error from command: "{command}": {text}' if text else ""


def _hook_stopped(attachment: Wire) -> str:
    text = _plain(attachment.get("message"))
    return f"{text_of(attachment.get('hookName'))} hook stopped the run: {text}" if text else ""


def _hook_answer(attachment: Wire) -> str:
    response = mapping(attachment.get("response"))
    more = mapping(response.get("hookSpecificOutput")).get("additionalContext")
    return "\n".join(filter(None, (text_of(response.get("systemMessage")), _plain(more))))


def _todo(attachment: Wire) -> str:
    items = attachment.get("content")
    listed = "\n".join(
        f"{number}. [{text_of(item.get('status'))}] {_plain(item.get('content') or item.get('subject'))}"
        for number, item in enumerate(sequence(items), 1)
    )
    return (
        "The tools for the task list have not been used for a while. If your work would gain from a record "
        "of its progress, use them to add tasks and to update their status when you begin and when you end "
        "one. Tidy up the list if it is out of date. Use them only if they suit the work at hand. This is a "
        f"gentle reminder; ignore it if it does not apply. Never mention it to the user.\n{listed}"
    )


def _selection(attachment: Wire) -> str:
    text = _plain(attachment.get("content"))
    return (
        f"The user selected lines {attachment.get('lineStart')} to {attachment.get('lineEnd')} of "
        f"{text_of(attachment.get('filename'))}:\n{text}\n\nThis may have nothing to do with the task."
        if text
        else ""
    )


def _opened(attachment: Wire) -> str:
    name = text_of(attachment.get("filename"))
    return f"The user opened the file {name} in the IDE. This may have nothing to do with the task."


def _diagnostics(attachment: Wire) -> str:
    files = sequence(attachment.get("files"))
    found = "\n".join(
        f"{text_of(file.get('uri'))}:\n" + "\n".join(map(_diagnostic, sequence(file.get("diagnostics"))))
        for file in files
    )
    return f"<new-diagnostics>There are new diagnostic issues:\n\n{found}</new-diagnostics>" if files else ""


def _diagnostic(issue: Wire) -> str:
    start = mapping(mapping(issue.get("range")).get("start"))
    place = f"[Line {start.get('line')}:{start.get('character')}]"
    source = f" ({text_of(issue.get('source'))})" if issue.get("source") else ""
    return f"  {place} {text_of(issue.get('message'))} [{issue.get('code') or ''}]{source}"


def _listed(opening: str, closing: str) -> Callable[[Wire], str]:
    def text(attachment: Wire) -> str:
        added = _lines(attachment.get("addedLines")) or _lines(attachment.get("addedNames"))
        added = added or "\n\n".join(
            block for block in _texts(attachment.get("addedBlocks")) if isinstance(block, str)
        )
        removed = _lines(attachment.get("removedNames")) or _lines(attachment.get("removedTypes"))
        parts = [f"{opening}\n{added}" if added else "", f"{closing}\n{removed}" if removed else ""]
        return "\n\n".join(filter(None, parts))

    return text


def _texts(value: object) -> Iterable[object]:
    return value if isinstance(value, list) else ()


def _tokens_left(attachment: Wire) -> str:
    used, total = attachment.get("used"), attachment.get("total")
    return f"Token usage: {used}/{total}; {attachment.get('remaining')} remaining" if total else ""


def _budget(attachment: Wire) -> str:
    used, total = attachment.get("used"), attachment.get("total")
    return f"USD budget: ${used}/${total}; ${attachment.get('remaining')} remaining" if total else ""


def _date(attachment: Wire) -> str:
    day = text_of(attachment.get("newDate")) or text_of(attachment.get("date"))
    return f"Today's date is now {day}. There is no need to mention it to the user." if day else ""


def _compacted_file(attachment: Wire) -> str:
    name = text_of(attachment.get("filename"))
    return (
        f"Note: {name} was read before the last conversation was summarised, but it is too large to include "
        "here. Use the Read tool if you need it."
    )


def _task_status(attachment: Wire) -> str:
    parts = (attachment.get(key) for key in ("taskId", "taskType", "status", "description", "deltaSummary"))
    return "Task: " + "; ".join(text_of(part) for part in parts if text_of(part))


_TEXTS: Mapping[str, Callable[[Wire], str]] = {
    "skill_listing": _skills,
    "invoked_skills": _invoked_skills,
    "queued_command": _queued,
    "edited_text_file": _edited,
    "file": _file,
    "directory": _file,
    "nested_memory": _memory,
    "relevant_memories": lambda a: _plain(a.get("memories")),
    "hook_additional_context": _hook_context,
    "hook_success": _hook_success,
    "hook_blocking_error": _hook_blocked,
    "hook_stopped_continuation": _hook_stopped,
    "async_hook_response": _hook_answer,
    "todo": _todo,
    "todo_reminder": _todo,
    "task_reminder": _todo,
    "selected_lines_in_ide": _selection,
    "opened_file_in_ide": _opened,
    "diagnostics": _diagnostics,
    "deferred_tools_delta": _listed(
        "ToolSearch can now load these deferred tools. Calling one before its schema is loaded fails:",
        "These deferred tools are gone:",
    ),
    "agent_listing_delta": _listed("Types of agents for the Agent tool:", "These types are gone:"),
    "mcp_instructions_delta": _listed(
        "# MCP Server Instructions\n\nThese MCP servers say how to use their tools and resources:\n",
        "These servers are gone:",
    ),
    "token_usage": _tokens_left,
    "budget_usd": _budget,
    "date": _date,
    "date_change": _date,
    "compact_file_reference": _compacted_file,
    "task_status": _task_status,
}

"""Decides what a text in a prompt is: a skill, an index of skills, memory, a reminder, a summary, or plain.

One set of rules for every wire. The rules only look at structure: the shape of lines, front matter, and the
fixed phrases with which harnesses introduce what they inject. They return identifiers (a skill's name) and
the lines of an index, never prose.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tokenprof.facts.types import BlockKind, Section
from tokenprof.harness_adapters.wires.skills_touched import SKILL_PATH
from tokenprof.record.wire_values import loads_or_text, text_of

SKILL_TOOLS = frozenset(
    {
        "skill",
        "read_skill",
        "load_skill",
        "use_skill",
        "get_skill",
        "activate_skill",
        "invoke_skill",
        "view_skill",
    }
)
"""Names, in lower case, of tools whose result is the body of a skill."""

_INDEX_LINE = re.compile(
    r"^\s*[-*•]\s+[*`\"]{0,3}([A-Za-z0-9][\w.:/@-]*)[*`\"]{0,3}\s*(?::|—|–|-\s)\s*\S.*$", re.M
)
_INDEX_XML = re.compile(r"<skill>.*?<name>\s*([^<\s]+)\s*</name>.*?</skill>", re.S)
_FRONT_MATTER = re.compile(
    r"\A\s*---\s*\n(?:.*\n)*?name:\s*[\"']?([\w.:/@ -]+?)[\"']?\s*\n(?:.*\n)*?---\s*\n"
)
_BASE_DIRECTORY = re.compile(r"\A\s*Base directory for this skill:\s*(\S+)")
_SUMMARY_OPENINGS = (
    "This session is being continued from a previous conversation",
    "<summary>",
    "<conversation_summary>",
)
_MEMORY_FILES = ("CLAUDE.md", "AGENTS.md", "MEMORY.md", "GEMINI.md")
MINIMUM_INDEX_LINES = 3

INSTRUCTION_ROLES = ("system", "developer")

_BEGINNINGS = ('"---\\n', "Launching skill:", "Base directory for this skill:")
_BEGINNING_CHARS = 120
"""A JSON object that holds a skill's body or notice has one of these near its beginning."""


def kind_of_text(text: str, role: str, section: Section) -> tuple[BlockKind, str, list[tuple[str, str]]]:
    """Return a text's kind, its block's name, and (name, line) of each entry if it holds an index.

    `section` is the part of the prompt that holds the text: instructions among the messages are reminders,
    and those at the head are `system` unless they are something more special.
    """
    if role == "assistant":
        return "assistant", "text", []
    skill = skill_body_name(text)
    if skill:
        return "skill", skill, []
    if is_summary(text):
        return "summary", "compaction", []
    entries = index_entries(text)
    if is_mostly_index(text, entries):
        return "skills_index", "skills_index", entries
    if is_memory(text):
        return "memory", "memory", []
    kind: BlockKind = "user"
    if section == "system":
        kind = "system"
    elif role in INSTRUCTION_ROLES or is_reminder(text):
        kind = "reminder"
    return kind, kind, entries


def skill_of_result(text: str | None, called_for: str | None, *, is_error: bool) -> str | None:
    """Return the skill whose body a tool's result is; None for any other result.

    `called_for` is the skill that the call asked for, as `skill_of_call` returns it.
    """
    if not text or is_error:
        return None
    said = _said_in(text)
    return None if is_launch_notice(said) else skill_body_name(said) or called_for


def _said_in(result: str) -> str:
    """Return the text inside a result that is a JSON object; any other result as it is.

    On Gemini every result is an object, and many frameworks send objects to other APIs too.
    """
    if result[:1] != "{" or not any(mark in result[:_BEGINNING_CHARS] for mark in _BEGINNINGS):
        return result
    value = loads_or_text(result)
    texts = [text for text in map(text_of, value.values()) if text] if isinstance(value, dict) else []
    return texts[0] if len(texts) == 1 else result


def index_entries(text: str) -> list[tuple[str, str]]:
    """Return (skill name, line) of each entry of a skills index in `text`; empty if there is none."""
    if "skill" not in text.lower():
        return []
    entries = [(match.group(1), match.group(0)) for match in _INDEX_XML.finditer(text)]
    if not entries:
        entries = [(match.group(1), match.group(0)) for match in _INDEX_LINE.finditer(text)]
    return entries if len(entries) >= MINIMUM_INDEX_LINES else []


def is_mostly_index(text: str, entries: list[tuple[str, str]]) -> bool:
    """Whether the index entries make up at least half of `text`."""
    return bool(entries) and 2 * sum(len(line) for _, line in entries) >= len(text.strip())


def skill_body_name(text: str) -> str | None:
    """Return the skill whose body `text` is, by its front matter or a harness's introductory phrase."""
    base = _BASE_DIRECTORY.match(text)
    if base:
        return base.group(1).rstrip("/").rsplit("/", 1)[-1]
    front = _FRONT_MATTER.match(text)
    if front and "description:" in front.group(0):
        return front.group(1).strip()
    return None


def skill_of_call(tool: str, arguments: object) -> str | None:
    """Return the skill that a tool call loads: a skill tool's argument, or a read of a SKILL.md file."""
    values: Mapping[str, Any] = arguments if isinstance(arguments, Mapping) else {}
    if tool.lower() in SKILL_TOOLS:
        for key in ("skill", "skill_name", "name", "command", "id", "path"):
            value = values.get(key)
            if isinstance(value, str) and value.strip():
                path = SKILL_PATH.search(value)
                return path.group(1) if path else value.strip().split()[0]
        return tool
    for value in values.values():
        if isinstance(value, str):
            path = SKILL_PATH.search(value)
            if path:
                return path.group(1)
    return None


def is_launch_notice(text: str) -> bool:
    """Whether a skill tool's result only announces the body that follows in a block of its own."""
    return text.lstrip().startswith("Launching skill:")


def is_summary(text: str) -> bool:
    """Whether a user text is what a compaction put in place of the history."""
    return text.lstrip().startswith(_SUMMARY_OPENINGS)


def is_reminder(text: str) -> bool:
    """Whether a user text is a harness's reminder rather than the user's words."""
    return text.lstrip().startswith("<system-reminder>")


def is_memory(text: str) -> bool:
    """Whether a text injects a memory file (CLAUDE.md and the like), judged by how it begins."""
    opening = text[:600]
    injected = "Contents of " in opening and any(name in opening for name in _MEMORY_FILES)
    return injected or "# claudeMd" in opening

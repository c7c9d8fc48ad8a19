"""Signals on the wire that content was disclosed progressively: skills, memory, reminders, summaries.

Only structure is looked at: line shapes, front matter and the fixed phrases that harnesses put before
what they inject. What is returned are identifiers (a skill's name), never prose.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

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
"""Names of tools whose result is a skill's body, lower case."""

_INDEX_LINE = re.compile(
    r"^\s*[-*•]\s+[*`\"]{0,3}([A-Za-z0-9][\w.:/@-]*)[*`\"]{0,3}\s*(?::|—|–|-\s)\s*\S.*$", re.M
)
_INDEX_XML = re.compile(r"<skill>.*?<name>\s*([^<\s]+)\s*</name>.*?</skill>", re.S)
_FRONT_MATTER = re.compile(
    r"\A\s*---\s*\n(?:.*\n)*?name:\s*[\"']?([\w.:/@ -]+?)[\"']?\s*\n(?:.*\n)*?---\s*\n"
)
_SKILL_PATH = re.compile(r"([\w.@-]+)/SKILL\.md\b")
_BASE_DIRECTORY = re.compile(r"\A\s*Base directory for this skill:\s*(\S+)")
_SUMMARY_OPENINGS = (
    "This session is being continued from a previous conversation",
    "<summary>",
    "<conversation_summary>",
)
_MEMORY_FILES = ("CLAUDE.md", "AGENTS.md", "MEMORY.md", "GEMINI.md")
MINIMUM_INDEX_LINES = 3
_WORD = re.compile(r"[A-Za-z_][\w-]*")
_FILE = re.compile(r"[\w./@-]*\w\.[A-Za-z][A-Za-z0-9]{0,4}\b")


def index_entries(text: str) -> list[tuple[str, str]]:
    """Return (skill name, line) of each entry of a skills index in `text`; empty where there is none."""
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
    """Return the skill whose body `text` is, by its front matter or the phrase a harness puts before it."""
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
                path = _SKILL_PATH.search(value)
                return path.group(1) if path else value.strip().split()[0]
        return tool
    for value in values.values():
        if isinstance(value, str):
            path = _SKILL_PATH.search(value)
            if path:
                return path.group(1)
    return None


def is_launch_notice(text: str) -> bool:
    """Whether a skill tool's result only announces the body that follows in a block of its own."""
    return text.lstrip().startswith("Launching skill:")


def is_summary(text: str) -> bool:
    """Whether a user text is what a compaction put in the place of the history."""
    return text.lstrip().startswith(_SUMMARY_OPENINGS)


def is_reminder(text: str) -> bool:
    """Whether a user text is a harness's reminder and not the user's words."""
    return text.lstrip().startswith("<system-reminder>")


def is_memory(text: str) -> bool:
    """Whether a text injects a memory file (CLAUDE.md and its kin), judged by its opening."""
    opening = text[:600]
    injected = "Contents of " in opening and any(name in opening for name in _MEMORY_FILES)
    return injected or "# claudeMd" in opening


class Skills:
    """The skills whose bodies stand in a context, by what they name, to tell which calls touch them.

    Holds words of the bodies while a request is read; what leaves it are names of skills.
    """

    def __init__(self) -> None:
        self._words: dict[str, frozenset[str]] = {}
        self._files: dict[str, frozenset[str]] = {}

    def add(self, name: str, body: str, tools: Collection[str]) -> tuple[str, ...]:
        """Note a body; returns the skill's name if the body names a file or one of the tools."""
        words = frozenset(_WORD.findall(body))
        files = frozenset(path.rsplit("/", 1)[-1] for path in _FILE.findall(body)) - {"SKILL.md"}
        self._words[name], self._files[name] = words, files
        return (name,) if files or not words.isdisjoint(tools) else ()

    def touched_by(self, tool: str, arguments: str) -> tuple[str, ...]:
        """Return the skills that name the tool of a call, or whose folder or files its arguments name."""
        return tuple(
            name
            for name, words in self._words.items()
            if not _SKILL_PATH.search(arguments)
            and (
                tool in words
                or re.search(rf"(?<![\w-]){re.escape(name)}/", arguments)
                or any(file in arguments for file in self._files[name])
            )
        )

"""Decides what a text in a prompt is: a skill, an index of skills, memory, a reminder, a summary, or plain.

One set of rules for every wire. The rules only look at structure: the shape of lines, front matter, and the
fixed phrases with which harnesses introduce what they inject. They return identifiers (a skill's name) and
the lines of an index, never prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tokenprof.facts.types import BlockKind, Section
from tokenprof.harness_adapters.wires.skills_touched import skill_of_path
from tokenprof.record.block_facts import MOST_CHILDREN
from tokenprof.record.wire_values import breathing, loads_or_text, mapping, text_of

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

_INDEX_ENTRY = re.compile(
    r"[-*•]\s{1,100}[*`\"]{0,3}([A-Za-z0-9][\w.:/@-]{0,200})[*`\"]{0,3}\s{0,100}(?::|—|–|-\s)\s{0,100}\S"
)
_INDEX_TAG = re.compile(r"<skill>|<name>\s{0,100}([^<\s]{1,200})\s{0,100}</name>|</skill>")
_NOT_SPACE = re.compile(r"\S")
_FRONT_MATTER_NAME = re.compile(r"name:\s{0,20}[\"']?([\w.:/@ -]{1,200}?)[\"']?\s{0,20}")
_BASE_DIRECTORY = re.compile(r"\s{0,100}Base directory for this skill:\s{0,100}(\S{1,4096})")
_FRONT_MATTER_CHARS = 16_384
"""How far into a text its front matter may reach."""

_SUMMARY_OPENINGS = (
    "This session is being continued from a previous conversation",
    "<summary>",
    "<conversation_summary>",
)
_MEMORY_FILES = ("CLAUDE.md", "AGENTS.md", "MEMORY.md", "GEMINI.md")
MINIMUM_INDEX_LINES = 3

INSTRUCTION_ROLES = ("system", "developer")

_BEGINNINGS = ('"---\\n', "Launching skill:", "Base directory for this skill:")
_FIRST_OF_SKILLS = "{-B"
"""How a result begins that may be the body of a skill: an object, front matter, `Base directory`."""

_BEGINNING_CHARS = 120
"""A JSON object that holds a skill's body or notice has one of these near its beginning."""

_OPENING_CHARS = 1000
"""How much of a text is looked at for the words that it opens with."""


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
    entries, is_mostly_index = index_in(text)
    if is_mostly_index:
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
    if called_for is None and text[0] not in _FIRST_OF_SKILLS and not text[0].isspace():
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


def index_in(text: str) -> tuple[list[tuple[str, str]], bool]:
    """Return (skill name, line) of each entry of the skills index in `text`, and whether it is half of it.

    Of a long list only as many entries are held as a block keeps: holding many objects would have Python
    search the host's whole memory for reference cycles.
    """
    if "skill" not in text.lower():
        return [], False
    half_chars = len(text.strip()) / 2
    for found in (_tagged_entries, _listed_entries):
        entries: list[tuple[str, str]] = []
        chars = 0
        for entry in breathing(found(text)):
            chars += len(entry[1])
            if len(entries) < MOST_CHILDREN:
                entries.append(entry)
            elif chars >= half_chars:
                break
        if entries:
            return (entries, chars >= half_chars) if len(entries) >= MINIMUM_INDEX_LINES else ([], False)
    return [], False


def _tagged_entries(text: str) -> Iterator[tuple[str, str]]:
    """Yield the entries of an index in the form `<skill>…<name>x</name>…</skill>`."""
    start, name = -1, ""
    for tag in _INDEX_TAG.finditer(text):
        if start < 0:
            start = tag.start() if tag.group() == "<skill>" else -1
        elif tag.group() == "</skill>":
            if name:
                yield name, text[start : tag.end()]
                start, name = -1, ""
        else:
            name = name or tag.group(1) or ""


def _listed_entries(text: str) -> Iterator[tuple[str, str]]:
    """Yield the entries of an index in the form `- name: what it does`, with the blank lines before them."""
    at = 0
    while (first := _NOT_SPACE.search(text, at)) is not None:
        entry = _INDEX_ENTRY.match(text, first.start()) if first.group() in "-*•" else None
        line_end = text.find("\n", entry.end() if entry else first.start())
        end = line_end if line_end >= 0 else len(text)
        if entry:
            yield entry.group(1), text[at:end]
        at = end + 1


def skill_body_name(text: str) -> str | None:
    """Return the skill whose body `text` is, by its front matter or a harness's introductory phrase."""
    base = _BASE_DIRECTORY.match(text)
    if base:
        return base.group(1).rstrip("/").rsplit("/", 1)[-1]
    return _front_matter_name(text)


def _front_matter_name(text: str) -> str | None:
    """Return the name in a skill's front matter; None if the text begins with no front matter of a skill."""
    name: str | None = None
    is_described = False
    beginning = text[:_FRONT_MATTER_CHARS].lstrip()
    if not beginning.startswith("---"):
        return None
    lines = beginning.split("\n")
    if lines[0].rstrip() != "---":
        return None
    # The last one has no newline, or was cut off.
    for line in lines[1:-1]:
        is_described = is_described or "description:" in line
        if name is None:
            named = _FRONT_MATTER_NAME.fullmatch(line)
            name = named.group(1).strip() if named else None
        elif line.rstrip() == "---":
            return name if is_described else None
    return None


def skill_of_call(tool: str, arguments: object) -> str | None:
    """Return the skill that a tool call loads: a skill tool's argument, or a read of a SKILL.md file."""
    values = mapping(arguments)
    if tool.lower() in SKILL_TOOLS:
        for key in ("skill", "skill_name", "name", "command", "id", "path"):
            value = values.get(key)
            if isinstance(value, str) and value.strip():
                return skill_of_path(value) or value.strip().split(maxsplit=1)[0]
        return tool
    for value in values.values():
        if isinstance(value, str):
            skill = skill_of_path(value)
            if skill:
                return skill
    return None


def is_launch_notice(text: str) -> bool:
    """Whether a skill tool's result only announces the body that follows in a block of its own."""
    return text[:_OPENING_CHARS].lstrip().startswith("Launching skill:")


def is_summary(text: str) -> bool:
    """Whether a user text is what a compaction put in place of the history."""
    return text[:_OPENING_CHARS].lstrip().startswith(_SUMMARY_OPENINGS)


def is_reminder(text: str) -> bool:
    """Whether a user text is a harness's reminder rather than the user's words."""
    return text[:_OPENING_CHARS].lstrip().startswith("<system-reminder>")


def is_memory(text: str) -> bool:
    """Whether a text injects a memory file (CLAUDE.md and the like), judged by how it begins."""
    opening = text[:600]
    injected = "Contents of " in opening and any(name in opening for name in _MEMORY_FILES)
    return injected or "# claudeMd" in opening

"""Finds the tool calls that touch a skill in the context, by the tools and files that its body names.

Bodies and arguments are content of any size, and every request is read whole again, so each scan takes time
proportional to the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

_SKILL_FILE = "/SKILL.md"
_NAME_CHARS = 255
"""The longest name that a file system takes."""

_WORD = re.compile(r"[A-Za-z_][\w-]*")
_PATH = re.compile(r"[\w./@-]+")
_SUFFIX = re.compile(r"(?<=\w)\.[A-Za-z][A-Za-z0-9]{0,4}\b")

MOST_FILES_OF_A_SKILL = 256
ARGUMENT_CHARS = 65_536
"""How much of a call's arguments is searched for the files of skills."""


def skill_of_path(text: str) -> str | None:
    """Return the folder of the first `SKILL.md` that a text names, which has the name of the skill."""
    end = text.find(_SKILL_FILE)
    while end >= 0:
        after = end + len(_SKILL_FILE)
        start = end
        while start > 0 and end - start < _NAME_CHARS and _is_name_char(text[start - 1]):
            start -= 1
        if start < end and not (after < len(text) and (text[after].isalnum() or text[after] == "_")):
            return text[start:end]
        end = text.find(_SKILL_FILE, after)
    return None


def _is_name_char(char: str) -> bool:
    return char.isalnum() or char in "_.@-"


class Skills:
    """The skills whose bodies are in a context, and what they name.

    It holds words of the bodies while a request is read, but only returns names of skills.
    """

    def __init__(self) -> None:
        self._words: dict[str, frozenset[str]] = {}
        self._files: dict[str, frozenset[str]] = {}
        self._folders: dict[str, re.Pattern[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._words)

    def copied(self) -> Skills:
        """Return a copy to which skills can be added."""
        copy = Skills()
        copy._words, copy._files, copy._folders = dict(self._words), dict(self._files), dict(self._folders)
        return copy

    def add(
        self, name: str, body: str, tools: Collection[str], *, folder: str | None = None
    ) -> tuple[str, ...]:
        """Add a skill. Return its name if its body names a file or one of the tools, else nothing.

        `folder` is the folder of its files, if that is not its name.
        """
        words = frozenset(_WORD.findall(body))
        files = frozenset(_files_named_in(body))
        self._words[name], self._files[name] = words, files
        self._folders[name] = re.compile(rf"(?<![\w-]){re.escape((folder or name)[:_NAME_CHARS])}/")
        return (name,) if files or not words.isdisjoint(tools) else ()

    def touched_by(self, tool: str, arguments: str) -> tuple[str, ...]:
        """Return the skills that name a call's tool, or whose folder or files the arguments name."""
        if not self._words or skill_of_path(arguments) is not None:
            # Without skills there is nothing to find, and a call that names a SKILL.md loads the skill.
            return ()
        searched = arguments[:ARGUMENT_CHARS]
        # A context may hold hundreds of skills, and most arguments name no file at all.
        may_name_folders, may_name_files = "/" in searched, "." in searched
        return tuple(
            name
            for name, words in self._words.items()
            if tool in words
            or (may_name_folders and self._folders[name].search(searched))
            or (may_name_files and any(file in searched for file in self._files[name]))
        )


def _files_named_in(body: str) -> Iterator[str]:
    """Yield the names of the files that a text names, without their folders; the first few hundred."""
    found: set[str] = set()
    for path in _PATH.finditer(body):
        suffixes = [match.end() for match in _SUFFIX.finditer(path.group())]
        if not suffixes:
            continue
        name = path.group()[: suffixes[-1]].rsplit("/", 1)[-1]
        if len(name) <= _NAME_CHARS and name != _SKILL_FILE[1:] and name not in found:
            found.add(name)
            yield name
            if len(found) == MOST_FILES_OF_A_SKILL:
                return

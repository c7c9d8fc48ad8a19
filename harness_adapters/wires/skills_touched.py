"""Finds the tool calls that touch a skill in the context, by the tools and files that its body names."""

from __future__ import annotations

import re
from collections.abc import Collection

SKILL_PATH = re.compile(r"([\w.@-]+)/SKILL\.md\b")
"""The file of a skill's body, in the folder that is named after the skill."""

_WORD = re.compile(r"[A-Za-z_][\w-]*")
_FILE = re.compile(r"[\w./@-]*\w\.[A-Za-z][A-Za-z0-9]{0,4}\b")


class Skills:
    """The skills whose bodies are in a context, and what they name.

    It holds words of the bodies while a request is read, but only returns names of skills.
    """

    def __init__(self) -> None:
        self._words: dict[str, frozenset[str]] = {}
        self._files: dict[str, frozenset[str]] = {}
        self._folders: dict[str, str] = {}

    def add(
        self, name: str, body: str, tools: Collection[str], *, folder: str | None = None
    ) -> tuple[str, ...]:
        """Add a skill. Return its name if its body names a file or one of the tools, else nothing.

        `folder` is the folder of its files, if that is not its name.
        """
        words = frozenset(_WORD.findall(body))
        files = frozenset(path.rsplit("/", 1)[-1] for path in _FILE.findall(body)) - {"SKILL.md"}
        self._words[name], self._files[name], self._folders[name] = words, files, folder or name
        return (name,) if files or not words.isdisjoint(tools) else ()

    def touched_by(self, tool: str, arguments: str) -> tuple[str, ...]:
        """Return the skills that name a call's tool, or whose folder or files the arguments name."""
        if SKILL_PATH.search(arguments):
            # The call loads a skill.
            return ()
        return tuple(
            name
            for name, words in self._words.items()
            if tool in words
            or re.search(rf"(?<![\w-]){re.escape(self._folders[name])}/", arguments)
            or any(file in arguments for file in self._files[name])
        )

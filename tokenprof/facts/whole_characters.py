"""Text that any file and any exporter can hold.

Python's texts may hold half of a character: JavaScript cuts texts in the middle of one, and Python itself
reads a name of a file or of the environment so that is not UTF-8.
"""

from __future__ import annotations

from collections.abc import Mapping


def with_whole_characters(text: str) -> str:
    """Return a text in which the replacement character stands for each half of a character.

    Two halves that belong together are one character.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def as_texts(tags: Mapping[str, object]) -> dict[str, str]:
    """Return tags that a host has given, names and values, as texts with whole characters."""
    return {with_whole_characters(str(key)): with_whole_characters(str(value)) for key, value in tags.items()}

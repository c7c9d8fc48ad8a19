"""What pictures call agents, tools and kinds: on one line, inert, and short enough for a label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tokenprof.facts.inert_text import printable
from tokenprof.facts.types import Block, BlockKind
from tokenprof.report.labels_in_words import kind_label
from tokenprof.report.phrases import kind_and_name

LONGEST_NAME: Final = 120
"""Characters of a name that a picture holds; names come from logs and can be megabytes long."""

MAIN_AGENT: Final = "main"

OTHERS: Final = "everything else"
"""What is too small to be shown by its own name."""

_TOOL_KINDS: Final = ("tool", "tool_call", "tool_result")


def shortened(name: str, longest: int = LONGEST_NAME) -> str:
    """Return a name cut to a length, with an ellipsis if something is left out."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def shown(name: str) -> str:
    """Return a name that others chose, inert and short."""
    return shortened(printable(name[: 4 * LONGEST_NAME]))


def labelled(kind: BlockKind, name: str) -> str:
    """Return the kind and name of a block in words: `tool result Read`, `system prompt`."""
    if kind == "unattributed":
        return shown(name)
    return shown(kind_and_name(kind, name[: 4 * LONGEST_NAME]))


def agent_label(agent: str | None) -> str:
    """Return what an agent is called; the one without a name is the main one."""
    return shown(agent) if agent else MAIN_AGENT


def tool_of(block: Block) -> str | None:
    """Return the tool that a block is the schema, a call or a result of; None for any other block."""
    if block.kind in _TOOL_KINDS or (block.kind == "output" and block.link):
        return shown(block.name)
    return None


def source_of(block: Block) -> str:
    """Return where a block belongs in a picture: its tool, or else its kind in words."""
    return tool_of(block) or kind_label(block.kind)


def file_name(path: str) -> str:
    """Return a file's name without its folders, which say more about a machine than readers need."""
    return path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def without_folders(text: str, paths: Iterable[str]) -> str:
    """Return a sentence in which files are named without their folders.

    Whatever is sent to others holds no path of the machine that it was written on.
    """
    for path in sorted(set(paths), key=len, reverse=True):
        text = text.replace(path, file_name(path))
    return text

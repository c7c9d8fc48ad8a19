"""Names of tools: a call may leave out the namespace that the schema has."""

from __future__ import annotations

from collections.abc import Set


def is_called(tool: str, called: Set[str]) -> bool:
    """Whether calls of some names call a tool: `exec` calls `functions.exec`, as Codex writes it."""
    return tool in called or tool.rpartition(".")[2] in called

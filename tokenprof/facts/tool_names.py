"""Names of tools: a call may leave out the namespace that the schema has."""

from __future__ import annotations

from collections.abc import Set


def is_called(tool: str, called: Set[str]) -> bool:
    """Whether calls of some names call a tool: `exec` calls `functions.exec`, as Codex writes it."""
    return tool in called or short_name(tool) in called


def short_name(tool: str) -> str:
    """Return a tool's name without its namespace."""
    return tool.rpartition(".")[2]

"""What totals can be by: facts of a turn, the price class, and facts of a block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean
from tokenprof.store.queries.engine import quoted

Level = Literal["turn", "class", "block"]
TAG: Final = "tag:"


@frozen
class Dimension:
    """Something to sum by: its name, its expression in SQL, and what has it."""

    name: str
    sql: str
    level: Level


_TURN: Final = {
    "month": "month",
    "day": "CAST(day AS VARCHAR(10))",
    "hour": "substring(CAST(started_at AS VARCHAR(40)), 1, 13)",
    "project": "project",
    "session": "session",
    "context": "context",
    "agent": "agent",
    "provider": "provider",
    "seller": "sold_by",
    "model": "model",
    "status": "status",
    "tier": "service_tier",
    "format": "format",
}

_BLOCK: Final = {
    "tool": "b.tool",
    "skill": "b.skill",
    "mcp_server": "b.mcp_server",
    "kind": "b.kind",
    "block": (
        "concat(b.kind, CASE WHEN coalesce(b.name, b.tool, b.skill, '') = '' THEN '' "
        "ELSE concat(' ', coalesce(b.name, b.tool, b.skill)) END, "
        "CASE WHEN b.digest = '' THEN '' ELSE concat(' #', substring(b.digest, 1, 8)) END)"
    ),
}

NAMES: Final = (*_TURN, "tag:KEY", "class", *_BLOCK)


def parse_dimensions(texts: Sequence[str]) -> tuple[Dimension, ...]:
    """Return the dimensions that texts such as "month,tag:team" name.

    Raises InputError for a name that does not exist, with the nearest one, and for one that is given twice.
    """
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    found = tuple(_dimension(name) for name in names)
    for dimension in found:
        if names.count(dimension.name) > 1:
            raise InputError(f"--by names {dimension.name} twice; name it once.")
    return found


def _dimension(name: str) -> Dimension:
    if name.startswith(TAG) and len(name) > len(TAG):
        return Dimension(name, f"tags[{quoted(name.removeprefix(TAG))}]", "turn")
    if name in _TURN:
        return Dimension(name, _TURN[name], "turn")
    if name == "class":
        return Dimension(name, "class", "class")
    if name in _BLOCK:
        return Dimension(name, _BLOCK[name], "block")
    raise InputError(
        f"Totals cannot be by {name!r}.{did_you_mean(name, NAMES)} They can be by {', '.join(NAMES)}."
    )

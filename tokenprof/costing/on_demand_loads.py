"""What entered a context only on request: skill bodies and deferred tools, and which turn asked for them."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tokenprof.attribute import Placed
    from tokenprof.costing.ledger import Ledger

_LOADING_TOOL = re.compile(r"skill|tool_?search", re.IGNORECASE)
"""Names of tools that load: `Skill`, `read_skill`, `ToolSearch`, `tool_search_tool_regex` and others."""


@dataclass(frozen=True, slots=True)
class OnDemandLoad:
    """One skill body or tool schema that was loaded during a run.

    `block` is its id, `turn` the first turn that carried it, `asked_in` the turn whose output asked for it
    (None if no turn did, as when a user adds a skill). `is_extra_turn` says that this turn did nothing
    else. `exchange` holds the ids of the blocks that only served to ask for it: the call and its notice.
    """

    kind: Literal["skill", "tool"]
    name: str
    block: str
    context: str
    turn: int
    asked_in: int | None
    is_extra_turn: bool
    exchange: frozenset[str]


def loads_of(ledger: Ledger) -> list[OnDemandLoad]:
    """Return the loads of a run, in the order in which they happened."""
    blocks = ledger.attribution.blocks
    with_link: dict[tuple[str, str], list[Placed]] = defaultdict(list)
    for placed in blocks.values():
        if placed.block.link:
            with_link[placed.context, placed.block.link].append(placed)
    found = []
    for placed in blocks.values():
        if not _is_loaded(placed):
            continue
        asked_in, link = _asked(ledger, placed)
        calls = _calls(ledger, asked_in)
        exchange = frozenset(
            other.id
            for other in (with_link[placed.context, link] if link else ())
            if other.id != placed.id and not _is_loaded(other)
        )
        loading = [name for name, call in calls if call == link or _LOADING_TOOL.search(name)]
        found.append(
            OnDemandLoad(
                kind="skill" if placed.block.kind == "skill" else "tool",
                name=placed.block.name,
                block=placed.id,
                context=placed.context,
                turn=placed.born_turn,
                asked_in=asked_in,
                is_extra_turn=bool(calls) and len(loading) == len(calls),
                exchange=exchange,
            )
        )
    return sorted(found, key=lambda load: load.turn)


def _is_loaded(placed: Placed) -> bool:
    block = placed.block
    return block.kind == "skill" or (
        block.kind == "tool" and block.section == "messages" and not block.deferred
    )


def _asked(ledger: Ledger, placed: Placed) -> tuple[int | None, str | None]:
    """Return the turn that asked for a block and the id of its call."""
    before = [
        index
        for index in range(placed.born_turn)
        if ledger.run.turns[index].context == placed.context and ledger.run.turns[index].usage is not None
    ]
    if placed.block.link:
        for index in reversed(before):
            if any(call == placed.block.link for _, call in _calls(ledger, index)):
                return index, placed.block.link
        return None, placed.block.link
    calls = [call for call in _calls(ledger, before[-1] if before else None) if _LOADING_TOOL.search(call[0])]
    named = [call for name, call in calls]
    return (before[-1], named[0]) if named else (None, None)


def _calls(ledger: Ledger, turn: int | None) -> list[tuple[str, str]]:
    """Return (tool, call id) for each call of a turn."""
    output = () if turn is None else ledger.run.turns[turn].output
    return [(block.name, block.link) for block in output if block.link]

"""What came into a context only when it was asked for: skill bodies and deferred tools, and who asked."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING, Literal

from tokenprof.data_classes.frozen import frozen

if TYPE_CHECKING:
    from tokenprof.attribute import Placed
    from tokenprof.costing.ledger import Ledger

_LOADING_TOOL = re.compile(r"skill|tool_?search", re.IGNORECASE)
"""Names of tools that load others: `Skill`, `read_skill`, `ToolSearch`, `tool_search_tool_regex`, …"""


@frozen
class OnDemandLoad:
    """One skill body or tool schema that was loaded during a run.

    `block` is its id, `turn` the first turn that carried it, `asked_in` the turn whose output asked for it
    (None if no turn did, for example if the user brought a skill in). `is_extra_turn` says that this turn did
    nothing else. `exchange` are the ids of blocks that only served the asking: the call and its notice.
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
    """Return the loads of a run, in the order in which they came."""
    blocks = ledger.attribution.blocks
    calls = _Calls(ledger)
    with_link: dict[tuple[str, str], list[Placed]] = defaultdict(list)
    for placed in blocks.values():
        if placed.block.link:
            with_link[placed.context, placed.block.link].append(placed)
    found = []
    for placed in blocks.values():
        if not _is_loaded(placed):
            continue
        asked_in, link = calls.asking_for(placed)
        made = calls.of_turn(asked_in)
        exchange = frozenset(
            other.id
            for other in (with_link[placed.context, link] if link else ())
            if other.id != placed.id and not _is_loaded(other)
        )
        loading = [name for name, call in made if call == link or _LOADING_TOOL.search(name)]
        found.append(
            OnDemandLoad(
                kind="skill" if placed.block.kind == "skill" else "tool",
                name=placed.block.name,
                block=placed.id,
                context=placed.context,
                turn=placed.born_turn,
                asked_in=asked_in,
                is_extra_turn=bool(made) and len(loading) == len(made),
                exchange=exchange,
            )
        )
    return sorted(found, key=lambda load: load.turn)


def _is_loaded(placed: Placed) -> bool:
    block = placed.block
    return block.kind == "skill" or (
        block.kind == "tool" and block.section == "messages" and not block.deferred
    )


class _Calls:
    """The tool calls of a run's measured turns."""

    def __init__(self, ledger: Ledger):
        self._turns = ledger.run.turns
        self._measured: dict[str, list[int]] = defaultdict(list)
        self._turns_of_call: dict[tuple[str, str], list[int]] = defaultdict(list)
        for index, turn in enumerate(self._turns):
            if turn.usage is None:
                continue
            self._measured[turn.context].append(index)
            for _, call in self.of_turn(index):
                self._turns_of_call[turn.context, call].append(index)

    def of_turn(self, turn: int | None) -> list[tuple[str, str]]:
        """Return (tool, call id) of what a turn called."""
        output = () if turn is None else self._turns[turn].output
        return [(block.name, block.link) for block in output if block.link]

    def asking_for(self, placed: Placed) -> tuple[int | None, str | None]:
        """Return the turn that asked for a block and the id of its call.

        A block that answers a call names it. Another one was asked for by the turn before it, if that called
        a tool that loads.
        """
        link = placed.block.link
        if link:
            return _newest_before(self._turns_of_call[placed.context, link], placed.born_turn), link
        before = _newest_before(self._measured[placed.context], placed.born_turn)
        loading = [call for name, call in self.of_turn(before) if _LOADING_TOOL.search(name)]
        return (before, loading[0]) if loading else (None, None)


def _newest_before(turns: list[int], turn: int) -> int | None:
    at = bisect_left(turns, turn)
    return turns[at - 1] if at else None

"""The sums of sessions added up: what a folder holds, whatever the number of its sessions."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Final, NamedTuple, TypeVar

from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.rows.latest_days import DayBill, LatestPeriods, latest_periods
from tokenprof.analysis.rows.row_types import BlockRow
from tokenprof.costing.work import Model
from tokenprof.facts.adding import Adds, Count, add_by_key, add_to, added
from tokenprof.facts.types import Source
from tokenprof.sessions.add_findings import add_two, sort_of
from tokenprof.sessions.block_sums import SHARED_KINDS, add_blocks, block_key
from tokenprof.sessions.packed_findings import PackedFinding, unpacked
from tokenprof.sessions.session_sums import (
    BlockKey,
    GroupSum,
    KvSums,
    ListUsd,
    MissingSums,
    ModelSum,
    SessionSums,
    SliceKey,
    SliceSum,
    SoldModel,
)

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

MOST_BLOCKS: Final = 2000
"""How many blocks that one session alone holds are kept; those that many share are kept all."""

MOST_SESSIONS: Final = 50
MOST_SOURCES: Final = 20


class ExpensiveSession(NamedTuple):
    """A session among the most expensive ones."""

    session: str
    first_at: datetime | None
    turns: SliceSum


def _by_key(wholes: dict[K, T], parts: Mapping[K, T]) -> dict[K, T]:
    add_by_key(wholes, parts)
    return wholes


def _first_sources(known: list[Source], more: Sequence[Source]) -> list[Source]:
    return [*known, *more[: MOST_SOURCES - len(known)]]


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((at for at in (one, other) if at is not None), default=None)


def _findings(known: dict[Hashable, Finding], more: Iterable[PackedFinding]) -> dict[Hashable, Finding]:
    for finding in map(unpacked, more):
        sort = sort_of(finding)
        known[sort] = add_two(known[sort], finding) if sort in known else finding
    return known


def _blocks(known: dict[BlockKey, BlockRow], more: Iterable[BlockRow]) -> dict[BlockKey, BlockRow]:
    for block in more:
        key = block_key(block)
        known[key] = add_blocks(known[key], block) if key in known else block
    return known


ByKey: Final = Adds(_by_key)
"""How tables of sums add, in place."""


@dataclass(slots=True)
class FolderSums:
    """The sums of the sessions that have been added, in whatever order."""

    sessions: Count = 0
    logs: Count = 0
    sources: Annotated[list[Source], Adds(_first_sources)] = field(default_factory=list)
    first_at: Annotated[datetime | None, Adds(_earliest)] = None
    ends_at_s: Annotated[float, Adds(max)] = 0.0
    requests: Count = 0
    turns: Annotated[SliceSum, Adds(added)] = field(default_factory=SliceSum)
    slices: Annotated[dict[SliceKey, SliceSum], ByKey] = field(default_factory=dict)
    models: Annotated[dict[SoldModel, ModelSum], ByKey] = field(default_factory=dict)
    groups: Annotated[dict[tuple[str, str], GroupSum], ByKey] = field(default_factory=dict)
    kv: Annotated[dict[Model, KvSums], ByKey] = field(default_factory=dict)
    blocks: Annotated[dict[BlockKey, BlockRow], Adds(_blocks)] = field(default_factory=dict)
    other_blocks: Count = 0
    other_usd: ListUsd = Decimal(0)
    findings: Annotated[dict[Hashable, Finding], Adds(_findings)] = field(default_factory=dict)
    resent_tokens: Count = 0
    reread_tokens: Count = 0
    unplaced_tokens: Count = 0
    placed_tokens: Count = 0
    predicted_turns: Count = 0
    missing: Annotated[MissingSums, Adds(added)] = field(default_factory=MissingSums)
    most_expensive: list[ExpensiveSession] = field(default_factory=list)

    def add(self, other: SessionSums) -> None:
        """Add a session."""
        add_to(self, other)
        self._let_go_of_cheap_blocks()
        self.most_expensive.append(ExpensiveSession(other.session, other.first_at, other.turns))
        if len(self.most_expensive) > 4 * MOST_SESSIONS:
            self.most_expensive = self.most_expensive_sessions(MOST_SESSIONS)

    def latest_days(self) -> LatestPeriods | None:
        """Return the bill of the latest day or week beside the one before; None if one is not whole."""
        if self.missing.reasons.get("missing"):
            return None
        days: dict[date, DayBill] = {}
        for key, own in self.slices.items():
            bill = DayBill(own.turns, own.billed_turns, own.known_usd)
            add_by_key(days, {date.fromisoformat(key.day): bill})
        return latest_periods(days)

    def most_expensive_sessions(self, most: int) -> list[ExpensiveSession]:
        """Return the sessions with the largest bill, the largest first."""
        ranked = sorted(self.most_expensive, key=lambda each: (-each.turns.known_usd, each.session))
        return ranked[:most]

    def _let_go_of_cheap_blocks(self) -> None:
        alone = [key for key in self.blocks if key.kind not in SHARED_KINDS]
        if len(alone) > 2 * MOST_BLOCKS:
            alone.sort(key=lambda key: self.blocks[key].known_usd or Decimal(0), reverse=True)
            for key in alone[MOST_BLOCKS:]:
                self.other_blocks += 1
                self.other_usd += self.blocks.pop(key).known_usd or Decimal(0)

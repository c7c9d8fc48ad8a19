"""The sums of sessions added up: what a folder holds, whatever the number of its sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.rows.latest_days import DayBill, LatestPeriods, latest_periods
from tokenprof.analysis.rows.row_types import BlockRow
from tokenprof.costing.work import Model
from tokenprof.facts.adding import add_by_key, added, exact_sum_usd
from tokenprof.facts.types import Problem, Source
from tokenprof.sessions.add_findings import add_two, sort_of
from tokenprof.sessions.block_sums import SHARED_KINDS, add_blocks, block_key
from tokenprof.sessions.packed_findings import unpacked
from tokenprof.sessions.session_sums import (
    BlockKey,
    GroupSum,
    Ints,
    KvSums,
    MissingSums,
    ModelSum,
    SessionSums,
    SliceKey,
    SliceSum,
    SoldModel,
)

MOST_BLOCKS: Final = 2000
"""How many blocks that one session alone holds are kept; those that many share are kept all."""

MOST_SESSIONS: Final = 50
MOST_SOURCES: Final = 20
MOST_WARNINGS: Final = 40


class ExpensiveSession(NamedTuple):
    """A session among the most expensive ones."""

    session: str
    first_at: datetime | None
    turns: SliceSum


@dataclass(slots=True)
class MissingOfAll:
    """`MissingSums` of many sessions, with the first of their warnings."""

    reasons: Counter[str] = field(default_factory=Counter)
    partial_turns: int = 0
    unpriced: Counter[str] = field(default_factory=Counter)
    unmeasured_without_notes: int = 0
    fees_without_price: Counter[str] = field(default_factory=Counter)
    incomplete_ok_turns: int = 0
    counted_tokens: list[Ints] = field(default_factory=list)
    repeated_tokens: list[Ints] = field(default_factory=list)
    uncounted_usd: Decimal | None = Decimal(0)
    stated_usd: Decimal | None = None
    stated_turns: int = 0
    stated_otherwise_usd: Decimal = Decimal(0)
    stated_at_list_usd: Decimal = Decimal(0)
    problems: Counter[Problem] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    notes: int = 0

    def add(self, other: MissingSums) -> None:
        """Add those of a session."""
        self.reasons.update(other.reasons)
        self.partial_turns += other.partial_turns
        self.unpriced.update(other.unpriced)
        self.unmeasured_without_notes += other.unmeasured_without_notes
        self.fees_without_price.update(other.fees_without_price)
        self.incomplete_ok_turns += other.incomplete_ok_turns
        self.counted_tokens.append(other.counted_tokens)
        self.repeated_tokens.append(other.repeated_tokens)
        is_unknown = self.uncounted_usd is None or other.uncounted_usd is None
        self.uncounted_usd = None if is_unknown else _sum(self.uncounted_usd, other.uncounted_usd)
        self.stated_usd = exact_sum_usd([self.stated_usd, other.stated_usd])
        turns, stated_usd, list_usd = other.stated_otherwise
        self.stated_turns += turns
        self.stated_otherwise_usd += stated_usd
        self.stated_at_list_usd += list_usd
        for problem in other.problems:
            self.problems[replace(problem, at=_ANY_TIME, calls=1)] += problem.calls
        self.warnings += other.warnings[: MOST_WARNINGS - len(self.warnings)]
        self.notes += other.notes


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal:
    return (one or Decimal(0)) + (other or Decimal(0))


_ANY_TIME: Final = datetime(1970, 1, 1)


class FolderSums:
    """The sums of the sessions that have been added, in whatever order."""

    def __init__(self) -> None:
        self.sessions = 0
        self.logs = 0
        self.sources: list[Source] = []
        self.formats: Counter[str] = Counter()
        self.first_at: datetime | None = None
        self.ends_at_s = 0.0
        self.requests = 0
        self.turns = SliceSum()
        self.slices: dict[SliceKey, SliceSum] = {}
        self.models: dict[SoldModel, ModelSum] = {}
        self.blocks: dict[BlockKey, BlockRow] = {}
        self.other_blocks = 0
        self.other_usd = Decimal(0)
        self.groups: dict[tuple[str, str], GroupSum] = {}
        self.findings: dict[Hashable, Finding] = {}
        self.resent_tokens = self.reread_tokens = self.unplaced_tokens = self.placed_tokens = 0
        self.predicted_turns = 0
        self.kv: dict[Model, KvSums] = {}
        self.missing = MissingOfAll()
        self.most_expensive: list[ExpensiveSession] = []

    def add(self, other: SessionSums) -> None:
        """Add a session."""
        self.sessions += sum(source.runs for source in other.sources)
        self.logs += len(other.sources)
        self.sources += other.sources[: MOST_SOURCES - len(self.sources)]
        self.formats.update(source.format for source in other.sources)
        known = [at for at in (self.first_at, other.first_at) if at is not None]
        self.first_at = min(known, default=None)
        self.ends_at_s = max(self.ends_at_s, other.ends_at_s)
        self.requests += other.requests
        self.turns = added(self.turns, other.turns)
        add_by_key(self.slices, other.slices)
        add_by_key(self.models, other.models)
        add_by_key(self.groups, other.groups)
        add_by_key(self.kv, other.kv)
        self._add_blocks(other)
        for finding in map(unpacked, other.findings):
            sort = sort_of(finding)
            before = self.findings.get(sort)
            self.findings[sort] = finding if before is None else add_two(before, finding)
        self.resent_tokens += other.resent_tokens
        self.reread_tokens += other.reread_tokens
        self.unplaced_tokens += other.unplaced_tokens
        self.placed_tokens += other.placed_tokens
        self.predicted_turns += other.predicted_turns
        self.missing.add(other.missing)
        self.most_expensive.append(ExpensiveSession(other.session, other.first_at, other.turns))
        if len(self.most_expensive) > 4 * MOST_SESSIONS:
            self.most_expensive = self.most_expensive_sessions(MOST_SESSIONS)

    def latest_days(self) -> LatestPeriods | None:
        """Return the bill of the latest day or week beside the one before; None if one is not whole."""
        if self.missing.reasons["missing"]:
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

    def _add_blocks(self, other: SessionSums) -> None:
        self.other_blocks += other.other_blocks
        self.other_usd += other.other_usd
        for block in other.blocks:
            key = block_key(block)
            before = self.blocks.get(key)
            self.blocks[key] = block if before is None else add_blocks(before, block)
        alone = [key for key in self.blocks if key.kind not in SHARED_KINDS]
        if len(alone) > 2 * MOST_BLOCKS:
            alone.sort(key=lambda key: self.blocks[key].known_usd or Decimal(0), reverse=True)
            for key in alone[MOST_BLOCKS:]:
                self.other_blocks += 1
                self.other_usd += self.blocks.pop(key).known_usd or Decimal(0)

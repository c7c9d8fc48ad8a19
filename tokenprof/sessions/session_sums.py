"""What is kept of a session once it has been analysed: sums, its most expensive blocks, and its findings."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tokenprof.analysis.rows.row_types import BlockRow, IncompleteReason
from tokenprof.costing.billed_sums import TurnClass
from tokenprof.costing.work import Model
from tokenprof.facts.adding import Adds, Amount, AnyPart, Count, EveryPart, KnownUsd, Usd, exact_sum_usd
from tokenprof.facts.types import BlockKind, Problem, Source
from tokenprof.hw_model.equations.features import Feature
from tokenprof.pricing.usage import Usage
from tokenprof.sessions.clock_sample import Floats, sample_of
from tokenprof.sessions.packed_findings import PackedFinding

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


class SliceKey(NamedTuple):
    """What turns are summed by. Empty texts are what is not known."""

    tags: str
    project: str
    agent: str
    model: str
    day: str


@dataclass(frozen=True, slots=True)
class SliceSum:
    """Turns summed. `billed_turns` have a bill, which `known_usd` sums; `measured_turns` have usage."""

    turns: Count = 0
    billed_turns: Count = 0
    measured_turns: Count = 0
    prompt_tokens: Count = 0
    read_tokens: Count = 0
    output_tokens: Count = 0
    known_usd: Usd = Decimal(0)

    @property
    def unmeasured_turns(self) -> int:
        """How many turns reported no usage."""
        return self.turns - self.measured_turns

    @property
    def unpriced_turns(self) -> int:
        """How many turns have usage and no bill."""
        return self.measured_turns - self.billed_turns


class SoldModel(NamedTuple):
    """A model by whose API it was called, and by who sold the calls if that is somebody else."""

    provider: str
    model: str
    seller: str | None
    is_priced: bool

    @property
    def modelled_as(self) -> Model:
        """The key of the model's deployment."""
        return self.provider, self.model


def classes_summed(parts: Iterable[TurnClass]) -> tuple[TurnClass, ...]:
    """Return what was billed for each class; what has no price stays apart from what has one."""
    members: dict[tuple[str, bool], list[TurnClass]] = defaultdict(list)
    for part in parts:
        members[part.cls, part.billed_usd is None].append(part)
    return tuple(
        TurnClass(
            cls,
            sum(part.tokens for part in own),
            None if is_unpriced else exact_sum_usd([Decimal(0), *(part.billed_usd for part in own)]),
            sum(part.count for part in own),
        )
        for (cls, is_unpriced), own in members.items()
    )


def _works_by_class(one: dict[str, Floats], other: dict[str, Floats]) -> dict[str, Floats]:
    return {cls: one.get(cls, _NO_WORK) + other.get(cls, _NO_WORK) for cls in one | other}


_NO_WORK: Final = np.zeros(len(Feature))

BilledClasses = Annotated[tuple[TurnClass, ...], Adds(lambda one, other: classes_summed((*one, *other)))]
Work = Annotated[Floats, Adds(operator.add)]
WorkByClass = Annotated[dict[str, Floats], Adds(_works_by_class)]
Clock = Annotated[Floats, Adds(lambda one, other: sample_of(np.concatenate([one, other])))]


@dataclass(frozen=True, slots=True)
class ModelSum:
    """The turns of a model that have a bill, or those that have none: usage, bill by class, and work.

    `work` are the features of all of them, `class_work` those of each class. `clock` has a row for each
    measured turn, or for a sample of them: start [s], cached, new and output tokens, duration, gap and time
    to the first token [s].
    """

    turns: Count
    usage: Annotated[Usage, Adds(operator.add)]
    billed_usd: Usd
    classes: BilledClasses
    work: Work
    class_work: WorkByClass
    clock: Clock
    is_lower_bound: AnyPart


@dataclass(frozen=True, slots=True)
class GroupSum:
    """A tool, a skill, an MCP server or an agent, with its bill in parts; None is nothing billed."""

    blocks: Count
    billed_tokens: Count
    known_usd: KnownUsd
    called_usd: KnownUsd
    returned_usd: KnownUsd
    is_complete: EveryPart
    is_exact: EveryPart


class BlockKey(NamedTuple):
    """What blocks of several sessions must share to be one row."""

    kind: BlockKind
    name: str
    text: str


class LongestCall(NamedTuple):
    """The call with the longest prompt [tokens]."""

    prompt_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class KvSums:
    """How long a model's KV was held, in use and in gaps, and its longest context."""

    active_token_seconds: Amount
    idle_token_seconds: Amount
    longest: Annotated[LongestCall, Adds(max)]


@dataclass(frozen=True, slots=True)
class MissingSums:
    """Why the bill may be larger than it is known to be, and the sentences about it.

    `counted_tokens` and `repeated_tokens` are of the outputs without a final count that a later prompt
    repeats: what was counted of each and what it holds; `uncounted_usd` is the bill of the difference, if it
    is known. `stated_otherwise` are the turns whose seller states another bill: how many, what is stated, and
    their bill at list prices.
    """

    reasons: dict[IncompleteReason, int]
    partial_turns: int
    unpriced: dict[str, int]
    unmeasured_without_notes: int
    fees_without_price: dict[str, int]
    incomplete_ok_turns: int
    counted_tokens: Ints
    repeated_tokens: Ints
    uncounted_usd: Decimal | None
    stated_usd: Decimal | None
    stated_otherwise: tuple[int, Decimal, Decimal]
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    notes: int


@dataclass(frozen=True, slots=True)
class SessionSums:
    """A session, summed up.

    `blocks` are those that may occur in other sessions and the most expensive of the others; `other_blocks`
    and `other_usd` say what is not listed. `identities` and `calls` are digests by which a response is known
    again in another log (`tokenprof.reading.merge`); `calls` go with the starts of the turns [s].
    """

    session: str
    sources: tuple[Source, ...]
    first_at: datetime | None
    ends_at_s: float
    requests: int
    turns: SliceSum
    slices: dict[SliceKey, SliceSum]
    models: dict[SoldModel, ModelSum]
    blocks: tuple[BlockRow, ...]
    other_blocks: int
    other_usd: Decimal
    groups: dict[tuple[str, str], GroupSum]
    findings: tuple[PackedFinding, ...]
    resent_tokens: int
    reread_tokens: int
    unplaced_tokens: int
    placed_tokens: int
    predicted_turns: int
    kv: dict[Model, KvSums]
    missing: MissingSums
    identities: Keys
    calls: Keys
    starts: Floats


@dataclass(frozen=True, slots=True)
class Member:
    """A session of a folder: its log, others with the same responses, and when its turns began [s]."""

    file: Path
    format: str
    others: tuple[Path, ...]
    sources: tuple[Source, ...]
    starts: Floats

"""What is kept of a session once it has been analysed: sums, its most expensive blocks, and its findings."""

from __future__ import annotations

import operator
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tokenprof.analysis.rows.row_types import BlockRow, IncompleteReason
from tokenprof.costing.billed_sums import TurnClass
from tokenprof.costing.work import Model
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.adding import Adds, Amount, AnyPart, Count, EveryPart, KnownUsd, Usd, exact_sum_usd
from tokenprof.facts.types import BlockKind, Problem, Source
from tokenprof.hw_model.equations.features import Feature
from tokenprof.pricing.usage import Usage
from tokenprof.sessions.clock_sample import Floats, sample_of
from tokenprof.sessions.packed_findings import PackedFinding

Ints = npt.NDArray[np.int64]
Named = TypeVar("Named", bound=Hashable)
Keys = npt.NDArray[np.uint64]


class SliceKey(NamedTuple):
    """What turns are summed by. Empty texts are what is not known."""

    tags: str
    project: str
    agent: str
    model: str
    day: str


@frozen
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


@frozen
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


@frozen
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


@frozen
class KvSums:
    """How long a model's KV was held, in use and in gaps, and its longest context."""

    active_token_seconds: Amount
    idle_token_seconds: Amount
    longest: Annotated[LongestCall, Adds(max)]


def _counts_added(one: dict[Named, int], other: dict[Named, int]) -> dict[Named, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in one | other}


def _both_known(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


def _of_one_sort(one: tuple[Problem, ...], other: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Return problems with those that differ in their time alone as one."""
    calls: Counter[Problem] = Counter()
    for problem in (*one, *other):
        calls[replace(problem, at=_ANY_TIME, calls=1)] += problem.calls
    return tuple(replace(problem, calls=count) for problem, count in calls.items())


def _first_warnings(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return (*one, *other)[:MOST_WARNINGS]


_ANY_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)

MOST_WARNINGS: Final = 40

Outputs = Annotated[tuple[Ints, ...], Adds(operator.add)]
ListUsd = Annotated[Decimal, Adds(operator.add)]


@frozen
class MissingSums:
    """Why the bill may be larger than it is known to be, and the sentences about it.

    `counted_tokens` and `repeated_tokens` are of the outputs without a final count that a later prompt
    repeats: what was counted of each and what it holds; `uncounted_usd` is the bill of the difference, if it
    is known. `stated_turns` are those whose seller states another bill: `stated_otherwise_usd`, and
    `stated_at_list_usd` at list prices. Of the warnings of many sessions, the first are kept.
    """

    reasons: Annotated[dict[IncompleteReason, int], Adds(_counts_added)] = field(default_factory=dict)
    partial_turns: Count = 0
    unpriced: Annotated[dict[str, int], Adds(_counts_added)] = field(default_factory=dict)
    unmeasured_without_notes: Count = 0
    fees_without_price: Annotated[dict[str, int], Adds(_counts_added)] = field(default_factory=dict)
    incomplete_ok_turns: Count = 0
    counted_tokens: Outputs = ()
    repeated_tokens: Outputs = ()
    uncounted_usd: Annotated[Decimal | None, Adds(_both_known)] = Decimal(0)
    stated_usd: KnownUsd = None
    stated_turns: Count = 0
    stated_otherwise_usd: ListUsd = Decimal(0)
    stated_at_list_usd: ListUsd = Decimal(0)
    problems: Annotated[tuple[Problem, ...], Adds(_of_one_sort)] = ()
    warnings: Annotated[tuple[str, ...], Adds(_first_warnings)] = ()
    notes: Count = 0


@frozen
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

    @property
    def sessions(self) -> int:
        """How many sessions its logs hold."""
        return sum(source.runs for source in self.sources)

    @property
    def logs(self) -> int:
        """How many logs it was read from."""
        return len(self.sources)


@frozen
class Member:
    """A session of a folder: its log, others with the same responses, and when its turns began [s]."""

    file: Path
    format: str
    others: tuple[Path, ...]
    sources: tuple[Source, ...]
    starts: Floats

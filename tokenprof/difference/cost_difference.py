"""What two analyses differ by, and why: the front door of the comparison."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

from tokenprof.costing.billed_sums import NOTHING
from tokenprof.data_classes.frozen import frozen
from tokenprof.difference.causes import CauseOfDifference, causes
from tokenprof.difference.cost_profile import CellKey, CostProfile, ServedModel
from tokenprof.difference.decompose import STEPS, Step, decompose
from tokenprof.difference.profile_of_run import cost_profile, served_model
from tokenprof.difference.profile_sums import matched
from tokenprof.facts.own_decimals import EXACT_DIGITS, in_own_decimals, own_decimals

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.hw_model.estimate import Estimate

Part = Literal["volume", "cache", "model", "price"]

PARTS: Final[Mapping[Part, tuple[Step, ...]]] = {
    "volume": ("blocks", "size", "calls", "carried"),
    "cache": ("cache",),
    "model": ("tokenizer", "model"),
    "price": ("price",),
}
"""The four parts of a difference, and the steps that each one sums."""


TOOL_KINDS: Final = ("tool", "tool_call", "tool_result")


@frozen
class SideBySide:
    """What one thing cost in each run, in USD; None if the run did not have it.

    `kind` is the kind of a block group. Of a turn, `name` is its place among the calls of its agent, from 0,
    and `kind` the agent. `calls_before` and `calls_now` count the calls of an agent.
    """

    name: str
    before_usd: Decimal | None
    now_usd: Decimal | None
    kind: str = ""
    calls_before: int | None = None
    calls_now: int | None = None

    @property
    def usd(self) -> Decimal:
        """The difference: positive if the second run cost more."""
        return _beyond(self.before_usd or NOTHING, self.now_usd or NOTHING)


@frozen
class CostDifference:
    """Why the second of two runs was billed more, or less, than the first.

    `usd` is the difference of the two bills. `parts` are volume, cache, model and price, `steps` the same in
    finer steps, `causes` the same by what changed: each of the three adds up to `usd` exactly, to the last
    decimal. `blocks`, `tools`, `agents`, `classes` and `turns` list both runs side by side, the largest
    change first; all but `tools` add up to `usd`, too. `turns` are matched by their place among the calls of
    their agent.

    Turns without a price or without usage are in neither bill; `left_out` counts them in each run.
    `compute_usd` is what each run cost to compute, if that was asked for and is known.
    """

    before_usd: Decimal
    now_usd: Decimal
    parts: Mapping[Part, Decimal]
    steps: Mapping[Step, Decimal]
    causes: tuple[CauseOfDifference, ...]
    blocks: tuple[SideBySide, ...]
    tools: tuple[SideBySide, ...]
    agents: tuple[SideBySide, ...]
    classes: tuple[SideBySide, ...]
    turns: tuple[SideBySide, ...]
    calls: tuple[int, int]
    left_out: tuple[int, int]
    runs: tuple[int, int]
    compute_usd: tuple[Estimate | None, Estimate | None] = (None, None)

    @property
    def usd(self) -> Decimal:
        """The difference of the two bills, positive if the second is higher."""
        return _beyond(self.before_usd, self.now_usd)


@in_own_decimals
def diff(before: Analysis, now: Analysis, *, compute: bool = False) -> CostDifference:
    """Return why `now` was billed more, or less, than `before`.

    The parts add up to the difference exactly. They follow a fixed order of steps (docs/diff.md), in which
    tokens are valued at the prices of `before` until prices are changed last. `compute=True` also costs the
    compute of both runs, which takes longer.

    Raises `InputError` for prices that cannot be used.
    """
    profiles = cost_profile(before), cost_profile(now)
    first, second = matched(*profiles)
    rates = {**_rates_for(now, before), **first.rates}
    parts = decompose(replace(first, rates=rates), second)
    with own_decimals(EXACT_DIGITS):
        steps: dict[Step, Decimal] = dict.fromkeys(STEPS, NOTHING)
        for own in parts.values():
            for step, usd in own.items():
                steps[step] += usd
        return CostDifference(
            before_usd=first.billed_usd,
            now_usd=second.billed_usd,
            parts={part: sum((steps[step] for step in own), NOTHING) for part, own in PARTS.items()},
            steps=steps,
            causes=causes(parts, first, second),
            blocks=_blocks(first, second),
            tools=_tools(first, second),
            agents=_agent_rows(first, second),
            classes=_classes(first, second),
            turns=_turns(before, now, by_agent=first is profiles[0]),
            calls=(sum(first.turns.values()), sum(second.turns.values())),
            left_out=(first.turns_left_out, second.turns_left_out),
            runs=(_runs(before), _runs(now)),
            compute_usd=(before.totals.hardware_usd, now.totals.hardware_usd) if compute else (None, None),
        )


def _runs(analysis: Analysis) -> int:
    return sum(source.runs for source in analysis.run.sources)


def _rates_for(now: Analysis, before: Analysis) -> dict[ServedModel, Mapping[str, Decimal]]:
    """Return the rates of one run's models by the prices of the other, on the day of its last call."""
    from tokenprof.pricing.book import UnknownTierError, Unpriced

    billed = zip(before.run.turns, before.ledger.billed_usd, strict=True)
    days = [turn.started_at for turn, usd in billed if usd is not None]
    rates: dict[ServedModel, Mapping[str, Decimal]] = {}
    last_calls = {served_model(turn): turn for turn in now.run.turns}
    for served, turn in last_calls.items():
        if not days or turn.usage is None:
            continue
        try:
            found = before.book.price(turn.sold_by, turn.model, max(days), turn.usage, turn.selectors)
        except UnknownTierError:
            continue
        if not isinstance(found, Unpriced):
            rates[served] = found.rates
    return rates


def _blocks(before: CostProfile, now: CostProfile) -> tuple[SideBySide, ...]:
    sums = [_sums(side, lambda key, cls: (key.kind, key.name)) for side in (before, now)]
    return _side_by_side(sums, named_by_kind=True)


def _tools(before: CostProfile, now: CostProfile) -> tuple[SideBySide, ...]:
    """Return the tools: schema, calls and results of each together."""
    sums = [
        _sums(side, lambda key, cls: ("tool", key.name) if key.kind in TOOL_KINDS else None)
        for side in (before, now)
    ]
    return _side_by_side(sums)


def _classes(before: CostProfile, now: CostProfile) -> tuple[SideBySide, ...]:
    return _side_by_side([_sums(side, lambda key, cls: ("", cls)) for side in (before, now)])


def _agent_rows(before: CostProfile, now: CostProfile) -> tuple[SideBySide, ...]:
    sums = [_sums(side, lambda key, cls: ("", key.agent)) for side in (before, now)]
    return tuple(
        replace(
            change,
            calls_before=before.turns.get(change.name, 0),
            calls_now=now.turns.get(change.name, 0),
        )
        for change in _side_by_side(sums)
    )


def _turns(before: Analysis, now: Analysis, *, by_agent: bool) -> tuple[SideBySide, ...]:
    """Return the calls matched by agent and by their place among its calls."""
    sums: list[dict[tuple[str, str], Decimal]] = []
    for side in (before, now):
        places: dict[str, int] = defaultdict(int)
        own: dict[tuple[str, str], Decimal] = {}
        for turn, usd in zip(side.run.turns, side.ledger.billed_usd, strict=True):
            agent = (turn.agent or "") if by_agent else ""
            if usd is not None:
                own[agent, str(places[agent])] = usd
            places[agent] += 1
        sums.append(own)
    return _ranked(
        SideBySide(place, sums[0].get((agent, place)), sums[1].get((agent, place)), agent)
        for agent, place in dict.fromkeys([*sums[0], *sums[1]])
    )


def _sums(
    profile: CostProfile, name_of: Callable[[CellKey, str], tuple[str, str] | None]
) -> dict[tuple[str, str], Decimal]:
    """Return the bill by the name that `name_of` gives a cell and class; None leaves it out."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(lambda: NOTHING)
    for key, cell in profile.cells.items():
        for (_, cls), billed in cell.items():
            if (name := name_of(key, cls)) is not None:
                sums[name] += billed.usd
    return dict(sums)


def _side_by_side(
    sums: Sequence[Mapping[tuple[str, str], Decimal]], *, named_by_kind: bool = False
) -> tuple[SideBySide, ...]:
    before, now = sums
    return _ranked(
        SideBySide(name, before.get((kind, name)), now.get((kind, name)), kind if named_by_kind else "")
        for kind, name in dict.fromkeys([*before, *now])
    )


def _ranked(changes: Iterable[SideBySide]) -> tuple[SideBySide, ...]:
    return tuple(sorted(changes, key=lambda change: -abs(change.usd)))


def _beyond(before_usd: Decimal, now_usd: Decimal) -> Decimal:
    with own_decimals(EXACT_DIGITS):
        return now_usd - before_usd

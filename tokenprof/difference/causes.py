"""The causes of a difference, ranked: block groups, calls, agents, the cache, the model, prices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Literal

from tokenprof.costing.billed_sums import NOTHING
from tokenprof.data_classes.frozen import frozen
from tokenprof.difference.cost_profile import CellKey, CostProfile, MissedCache
from tokenprof.difference.decompose import Step

CauseKind = Literal["blocks", "calls", "agent", "cache", "model", "price"]


@frozen
class GroupUse:
    """How one run used a block group.

    `blocks` is how many there were, `tokens` their mean billed size when they came in, `carried` through how
    many later calls a block was billed again, on average.
    """

    blocks: float
    tokens: float
    carried: float


@frozen
class CauseOfDifference:
    """One reason why the second run was billed more, or less: `usd` is its part of the difference.

    `name` is of a block group, with its `block_kind`, or of an agent. What changed stands in one of the
    pairs, the first run's figure and the second's: how a block group was used, the number of calls, the
    share of the prompt that was read from the cache, the models, or the second run's bill at either run's
    prices.
    `missed` are the most expensive cache misses of the run that was cached worse.
    """

    kind: CauseKind
    usd: Decimal
    name: str = ""
    block_kind: str = ""
    uses: tuple[GroupUse | None, GroupUse | None] = (None, None)
    calls: tuple[float, float] = (0, 0)
    read_shares: tuple[float, float] = (0.0, 0.0)
    models: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    bills_usd: tuple[Decimal, Decimal] = (NOTHING, NOTHING)
    missed: MissedCache | None = None


def causes(
    parts: Mapping[CellKey, Mapping[Step, Decimal]], before: CostProfile, now: CostProfile
) -> tuple[CauseOfDifference, ...]:
    """Return the causes, those that moved the bill most first. Their dollars add up to the difference."""
    groups: dict[tuple[str, str], Decimal] = defaultdict(lambda: NOTHING)
    calls: dict[str, Decimal] = defaultdict(lambda: NOTHING)
    agents: dict[str, Decimal] = defaultdict(lambda: NOTHING)
    whole: dict[CauseKind, Decimal] = defaultdict(lambda: NOTHING)
    for key, own in parts.items():
        one_sided = not (before.turns.get(key.agent) and now.turns.get(key.agent))
        for step, usd in own.items():
            if step == "price":
                whole["price"] += usd
            elif step in ("model", "tokenizer"):
                whole["model"] += usd
            elif step == "cache":
                whole["cache"] += usd
            elif one_sided:
                agents[key.agent] += usd
            elif step == "calls":
                calls[key.agent] += usd
            else:
                groups[key.kind, key.name] += usd
    found = [*_of_groups(groups, before, now)]
    of_agents: tuple[tuple[CauseKind, Mapping[str, Decimal]], ...] = (("calls", calls), ("agent", agents))
    for kind, amounts in of_agents:
        for agent, usd in amounts.items():
            made = before.turns.get(agent, 0), now.turns.get(agent, 0)
            found.append(CauseOfDifference(kind, usd, agent, calls=made))
    shares = before.cache_read_share, now.cache_read_share
    worse = now if whole["cache"] > 0 else before
    most = max(worse.missed, key=lambda missed: missed.lost_usd, default=None)
    found.append(CauseOfDifference("cache", whole["cache"], read_shares=shares, missed=most))
    names = before.model_names, now.model_names
    found.append(CauseOfDifference("model", whole["model"], models=names))
    bills = now.billed_usd - whole["price"], now.billed_usd
    found.append(CauseOfDifference("price", whole["price"], bills_usd=bills))
    return tuple(sorted((cause for cause in found if cause.usd), key=lambda cause: -abs(cause.usd)))


def _of_groups(
    groups: Mapping[tuple[str, str], Decimal], before: CostProfile, now: CostProfile
) -> Iterator[CauseOfDifference]:
    shared = before.turns.keys() & now.turns.keys()
    uses = [_uses(side, shared) for side in (before, now)]
    for (kind, name), usd in groups.items():
        then, later = (side.get((kind, name)) for side in uses)
        yield CauseOfDifference("blocks", usd, name, kind, uses=(then, later))


def _uses(profile: CostProfile, agents: Collection[str]) -> dict[tuple[str, str], GroupUse]:
    """Return how some agents used each block group."""
    tokens: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for key, cell in profile.cells.items():
        if key.agent in agents:
            tokens[key.kind, key.name][key.passage] += sum(billed.tokens for billed in cell.values())
    blocks: dict[tuple[str, str], int] = defaultdict(int)
    for side in (profile.prompt_blocks, profile.output_blocks):
        counted: dict[tuple[str, str], int] = defaultdict(int)
        for (agent, kind, name), group in side.items():
            counted[kind, name] += group.count if agent in agents else 0
        for group_name, count in counted.items():
            blocks[group_name] = max(blocks[group_name], count)
    found = {}
    for group_name, own in tokens.items():
        once = own["entered"] or own["output"] or own["fee"]
        count = blocks[group_name] or own["fee"]
        found[group_name] = GroupUse(
            count, once / count if count else 0.0, own["carried"] / once if once else 0.0
        )
    return found

"""Progressive disclosure priced: a recorded run beside the same run with everything up front.

A context that loads skills and tools on demand stays small and pays with extra turns. The variants are
worked out from the recorded turns at their own prices and with their own caching: what a turn sends for the
first time is written (or fresh), what it sends again is read. The model's answers are assumed to be the same.
"""

from __future__ import annotations

from decimal import Decimal
from statistics import fmean
from typing import TYPE_CHECKING

from tokenprof.costing.disclosure_variants import VariantDelta, Variants
from tokenprof.costing.on_demand_loads import loads_of
from tokenprof.data_classes.frozen import frozen

if TYPE_CHECKING:
    from tokenprof.costing.ledger import Ledger


@frozen
class Variant:
    """A run as it was or would have been: its turns, the tokens of its prompts and outputs, its bill."""

    turns: int
    input_tokens: int
    output_tokens: int
    billed_usd: Decimal


@frozen
class Disclosure:
    """One run, disclosed in different ways.

    `recorded` is the run. `loaded_up_front` has what it loaded in every prompt from the first on, without
    the turns that loaded it. `all_up_front` also has the skills of the index that it never loaded; it is None
    if the run loaded no skill, because then nobody knows how large they are. `on_demand` loads each tool that
    the run called when it is first called, and never the others.

    `loads` is the number of skills and tools that were loaded on demand, `load_turns` the number of turns
    that did nothing else, and `items` the number of skills that the run could load. `break_even_loads` is the
    number of loads at which loading one by one costs as much as having all of them up front.

    `loaded_skills` is the number of skills that were loaded, `mean_skill_tokens` their mean size, and
    `unloaded_skills` the number of skills in the index that were not: `all_up_front` assumes that these have
    the mean size. The last three are None in a disclosure that was read from a report without them.
    """

    recorded: Variant
    loaded_up_front: Variant
    all_up_front: Variant | None
    on_demand: Variant
    loads: int
    load_turns: int
    items: int
    break_even_loads: float | None
    loaded_skills: int | None
    unloaded_skills: int | None
    mean_skill_tokens: float | None


def disclose(ledger: Ledger) -> Disclosure | None:
    """Return a run's disclosure; None if it has nothing to disclose, or if no turn has a price."""
    blocks = ledger.attribution.blocks.values()
    skills_indexed = sum(
        len(placed.block.children)
        for placed in blocks
        if placed.block.kind == "skills_index" and placed.replaces is None
    )
    variants = Variants(ledger, loads_of(ledger))
    if not variants.contexts or not (variants.loads or skills_indexed or variants.schemas):
        return None
    recorded = _recorded(ledger, variants)
    up_front, without_loads, on_demand = VariantDelta(), VariantDelta(), VariantDelta()
    for name in variants.contexts:
        variants.load_up_front(name, up_front)
        variants.never_load(name, without_loads)
        variants.load_tools_when_called(name, on_demand)
    sizes = {load.name: variants.tokens(load) for load in variants.loads if load.kind == "skill"}
    mean_tokens = fmean(sizes.values()) if sizes else None
    unloaded = max(skills_indexed - len(sizes), 0)
    everything: VariantDelta | None = None
    if mean_tokens is not None:
        everything = up_front.copy()
        variants.carry_everywhere(round(mean_tokens) * unloaded, everything)
    return Disclosure(
        recorded=recorded,
        loaded_up_front=_with(recorded, up_front),
        all_up_front=None if everything is None else _with(recorded, everything),
        on_demand=_with(recorded, on_demand),
        loads=len(variants.loads),
        load_turns=len({load.asked_in for load in variants.loads if load.is_extra_turn}),
        items=max(skills_indexed, len(sizes)),
        break_even_loads=_break_even(without_loads, everything, len(variants.loads)),
        loaded_skills=len(sizes),
        unloaded_skills=unloaded,
        mean_skill_tokens=mean_tokens,
    )


def _recorded(ledger: Ledger, variants: Variants) -> Variant:
    turns = [index for context in variants.contexts.values() for index in context.turns]
    usages = [usage for index in turns if (usage := ledger.run.turns[index].usage) is not None]
    return Variant(
        len(turns),
        sum(usage.input_tokens for usage in usages),
        sum(usage.all_output_tokens for usage in usages),
        sum((ledger.billed_usd[index] or Decimal(0) for index in turns), Decimal(0)),
    )


def _with(recorded: Variant, delta: VariantDelta) -> Variant:
    return Variant(
        recorded.turns + delta.turns,
        recorded.input_tokens + delta.input_tokens,
        recorded.output_tokens + delta.output_tokens,
        recorded.billed_usd + delta.usd,
    )


def _break_even(without_loads: VariantDelta, everything: VariantDelta | None, loads: int) -> float | None:
    """Return how many loads cost as much as having everything up front, at this run's mean cost of a load."""
    if everything is None or not loads or without_loads.usd >= 0:
        return None
    return float((everything.usd - without_loads.usd) / (-without_loads.usd / loads))

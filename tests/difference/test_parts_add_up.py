"""A difference is taken apart exactly, and what was changed on purpose comes first."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, localcontext
from pathlib import Path

import pytest
from made_runs import OPUS, SONNET, CallStep, RunPlan, jittered, plan, run_of

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.difference.causes import CauseOfDifference
from tokenprof.difference.cost_difference import CostDifference, diff

PAIRS = 200

Planted = tuple[list[RunPlan], Callable[[CauseOfDifference], bool]]
"""The changed agents, and whether a cause is the change that was made."""


def compared(before: RunPlan, *now: RunPlan) -> CostDifference:
    return diff(Analysis(run_of(before)), Analysis(run_of(*now)))


def assert_adds_up(found: CostDifference) -> None:
    with localcontext() as context:
        context.prec = 60
        whole = found.now_usd - found.before_usd
        assert found.usd == whole
        assert sum(found.parts.values()) == whole
        assert sum(found.steps.values()) == whole
        assert sum(cause.usd for cause in found.causes) == whole
        for rows in (found.blocks, found.agents, found.classes, found.turns):
            assert sum(row.usd for row in rows) == whole


@pytest.mark.parametrize("seed", range(PAIRS))
def test_parts_sum_to_the_difference_to_the_last_decimal(seed: int) -> None:
    """Any two runs: other tools, other sizes, other models, gaps, tiers, subagents."""
    rng = random.Random(seed)

    def drawn() -> list[RunPlan]:
        agents: list[str | None] = [None, *rng.sample(["reader", "writer", "critic"], rng.randint(0, 2))]
        plans = []
        for agent in agents:
            own = plan(rng.randrange(10**6), calls=rng.randint(1, 5))
            steps = tuple(replace(step, gap_s=rng.choice((5, 20, 400))) for step in own.steps)
            plans.append(
                replace(
                    own,
                    steps=steps,
                    agent=agent,
                    model=rng.choice((OPUS, SONNET)),
                    batch=rng.random() < 0.2,
                    changing_system=rng.random() < 0.2,
                )
            )
        return plans

    before, now = Analysis(run_of(*drawn())), Analysis(run_of(*drawn()))
    found = diff(before, now)
    assert_adds_up(found)
    assert found.before_usd == before.totals.billed_usd
    assert found.now_usd == now.totals.billed_usd


def test_a_run_does_not_differ_from_itself() -> None:
    found = compared(plan(1), plan(1))
    assert found.usd == 0
    assert found.causes == ()
    assert not any(found.steps.values())


def a_result_grows(rng: random.Random, own: RunPlan) -> Planted:
    tool = rng.choice([step.tool for step in own.steps[: len(own.steps) // 2]])
    grown = tuple(
        replace(step, result_tokens=step.result_tokens * 3 + 2000) if step.tool == tool else step
        for step in own.steps
    )
    return [replace(own, steps=grown)], lambda c: (c.block_kind, c.name) == ("tool_result", tool)


def a_tool_is_added(rng: random.Random, own: RunPlan) -> Planted:
    tools = {**own.tools, "extra": rng.randint(1500, 4000)}
    return [replace(own, tools=tools)], lambda c: (c.block_kind, c.name) == ("tool", "extra")


def the_system_prompt_grows(rng: random.Random, own: RunPlan) -> Planted:
    now = replace(own, system_tokens=own.system_tokens * 2 + 1000)
    return [now], lambda c: (c.block_kind, c.name) == ("system", "system")


def more_calls(rng: random.Random, own: RunPlan) -> Planted:
    small = [CallStep(rng.choice(list(own.tools)), 20, 30, 40) for _ in range(2 * len(own.steps))]
    return [replace(own, steps=(*own.steps, *small))], lambda c: c.kind == "calls"


def another_model(rng: random.Random, own: RunPlan) -> Planted:
    return [replace(own, model=SONNET)], lambda c: c.kind == "model"


def the_batch_tier(rng: random.Random, own: RunPlan) -> Planted:
    return [replace(own, batch=True)], lambda c: c.kind == "model"


def a_changing_prompt(rng: random.Random, own: RunPlan) -> Planted:
    return (
        [replace(own, changing_system=True)],
        lambda c: (
            c.kind == "cache"
            and c.missed is not None
            and c.missed.why == "changed"
            and c.missed.name == "system"
        ),
    )


def long_gaps(rng: random.Random, own: RunPlan) -> Planted:
    steps = tuple(replace(step, gap_s=400 if place % 2 else 20) for place, step in enumerate(own.steps))
    return [
        replace(own, steps=steps)
    ], lambda c: c.kind == "cache" and c.missed is not None and c.missed.why == "ttl_expired"


def a_subagent(rng: random.Random, own: RunPlan) -> Planted:
    other = replace(plan(rng.randrange(10**6)), agent="researcher")
    return [own, other], lambda c: c.kind == "agent" and c.name == "researcher"


CHANGES = (
    a_result_grows,
    a_tool_is_added,
    the_system_prompt_grows,
    more_calls,
    another_model,
    the_batch_tier,
    a_changing_prompt,
    long_gaps,
    a_subagent,
)


def test_the_planted_cause_is_ranked_first() -> None:
    """In at least 98 % of runs whose results also vary by a percent, as between two runs of one agent."""
    wrong, tried = [], 0
    for change in CHANGES:
        for seed in range(25):
            own = plan(seed)
            now, is_planted = change(random.Random(seed), jittered(own, seed))
            found = compared(own, *now)
            assert_adds_up(found)
            tried += 1
            if not is_planted(found.causes[0]):
                wrong.append((change.__name__, seed, found.causes[0]))
    assert len(wrong) <= 0.02 * tried, wrong


def test_a_price_change_is_a_price_change(tmp_path: Path) -> None:
    """The same run at doubled prices: all of the difference is price."""
    own = tmp_path / "own.toml"
    own.write_text(
        "[[price]]\n"
        'provider = "anthropic"\nmodel = "claude-opus-4-8"\nchecked = 2026-08-01\n'
        'source = "contract"\n'
        "[price.usd_per_mtok]\n"
        "uncached_input = 10\ncache_read = 1\ncache_write_5m = 12.5\ncache_write_1h = 20\noutput = 50\n"
    )
    run = run_of(plan(2))
    found = diff(Analysis(run), Analysis(run, Assumptions(prices=(own,))))
    assert found.usd == found.before_usd
    assert found.parts == {"volume": 0, "cache": 0, "model": 0, "price": found.before_usd}
    assert [cause.kind for cause in found.causes] == ["price"]


def test_dollars_worked_by_hand() -> None:
    """One call of 1,000 prompt tokens more, in two calls: written once at $6.25, read once at $0.50."""
    steps = (CallStep("t", 10, 10, 100), CallStep("t", 10, 10, 100))
    before = RunPlan({"t": 100}, 1000, 100, steps)
    found = compared(before, replace(before, tools={"t": 100, "extra": 1000}))
    # The block is 1.2 × 1,000 tokens; how much of them the bill pins is attribution's business.
    assert found.usd == Decimal("1200") * (Decimal("6.25") + Decimal("0.50")) / 1_000_000
    assert found.parts["volume"] == found.usd
    assert found.parts["cache"] == found.parts["model"] == found.parts["price"] == 0

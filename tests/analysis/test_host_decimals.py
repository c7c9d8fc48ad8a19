"""What a program sets for its own decimal arithmetic changes no figure and raises nothing here."""

from __future__ import annotations

import decimal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import tokenprof
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.gate.outcome import explain, judge
from tokenprof.gate.sample import sample_of
from tokenprof.live.budget_guard import BudgetGuard
from tokenprof.live.limits import Limits
from tokenprof.live.running_cost import RunningCost, TurnCost

LOGS = Path(__file__).parents[1] / "data" / "logs"
ROLLOUT = LOGS / "codex" / "rollout.jsonl"

HOSTILE = {
    "three digits": decimal.Context(prec=3),
    "rounding up": decimal.Context(prec=5, rounding=decimal.ROUND_UP),
    "errors": decimal.Context(
        prec=4, traps=[decimal.Inexact, decimal.Rounded, decimal.FloatOperation, decimal.Subnormal]
    ),
}


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE.keys())
def hostile(request: pytest.FixtureRequest) -> decimal.Context:
    return request.param


def everything(folder: Path) -> Iterator[object]:
    """Yield what a program may ask for: the report, its text, the rows, a what-if, a difference, a gate."""
    analysis = tokenprof.load(ROLLOUT).analyze()
    yield analysis.save(folder / "report.json", with_entries=True).read_bytes()
    yield str(analysis)
    yield list(analysis.entries)
    for each in analysis.suggestions:
        yield each.lever, each.saves_usd, each.low_usd, each.high_usd, each.share
    asked = analysis.what_if("model=claude-sonnet-4-6")
    yield asked.before_usd, asked.after_usd, asked.saves_usd
    same = tokenprof.diff(analysis, tokenprof.load(ROLLOUT).analyze())
    yield same.usd, same.parts, same.steps, same.causes
    yield list(explain(judge("run", [sample_of(analysis)], budget={"usd": Decimal("0.0000001")})))


def test_an_analysis_is_the_same_in_any_context(hostile: decimal.Context, tmp_path: Path) -> None:
    expected = list(everything(tmp_path))
    before = decimal.getcontext().copy()
    with decimal.localcontext(hostile) as inside:
        found = list(everything(tmp_path))
        assert (inside.prec, inside.rounding, inside.traps) == (hostile.prec, hostile.rounding, hostile.traps)
        assert decimal.getcontext() is inside
    assert found == expected
    assert decimal.getcontext().prec == before.prec


def test_the_cost_of_a_run_while_it_runs_is_the_same_in_any_context(hostile: decimal.Context) -> None:
    run = tokenprof.load(ROLLOUT)
    seen: list[TurnCost] = []
    warned: list[str] = []
    # Less than the first call costs, and with more digits than the host's context has.
    limits = Limits(usd="0.00000012345")
    guard = BudgetGuard(limits, limits, Assumptions(), warn=warned.append)
    with decimal.localcontext(hostile):
        follow = RunningCost(seen.append, Assumptions())
        for turn in run.turns:
            follow(turn, ())
            guard(turn, ())
        refusal = guard.refusal()
    billed = run.analyze().totals.billed_usd
    assert seen[-1].total_usd == billed
    assert len(warned) == 1
    assert refusal is not None
    assert "The run was billed $0.0329; its limit is $0.00000012345." in refusal

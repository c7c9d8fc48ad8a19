"""What-if beside the recorded truth: the same loop recorded both ways, for each lever."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from loopback_loops import OLDER_TOKENIZER, SAME_TOKENIZER, LoopSettings, record

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.facts.errors import InputError
from tokenprof.testing import Overheads
from tokenprof.whatif.levers.compaction import SUMMARY_SHARE
from tokenprof.whatif.prediction import Prediction

HIDDEN = Overheads(per_message=3, per_tool=5, per_tool_use=12, per_tool_result=6, prompt_end=3)


def billed(analysis: Analysis) -> Decimal:
    assert analysis.totals.billed_usd is not None
    return analysis.totals.billed_usd


def predicted(analysis: Analysis, *levers: str) -> Prediction:
    found = analysis.what_if(*levers)
    assert found.before_usd == billed(analysis)
    assert found.explained == found.calls[0]
    return found


def ends(found: Prediction) -> tuple[Decimal, Decimal, Decimal]:
    assert found.after_usd is not None
    assert found.low_usd is not None
    assert found.high_usd is not None
    return found.after_usd, found.low_usd, found.high_usd


BASE = LoopSettings()
BATCH = {"service_tier": "batch"}

EXACT: dict[str, dict[str, Any]] = {
    "ttl=1h": {"ttl": "1h"},
    "breakpoints=automatic": {"marks": "last"},
    "breakpoints=none": {"marks": "none"},
    f"model={SAME_TOKENIZER}": {"model": SAME_TOKENIZER},
    "tier=batch": {"usage": BATCH},
}
"""What does not rest on the size of any one block, and what the loop has to change to make it true."""

WITHIN: dict[str, dict[str, Any]] = {
    "cap=*:300": {"cap": 300},
    "tools=deferred": {"deferred": True},
    "rereads=once": {"rereads_once": True},
}
"""What rests on sizes that the bill pins in sums only, so that the answer is an interval."""


def pairs() -> dict[str, LoopSettings]:
    """Return each two levers that can be pulled together, and the loop with both changes made."""
    known = EXACT | WITHIN
    return {
        f"{first} {second}": LoopSettings(**known[first], **known[second])
        for first, second in combinations(known, 2)
        if not known[first].keys() & known[second].keys()
    }


PAIRS = pairs()
COMPACT_AT = 4500
OWN = "deepseek-v3@8xh200"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return record(tmp_path_factory.mktemp("base") / "run.jsonl", BASE)


@pytest.mark.parametrize("lever", EXACT)
def test_levers_are_predicted_to_the_last_decimal(lever: str, base: Analysis, tmp_path: Path) -> None:
    truth = record(tmp_path / "truth.jsonl", LoopSettings(**EXACT[lever]))
    found = predicted(base, lever)
    assert found.after_usd == billed(truth)
    assert found.is_exact


def assert_within(found: Prediction, truth: Decimal, width: str = "0.1") -> None:
    """The recorded bill is in the interval, which is narrow: the bill pins most of what a size can be."""
    after, low, high = ends(found)
    assert low <= truth <= high
    assert not found.is_exact
    assert high - low < Decimal(width) * truth
    assert abs(after - truth) < Decimal("0.02") * truth


@pytest.mark.parametrize("lever", WITHIN)
def test_levers_on_estimated_sizes_are_predicted_within_their_interval(
    lever: str, base: Analysis, tmp_path: Path
) -> None:
    truth = record(tmp_path / "truth.jsonl", LoopSettings(**WITHIN[lever]))
    assert_within(predicted(base, lever), billed(truth))


@pytest.mark.parametrize("levers", PAIRS)
def test_composed_levers_are_their_joint_recording(levers: str, base: Analysis, tmp_path: Path) -> None:
    truth = billed(record(tmp_path / "truth.jsonl", PAIRS[levers]))
    for order in (levers.split(), levers.split()[::-1]):
        found = predicted(base, *order)
        if all(lever in EXACT for lever in order):
            assert found.after_usd == truth
            assert found.is_exact
        else:
            assert_within(found, truth, width="0.15")


def test_all_levers_at_once_are_their_joint_recording(base: Analysis, tmp_path: Path) -> None:
    """An hour of cache, one breakpoint, another model, a batch, capped results, and fewer schemas."""
    made = LoopSettings(
        ttl="1h", marks="last", model=SAME_TOKENIZER, usage=BATCH, cap=300, deferred=True, rereads_once=True
    )
    truth = record(tmp_path / "truth.jsonl", made)
    levers = ("ttl=1h", "breakpoints=automatic", f"model={SAME_TOKENIZER}", "tier=batch")
    found = predicted(base, *levers, "cap=*:300", "tools=deferred", "rereads=once")
    assert_within(found, billed(truth), width="0.15")


@pytest.mark.parametrize("others", [{}, {"ttl": "1h"}, {"usage": BATCH}])
def test_merged_calls_are_predicted_at_the_end_of_the_interval_that_merges_all(
    others: dict[str, Any], base: Analysis, tmp_path: Path
) -> None:
    """The model writes the same, in a turn less. Whether it can is not known, so that is one end."""
    truth = billed(record(tmp_path / "truth.jsonl", LoopSettings(merged=True, **others)))
    levers = [lever for lever, change in EXACT.items() if others and change == others]
    found = predicted(base, "parallel=same-tool", *levers)
    _, low, high = ends(found)
    assert low == truth
    assert high == predicted(base, *levers).after_usd


@pytest.mark.parametrize("share", [0.04, 0.08, 0.18])
@pytest.mark.parametrize("others", [{}, {"ttl": "1h"}, {"usage": BATCH}])
def test_compaction_is_predicted_within_its_interval(
    share: float, others: dict[str, Any], base: Analysis, tmp_path: Path
) -> None:
    """Summaries of any size that the lever allows for; at its usual share the middle is the truth."""
    made = LoopSettings(compact_at=COMPACT_AT, summary_share=share, **others)
    recorded = record(tmp_path / "truth.jsonl", made)
    levers = [lever for lever, change in EXACT.items() if others and change == others]
    found = predicted(base, f"compaction={COMPACT_AT}", *levers)
    after, low, high = ends(found)
    assert low <= billed(recorded) <= high
    if share == SUMMARY_SHARE["mid"]:
        assert found.calls == (9, len(recorded.turns))
        assert abs(after - billed(recorded)) < Decimal("0.02") * billed(recorded)


@pytest.mark.parametrize("levers", ["tools=up-front", "tools=up-front ttl=1h", "tools=up-front tier=batch"])
def test_loaded_schemas_moved_up_front_are_predicted(levers: str, tmp_path: Path) -> None:
    """The first turn still searches for the tool, and finds it where it stands."""
    recorded = record(tmp_path / "base.jsonl", LoopSettings(searched="result"))
    made = {key: value for lever in levers.split()[1:] for key, value in EXACT[lever].items()}
    truth = billed(record(tmp_path / "truth.jsonl", LoopSettings(searched="tools", **made)))
    found = predicted(recorded, *levers.split())
    after, low, high = ends(found)
    assert low <= truth <= high
    assert abs(after - truth) < Decimal("0.02") * truth


@pytest.mark.parametrize("times", [1.1, 1.3, 1.45])
def test_another_tokenizer_is_predicted_within_its_interval(times: float, tmp_path: Path) -> None:
    """Opus 4.8 counts the same text with more tokens than Sonnet 4.6: up to 1.47 times as many."""
    recorded = record(tmp_path / "base.jsonl", LoopSettings(tokens_per_text=times))
    truth = billed(record(tmp_path / "truth.jsonl", LoopSettings(model=OLDER_TOKENIZER)))
    _, low, high = ends(predicted(recorded, f"model={OLDER_TOKENIZER}"))
    assert low <= truth <= high
    assert low < high


@pytest.mark.parametrize("hours", [None, 2.5])
def test_own_hardware_costs_what_the_same_run_costs_there(
    hours: float | None, base: Analysis, tmp_path: Path
) -> None:
    """An open model on the loopback is the same calls; both are computed on the same eight chips."""
    there = Assumptions(deployment=OWN, usd_per_gpu_hour=hours)
    truth = record(tmp_path / "truth.jsonl", LoopSettings(model="deepseek-v3"), there)
    found = base.what_if(f"hardware={OWN}" if hours is None else f"hardware={OWN}:{hours}")
    assert found.after_usd is None
    assert found.compute_after_usd == truth.totals.hardware_usd


def test_what_has_no_price_is_refused_with_the_reason(base: Analysis) -> None:
    with pytest.raises(
        InputError, match="No rate of anthropic 'claude-opus-4-8' for service_tier 'priority'"
    ):
        base.what_if("tier=priority")
    with pytest.raises(InputError, match="No price row of anthropic is named 'claude-opus-9'"):
        base.what_if("model=claude-opus-9")


def test_hidden_overheads_change_nothing(tmp_path: Path) -> None:
    """Tokens that the provider adds on its own are in both recordings, and in the prediction."""
    recorded = record(tmp_path / "base.jsonl", replace(BASE, overheads=HIDDEN))
    truth = record(tmp_path / "truth.jsonl", LoopSettings(ttl="1h", overheads=HIDDEN))
    found = predicted(recorded, "ttl=1h")
    assert found.after_usd == billed(truth)


def test_a_saving_is_real_if_compute_falls_too(base: Analysis) -> None:
    """An hour of cache saves prefill; a batch is the same work at half the price."""
    assert base.what_if("ttl=1h").saving_kind == "real"
    assert base.what_if("cap=*:300").saving_kind == "real"
    batch = base.what_if("tier=batch")
    assert batch.saving_kind == "list-price only"
    assert batch.after_usd == batch.before_usd / 2
    assert batch.compute_after_usd == batch.compute_before_usd
    assert base.what_if("breakpoints=none").saving_kind == "none"


def test_nothing_changed_is_the_recorded_bill(base: Analysis) -> None:
    found = base.what_if()
    assert found.after_usd == found.before_usd == billed(base)
    assert found.compute_after_usd == found.compute_before_usd
    assert base.what_if("ttl=5m").after_usd == billed(base)

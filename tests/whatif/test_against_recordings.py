"""What-if beside the recorded truth: the same loop recorded both ways, for each lever."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from loopback_loops import OLDER_TOKENIZER, SAME_TOKENIZER, LoopSettings, record

from tokenprof.analysis.analysis import Analysis
from tokenprof.facts.errors import InputError
from tokenprof.testing import Overheads
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
EXACT = {
    "ttl=1h": LoopSettings(ttl="1h"),
    "breakpoints=automatic": LoopSettings(marks="last"),
    "breakpoints=none": LoopSettings(marks="none"),
    f"model={SAME_TOKENIZER}": LoopSettings(model=SAME_TOKENIZER),
    "tier=batch": LoopSettings(usage={"service_tier": "batch"}),
    "ttl=1h tier=batch": LoopSettings(ttl="1h", usage={"service_tier": "batch"}),
    f"breakpoints=automatic model={SAME_TOKENIZER}": LoopSettings(marks="last", model=SAME_TOKENIZER),
}
"""What does not rest on the size of any one block."""

WITHIN = {
    "cap=*:300": LoopSettings(cap=300),
    "tools=deferred": LoopSettings(deferred=True),
    "rereads=once": LoopSettings(rereads_once=True),
    "ttl=1h cap=*:300": LoopSettings(ttl="1h", cap=300),
    "cap=*:300 tier=batch": LoopSettings(cap=300, usage={"service_tier": "batch"}),
    "cap=*:300 rereads=once": LoopSettings(cap=300, rereads_once=True),
}
"""What rests on sizes that the bill pins in sums only, so that the answer is an interval."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return record(tmp_path_factory.mktemp("base") / "run.jsonl", BASE)


@pytest.mark.parametrize("levers", EXACT)
def test_levers_are_predicted_to_the_last_decimal(levers: str, base: Analysis, tmp_path: Path) -> None:
    truth = record(tmp_path / "truth.jsonl", EXACT[levers])
    found = predicted(base, *levers.split())
    assert found.after_usd == billed(truth)
    assert found.is_exact


@pytest.mark.parametrize("levers", WITHIN)
def test_levers_on_estimated_sizes_are_predicted_within_their_interval(
    levers: str, base: Analysis, tmp_path: Path
) -> None:
    truth = billed(record(tmp_path / "truth.jsonl", WITHIN[levers]))
    found = predicted(base, *levers.split())
    after, low, high = ends(found)
    assert low <= truth <= high
    assert not found.is_exact
    # The interval is narrow: the bill pins most of what a size can be.
    assert high - low < Decimal("0.1") * truth
    assert abs(after - truth) < Decimal("0.02") * truth


def test_another_tokenizer_gives_an_interval(base: Analysis) -> None:
    """Sonnet 4.6 counts the same text with fewer tokens than Opus 4.8, by 1.0 to 1.47 times."""
    found = predicted(base, f"model={OLDER_TOKENIZER}")
    after, low, high = ends(found)
    assert low < after < high
    # The same tokens at three fifths of the price are inside, too.
    assert low < Decimal("0.6") * found.before_usd < high


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

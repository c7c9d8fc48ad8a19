"""What a run would be billed with one class sold at cost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from one_call import one_call

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.analysis.rows.repricing import repricing
from tokenprof.facts.types import Run, Turn
from tokenprof.pricing.usage import Usage
from tokenprof.report.document import report_of
from tokenprof.report.terminal.text import to_text

TURN = one_call(Usage(uncached_input_tokens=1000, cache_read_tokens=100_000, output_tokens=200))


def analysis(*turns: Turn) -> Analysis:
    return Analysis(Run(turns), Assumptions())


def test_the_bill_loses_the_class_at_list_and_gains_it_at_cost() -> None:
    rows = analysis(TURN).rows
    # $0.005 fresh + $0.05 read + $0.005 output at 5, 0.50 and 25 dollars per million tokens.
    assert rows.totals.billed_usd is not None
    assert float(rows.totals.billed_usd) == pytest.approx(0.06)
    read, output = repricing(rows)
    cost = next(row.hardware_usd for row in rows.classes if row.cls == "cache_read")
    assert cost is not None
    assert (read.cls, output.cls) == ("cache_read", "output")
    assert read.share == pytest.approx(0.05 / 0.06)
    assert read.bill_usd.low == pytest.approx(0.01 + cost.low)
    assert read.bill_usd.mid == pytest.approx(0.01 + cost.mid)
    assert read.bill_usd.high == pytest.approx(0.01 + cost.high)
    assert read.change.mid == pytest.approx((0.01 + cost.mid) / 0.06 - 1)
    assert output.share == pytest.approx(0.005 / 0.06)


def test_a_bill_that_is_not_whole_gets_no_figure() -> None:
    unmeasured = replace(TURN, id="n", usage=None)
    unpriced = replace(TURN, id="o", model="unknown-1", requested_model="unknown-1")
    assert repricing(analysis(TURN, unmeasured).rows) == ()
    assert repricing(analysis(TURN, unpriced).rows) == ()


def test_a_class_that_was_not_billed_is_left_out() -> None:
    usage = Usage(uncached_input_tokens=1000, output_tokens=200)
    assert [each.cls for each in repricing(analysis(replace(TURN, usage=usage)).rows)] == ["output"]


def test_the_full_report_says_it() -> None:
    shown = " ".join(to_text(report_of(analysis(TURN)), is_full=True).split())
    assert "Repricing risk: if cache read (83% of the bill) were sold at what it costs to compute" in shown

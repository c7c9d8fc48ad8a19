"""The warnings of a report: which turns lack a price, usage or output, and notes of the attribution."""

from datetime import UTC, datetime

import pytest

from tokenprof.analysis.analysis import Analysis
from tokenprof.attribute.model import Attribution
from tokenprof.costing.ledger import Ledger
from tokenprof.facts.types import Run, Turn
from tokenprof.pricing.book import Unpriced
from tokenprof.pricing.usage import Usage
from tokenprof.report.warning_wording import warnings_of


def turn(**more):
    return Turn(
        id="t",
        context="main",
        provider="anthropic",
        requested_model="m",
        model="m",
        started_at=datetime(2026, 11, 12, tzinfo=UTC),
        duration_s=None,
        **{"status": "ok", "usage": Usage(output_tokens=1), "added": (), **more},
    )


def warnings_for(turns, *, prices=None, notes=(), warnings=()):
    run = Run(tuple(turns), warnings=warnings)
    analysis = Analysis(run)
    analysis.ledger = Ledger(
        run, Attribution({}, tuple(() for _ in turns), tuple(notes)), tuple(prices or (None for _ in turns))
    )
    return warnings_of(analysis)


def test_a_run_without_problems_has_no_warnings():
    assert warnings_for([turn()]) == ()


def test_what_the_readers_said_comes_first():
    assert warnings_for([turn(usage=None)], warnings=("run.jsonl:3: cut short.",)) == (
        "run.jsonl:3: cut short.",
        "1 turn (0) is unmeasured: no usage was recorded.",
    )


def test_turns_without_a_price_are_listed_by_reason_with_the_closest_prices():
    known, unknown = Unpriced("No rate is known."), Unpriced("No row is named 'm'.", ("m-1", "m-2"))
    assert warnings_for([turn()] * 3, prices=(unknown, known, unknown)) == (
        "2 turns (0, 2) are unpriced: No row is named 'm'. Closest: m-1, m-2.",
        "1 turn (1) is unpriced: No rate is known.",
    )


@pytest.mark.parametrize(
    "more", [{"output_rest_in": "u"}, {"status": "partial"}, {"output_incomplete": False}]
)
def test_output_that_another_turn_counts_or_that_was_cut_off_is_not_warned_of(more):
    assert warnings_for([turn(**{"output_incomplete": True, **more})]) == ()


def test_only_the_first_turns_are_named():
    assert warnings_for([turn(output_incomplete=True)] * 9) == (
        "9 turns (0, 1, 2, 3, 4, 5, 6, 7, …) have incomplete output: the source has no final count of output "
        "tokens, so the output billed is at least what is shown.",
    )


def test_many_notes_are_cut_off_and_counted():
    notes = [f"Turn {number}: note." for number in range(22)]
    assert warnings_for([turn()], notes=notes[:20]) == tuple(notes[:20])
    assert warnings_for([turn()], notes=notes[:21])[20:] == ("… and 1 more note like these.",)
    assert warnings_for([turn()], notes=notes)[20:] == ("… and 2 more notes like these.",)

"""Outputs without a final count, estimated by the prompt that sends them back."""

from dataclasses import replace
from pathlib import Path

from tokenprof.attribute.engine import attribute
from tokenprof.attribute.model import Size
from tokenprof.attribute.repeated_outputs import uncounted_tokens
from tokenprof.costing.ledger import build_ledger
from tokenprof.costing.uncounted_output import uncounted_output
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read

SESSION = Path(__file__).parent.parent / "data/logs/session_log/8463c716-a2ea-4c14-9efa-87158ebd9f20.jsonl"


def hidden(run, index):
    """Return a run in which the output count of a turn is the placeholder of a stream's beginning."""
    turn = run.turns[index]
    short = replace(
        turn, output_incomplete=True, usage=replace(turn.usage, output_tokens=1, reasoning_tokens=0)
    )
    return replace(run, turns=(*run.turns[:index], short, *run.turns[index + 1 :]))


def test_an_output_that_the_next_prompt_repeats_is_estimated_and_stays_out_of_the_bill():
    run = read(SESSION)
    index = next(
        at
        for at, turn in enumerate(run.turns[:-1])
        if not turn.output_incomplete and turn.usage.output_tokens > 100 and run.turns[at + 1].base == at
    )
    true_tokens = run.turns[index].usage.all_output_tokens
    short = hidden(run, index)
    estimate = attribute(short).output_estimates[index]
    assert estimate.low <= true_tokens <= estimate.high
    assert not estimate.exact
    ledger = build_ledger(short, default_book())
    assert ledger.entries[index][-1].tokens == 1
    assert uncounted_output(ledger).turns >= 1


def test_a_counted_output_has_no_estimate():
    run = read(SESSION)
    counted = {at for at, turn in enumerate(run.turns) if not turn.output_incomplete}
    assert counted
    assert not counted & attribute(run).output_estimates.keys()


def test_the_sum_of_estimates_is_less_uncertain_than_its_parts():
    """100 outputs of 1,000 tokens, 1 of each counted: 1.96 · √(100·(180² + 10²) + 5,000²) = 10,417.5."""
    assert uncounted_tokens([1] * 100, [1000] * 100) == Size(99_900, 89_482, 110_318, False)

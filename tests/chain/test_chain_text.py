"""The chain in a terminal, from typed sections: plans, sweeps, gaps, assumptions."""

from dataclasses import replace
from decimal import Decimal

import pytest
from chain_runs import GROWING, TASK, costed, run_of

from tokenprof.chain.chain_detail import chain_detail
from tokenprof.chain.choices import Choices
from tokenprof.chain.make_section import chain_section
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.usage import Usage
from tokenprof.report.terminal.chain_numbers import counts, dollars, percents, with_range
from tokenprof.report.terminal.chain_text import chain_text

OPEN = ("moonshotai", "kimi-k2.5", Usage(uncached_input_tokens=20_000, output_tokens=500))


def lines(run, choices=None, detail=None, width=200) -> list[str]:
    section = chain_section(*run, choices=choices)
    assert section is not None
    return chain_text(section, detail, width).splitlines()


def of(*figures: str) -> Interval:
    return Interval(*(Decimal(figure) for figure in figures))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (dollars(Decimal("-0.13"), 2), "-$0.13"),
        (dollars(Decimal(0), 2), "$0"),
        (with_range(of("-0.1272", "0.0946", "0.7838")), "$0.0946 (-$0.1272 to $0.7838)"),
        (with_range(of("0.5", "0.5", "0.5")), "$0.5000"),
        (percents(of("0.38", "0.65", "0.7")), "65.0% (38.0 to 70.0%)"),
        (percents(of("0.4", "0.4", "0.4")), "40.0%"),
        (counts(of("9.4", "27.2", "1332")), "27 (9.4 to 1,332)"),
        (counts(of("3710", "3710", "3710")), "3,710"),
    ],
)
def test_figures_are_written_with_their_range_and_known_ones_alone(written, meant):
    assert written == meant


def test_a_plan_says_when_it_breaks_even_and_how_many_runs_of_compute_it_covers():
    # The task bills 7.50, so 14 of them are the first to cost 100.
    (line,) = (line for line in lines(TASK) if line.startswith("  claude-max "))
    assert "$100 a month breaks even with list price at 14 such runs, and covers the compute of " in line


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("direct", "Where $7.50 billed goes (50 turns)"),
        ("aggregator", "Where $7.91 paid by way of openrouter goes (50 turns)"),
        ("plan", "Where $5.00 goes, a session's share of claude-max (50 turns)"),
    ],
)
def test_the_heading_says_what_was_paid_and_how(path, heading):
    assert lines(TASK, Choices(path=path))[0] == heading


def test_turns_left_out_are_counted_in_the_heading():
    run = costed(run_of(OPEN, ("acme", "mystery-1", OPEN[2])))
    assert lines(run)[0].endswith("(1 turn, 1 turn left out: no price or no model)")
    detail = chain_detail(*run, {})
    found = lines(run, detail=detail)
    assert "If another share of the fleet's hours were sold" in found


def test_what_is_billed_for_keeping_kv_is_unknown_where_it_has_no_price():
    run = GROWING
    detail = chain_detail(*run, {})
    first, *others = detail.waiting.gaps
    label = "  billed for keeping it     "

    def charged(gaps) -> str:
        shown = lines(run, detail=replace(detail, waiting=replace(detail.waiting, gaps=tuple(gaps))))
        (line,) = (line for line in shown if line.startswith(label))
        return line.removeprefix(label)

    unknown = replace(first, billed_keeping_usd=None)
    # 20,000 tokens written at 6.25 per million, 1.25 beyond the price of input.
    assert charged([first]) == "$0.025"
    assert charged([unknown]) == "—"
    assert charged([unknown, first]) == "≥$0.025"
    assert len(others) == 8


def test_long_runs_show_their_first_and_last_turns_and_count_the_rest():
    shown = lines(TASK)
    start = shown.index("The same total, billed in proportion to compute")
    turns = [line.split()[0] for line in shown[start + 2 : start + 14]]
    assert turns == ["0", "1", "2", "3", "4", "5", "44", "45", "46", "47", "48", "49"]
    assert shown[start + 14] == "  … 38 turns between in --format json"


def test_assumptions_show_figures_with_their_range_and_say_which_are_assumed():
    shown = "\n".join(lines(TASK))
    assert "· USD per GPU-hour of anthropic, rented: rented, contract, USD/h: H100 " in shown
    assert "· spend per dollar of revenue of anthropic: anthropic 2026-Q2 (projected): " in shown
    assert "· brand premium, share of the price 0.25 (0-0.36, assumed): " in shown
    assert "· how the price of a chip is divided: B200: Epoch AI" in shown

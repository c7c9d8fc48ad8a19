"""How numbers are written: digits by magnitude, and the unknown never as a zero."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenprof.facts.adding import exact_sum_usd
from tokenprof.hw_model.estimate import Estimate
from tokenprof.report import numbers


def money(amount):
    return None if amount is None else Decimal(amount)


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ("7.5", "$7.50"),
        ("1.0025", "$1.00"),
        ("1234567.891", "$1,234,567.89"),
        ("0.34951", "$0.3495"),
        ("0.5", "$0.50"),
        ("0.0412", "$0.0412"),
        ("0.00123456", "$0.00123"),
        ("0.0000025", "$0.0000025"),
        ("0", "$0"),
        ("0.000", "$0"),
        (None, "—"),
    ],
)
def test_dollars_alone(amount, written):
    assert numbers.usd(money(amount)) == written


def test_a_column_aligns_on_the_decimals_that_its_values_need():
    column = [money("0.34951"), money("0.02834"), money("0.00032")]
    decimals = numbers.decimals_for(column)
    assert [numbers.usd(amount, decimals) for amount in column] == ["$0.3495", "$0.0283", "$0.0003"]


def test_a_column_of_whole_dollars_needs_cents_only():
    assert numbers.decimals_for([money("120"), money("75.5"), None]) == 2


def test_what_the_decimals_cannot_show_is_not_shown_as_nothing():
    assert numbers.usd(money("0.00004"), 2) == "<$0.01"
    assert numbers.usd(money("0.00004"), 4, sign="") == "<0.0001"


@given(st.decimals(min_value="1e-9", max_value="1e6", places=9), st.integers(2, 6))
def test_an_amount_above_nothing_never_reads_as_zero(amount, decimals):
    written = numbers.usd(amount, decimals).strip("<$").replace(",", "")
    assert Decimal(written) > 0


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("6.24", "6.2×"),
        ("12.7467", "13×"),
        ("9.96", "10×"),
        ("99.6", "100×"),
        ("1234", "1,200×"),
        ("0.451", "0.45×"),
        ("0.0996", "0.10×"),
        ("1", "1.0×"),
        ("0", "0×"),
        (None, "—"),
    ],
)
def test_ratios_in_two_digits(value, written):
    assert numbers.ratio(money(value)) == written


def test_ranges_name_both_ends_and_points_one():
    assert numbers.usd_interval(Estimate(0.0031, 0.0066, 0.012)) == "$0.0031–0.0120 ($0.0066)"
    assert numbers.usd_interval(Estimate(0.0066, 0.0066, 0.0066)) == "$0.0066"
    assert numbers.usd_interval(None) == "—"
    assert numbers.ratio_range(Estimate(3.4, 6.2, 13.4)) == "3.4–13×"
    assert numbers.ratio_range(Estimate(6.2, 6.2, 6.2)) == ""


@pytest.mark.parametrize(
    ("size", "low", "high", "state", "written"),
    [
        (2487, 2487, 2487, "exact", "="),
        (1000, 950, 1060, "estimated", "±60"),
        (40, 1, 210, "estimated", "1–210"),
        (1034, None, None, "estimated", "±?"),
        (None, None, None, "estimated", ""),
    ],
)
def test_what_follows_a_size(size, low, high, state, written):
    assert numbers.bounds(size, low, high, state) == written


@pytest.mark.parametrize(
    ("part", "whole", "written"),
    [("1", "6", "17%"), ("1", "300", "<1%"), ("299", "300", ">99%"), ("0", "3", "0%"), ("3", "3", "100%")],
)
def test_shares(part, whole, written):
    assert numbers.percent(numbers.fraction(money(part), money(whole))) == written


def test_a_share_of_nothing_or_of_the_unknown_is_unknown():
    assert numbers.percent(numbers.fraction(1, 0)) == "—"
    assert numbers.percent(numbers.fraction(None, 1)) == "—"


def test_bars_are_drawn_in_eighths_and_never_vanish():
    assert numbers.bar(Decimal("0.5"), Decimal(1), 3) == "█▌"
    assert numbers.bar(Decimal("0.0001"), Decimal(1), 3) == "▏"
    assert numbers.bar(None, Decimal(1), 3) == ""


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.84, "0.8 s"),
        (41.2, "41 s"),
        (59.7, "1 m 00 s"),
        (389.4, "6 m 29 s"),
        (7620, "2 h 07 m"),
        (529_200, "6 d 3 h"),
        (None, "—"),
    ],
)
def test_durations(seconds, written):
    assert numbers.duration(seconds) == written


def test_sums_are_exact_and_leave_out_the_unknown():
    amounts = ["0.1", "0.2", None, "0.0000000000000000000000000000001"]
    assert exact_sum_usd(map(money, amounts)) == Decimal("0.3000000000000000000000000000001")
    assert exact_sum_usd([None, None]) is None


def test_a_float_is_shown_as_a_saved_report_holds_it():
    # To 17 digits the ends differ, to the ten of a saved report they do not: one figure, not a range.
    noisy = Estimate(0.1 + 0.2, 0.3, 0.3)
    assert numbers.is_point(noisy)
    assert numbers.usd_interval(noisy) == "$0.30"
    assert numbers.mid_ratio(Estimate(1.0, 12.7467, 20.0)) == "13×"
    assert numbers.mid_ratio(None) == "—"
    # 0.12496 is saved as 0.1250, and reads 13 % whether it was saved or not.
    assert numbers.percent(numbers.share_of(0.12496)) == "13%"


def test_middles_of_estimates_are_compared():
    assert numbers.mid_fraction(Estimate(1.0, 2.0, 9.0), Estimate(4.0, 8.0, 10.0)) == Decimal("0.25")
    assert numbers.mid_fraction(Estimate(1.0, 2.0, 9.0), None) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (99_910_000_000.0, "99.9 billion"),
        (2.016e12, "2.02 trillion"),
        (73_410.0, "73,400"),
        (33_230, "33,200"),
        (0.5254, "0.525"),
        (64, "64"),
        (67.39, "67.4"),
        (0, "0"),
    ],
)
def test_a_figure_has_three_digits(value, expected):
    assert numbers.quantity(value) == expected


def test_an_amount_with_more_digits_than_the_usual_context_holds_is_shown() -> None:
    assert numbers.usd(Decimal(10) ** 30, 2) == "$1" + ",000" * 10 + ".00"

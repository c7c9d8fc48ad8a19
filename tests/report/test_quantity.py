"""Figures of any size, as a person reads them."""

from __future__ import annotations

import pytest

from tokenprof.report.numbers import quantity


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
def test_a_figure_has_three_digits(value: float, expected: str) -> None:
    assert quantity(value) == expected

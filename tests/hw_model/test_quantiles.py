"""Quantiles have the bits of numpy's, whose masked arrays they do without."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tokenprof.hw_model.equations.quantiles import median, percentiles

NUMBERS = st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=60)


def test_between_two_numbers_they_are_linear() -> None:
    numbers = np.array([40.0, 10.0, 30.0, 20.0])
    assert median(numbers) == 25.0
    assert median(numbers[:3]) == 30.0
    assert percentiles(numbers, [0, 10, 50, 100]).tolist() == [10.0, 13.0, 25.0, 40.0]


def test_each_row_has_its_own() -> None:
    rows = np.array([[3.0, 1.0, 2.0], [6.0, 4.0, 5.0]])
    assert percentiles(rows, (50, 100)).tolist() == [[2.0, 3.0], [5.0, 6.0]]


@given(NUMBERS, st.lists(st.floats(0, 100), min_size=1, max_size=4))
def test_they_have_the_bits_of_numpy(numbers: list[float], percents: list[float]) -> None:
    values = np.array(numbers)
    assert median(values) == np.median(values)
    assert percentiles(values, percents).tolist() == np.percentile(values, percents).tolist()

"""What two sequences have in common, found in large steps and told exactly."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenprof.facts.shared_prefix import Trail, shared_length

FEW = st.lists(st.integers(0, 1), max_size=40)


@given(FEW, FEW, FEW)
def test_it_is_the_place_of_the_first_difference(
    shared: list[int], ours: list[int], theirs: list[int]
) -> None:
    one, other = shared + ours, shared + theirs
    length = shared_length(one, other)
    assert one[:length] == other[:length]
    assert len(shared) <= length
    assert length == min(len(one), len(other)) or one[length] != other[length]


@pytest.mark.parametrize("make", [list, tuple, Trail])
@pytest.mark.parametrize("differs_at", [0, 1, 2, 3, 7, 8, 500, 998, 999])
def test_a_long_one(make: type[Sequence[int]], differs_at: int) -> None:
    ours = list(range(1000))
    theirs = [*ours[:differs_at], -1, *ours[differs_at + 1 :]]
    assert shared_length(make(ours), make(theirs)) == differs_at  # type: ignore[call-arg]
    assert shared_length(make(ours), tuple(theirs)) == differs_at  # type: ignore[call-arg]
    assert shared_length(make(ours), make(ours[:differs_at])) == differs_at  # type: ignore[call-arg]

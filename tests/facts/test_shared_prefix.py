"""Trails behave as the tuples they stand for, whoever else goes on from the same items."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenprof.facts.shared_prefix import Trail, shared_length


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 12), st.lists(st.integers(0, 3), max_size=4)), max_size=12
    )
)
def test_trails_that_grow_out_of_one_another_are_the_tuples_they_stand_for(
    steps: list[tuple[int, int, list[int]]],
) -> None:
    trails: list[Trail[int]] = [Trail([1, 2, 3])]
    tuples: list[tuple[int, ...]] = [(1, 2, 3)]
    for base, kept, more in steps:
        at = base % len(trails)
        trails.append(trails[at].then(kept, more))
        tuples.append(tuples[at][:kept] + tuple(more))
    for trail, whole in zip(trails, tuples, strict=True):
        assert tuple(trail) == whole
        assert trail == whole
        assert len(trail) == len(whole)
        for index in range(-len(whole), len(whole)):
            assert trail[index] == whole[index]
        for cut in (slice(1, None), slice(None, -1), slice(-2, None), slice(None, None, -1), slice(0, 99, 2)):
            assert trail[cut] == whole[cut]


def test_an_item_beyond_its_end_is_refused_though_a_longer_trail_has_one() -> None:
    short = Trail([1])
    long = short.then(1, [2])
    assert long[1] == 2
    with pytest.raises(IndexError, match="item 1 of a trail of 1"):
        short[1]


@pytest.mark.parametrize(
    ("ours", "theirs", "shared"),
    [
        ("", "", 0),
        ("abc", "", 0),
        ("abc", "abd", 2),
        ("ab", "abc", 2),
        ("abc", "xbc", 0),
        ([(1, 2), (3,)], ((1, 2), (4,)), 1),
    ],
)
def test_the_shared_length_is_that_of_the_equal_beginning(ours: object, theirs: object, shared: int) -> None:
    assert shared_length(ours, theirs) == shared_length(theirs, ours) == shared  # type: ignore[arg-type]


def test_a_trail_continues_what_it_was_made_out_of_and_nothing_that_is_equal_by_chance():
    first = Trail("abcd")
    grown = first.then(4, "e")
    assert grown.continues(first)
    assert grown.continues(grown)
    assert not first.continues(grown)
    assert not first.then(1, "bcd").continues(first)
    assert not Trail("abcd").continues(first)


@given(st.lists(st.integers(0, 9)).map(sorted), st.integers(0, 9), st.integers(-1, 11))
def test_items_below_a_bound_are_counted_in_its_own_part_of_the_items(
    items: list[int], length: int, bound: int
) -> None:
    short = Trail(items[:length])
    short.then(length, items[length:])
    assert short.count_below(bound) == sum(item < bound for item in items[:length])

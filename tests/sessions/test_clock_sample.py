"""The clocks of very many turns: few are kept, and which ones does not depend on how they came."""

from __future__ import annotations

from functools import reduce

import numpy as np

from tokenprof.sessions.clock_sample import SAMPLED_TURNS, Floats, sample_of

TURNS = 7 * SAMPLED_TURNS


def clocks() -> Floats:
    """Turns that take 1 s to 2 s, one after another; half of them have no known gap."""
    rng = np.random.default_rng(7)
    rows = rng.uniform(0.0, 1.0, (TURNS, 7))
    rows[:, 0] = 1.7e9 + np.arange(TURNS)
    rows[:, 4] += 1.0
    rows[::2, 5] = np.nan
    return rows


def in_parts(rows: Floats, size: int) -> Floats:
    """Put together as the sessions of a folder are."""
    parts = (rows[at : at + size] for at in range(0, len(rows), size))
    most = 0

    def both(one: Floats, other: Floats) -> Floats:
        nonlocal most
        found = sample_of(np.concatenate([one, other]))
        most = max(most, len(found))
        return found

    found = reduce(both, parts)
    assert most <= 2 * SAMPLED_TURNS
    return sample_of(found, SAMPLED_TURNS)


def test_a_few_turns_are_kept_all() -> None:
    few = clocks()[:SAMPLED_TURNS]
    assert sample_of(few, SAMPLED_TURNS) is few


def test_the_sample_is_the_same_in_any_order_and_any_parts() -> None:
    rows = clocks()
    found = in_parts(rows, 1000)
    assert len(found) == SAMPLED_TURNS
    assert len(np.unique(found[:, 0])) == SAMPLED_TURNS
    np.testing.assert_array_equal(found, in_parts(rows[::-1], 4321))
    np.testing.assert_array_equal(found, sample_of(rows, SAMPLED_TURNS))


def test_the_sample_is_like_all_turns() -> None:
    rows, found = clocks(), in_parts(clocks(), 1000)
    # Within four standard errors of 16,384 uniform draws: 4 / sqrt(12 * 16384).
    assert abs(found[:, 1].mean() - rows[:, 1].mean()) < 0.0091
    assert abs(np.isnan(found[:, 5]).mean() - 0.5) < 4 * 0.5 / SAMPLED_TURNS**0.5
    # Not those of one time, which would show one week of a year.
    assert abs(found[:, 0].mean() - rows[:, 0].mean()) < 0.0091 * TURNS

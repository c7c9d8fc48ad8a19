"""The arithmetic under attribution: rounding, conditioning on totals, cutting a prompt into classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tokenprof.attribute.classes import Piece, classify
from tokenprof.attribute.solve import (
    SegmentRow,
    Unknowns,
    clusters,
    condition,
    condition_few,
    largest_remainder,
)
from tokenprof.pricing.usage import Usage


def test_largest_remainder_gives_the_odd_tokens_to_the_largest_fractions() -> None:
    # 10 × (1, 1, 1) / 3 = 3.33 each: one of them gets the tenth token.
    assert sorted(largest_remainder([1, 1, 1], 10)) == [3, 3, 4]
    # 100 × (50.6, 30.3, 19.1) / 100: 0.6 is the largest fraction.
    assert largest_remainder([50.6, 30.3, 19.1], 100) == [51, 30, 19]


def test_largest_remainder_keeps_a_floor_while_the_total_allows_it() -> None:
    assert largest_remainder([1000, 0.001], 10, [1, 1]) == [9, 1]
    assert largest_remainder([5, 5, 5], 2, [1, 1, 1]) == [1, 1, 0]


@given(
    st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=30),
    st.integers(0, 10**7),
)
def test_largest_remainder_always_sums_and_never_goes_below_zero(weights: list[float], total: int) -> None:
    parts = largest_remainder(weights, total)
    assert sum(parts) == total
    assert min(parts) >= 0


def solve(
    mean: list[float],
    variance: list[float],
    rows: list[SegmentRow],
    *,
    floor: float = 0.0,
    alike: float = 0.0,
) -> tuple[list[float], list[float]]:
    """Condition sizes in both ways, with independent errors and a shared one of variance `alike`."""
    count = len(mean)
    unknowns = Unknowns(
        mean=np.array(mean, float),
        variance=np.array(variance, float),
        features=np.ones((count, 1)),
        shared=np.array([[alike]]),
        floor=np.full(count, floor),
    )
    posterior, spread = condition(unknowns, rows)
    few = condition_few([*mean], [*variance], [[alike] * count for _ in mean], [floor] * count, (), rows)
    assert few[0] == pytest.approx(list(posterior), rel=1e-6, abs=1e-6)
    assert few[1] == pytest.approx(list(spread), rel=1e-6, abs=1e-6)
    return list(posterior), list(spread)


@st.composite
def small_systems(draw: st.DrawFn) -> tuple[Unknowns, list[int], list[SegmentRow]]:
    """Up to six sizes with two shared coefficients, some sizes that err alone, and one or two totals."""
    count = draw(st.integers(1, 6))
    number = st.floats(0, 300)
    each = st.lists(number, min_size=count, max_size=count)
    features = np.array([draw(st.tuples(number, number)) for _ in range(count)])
    alone = draw(st.lists(st.integers(0, count - 1), unique=True))
    features[alone] = 0.0
    rows = [
        SegmentRow(tuple(sorted(draw(st.sets(st.integers(0, count - 1), min_size=1)))), draw(number), noise)
        for noise in draw(st.sampled_from([(0.0,), (0.0, 9.0), (25.0, 1.0)]))
    ]
    unknowns = Unknowns(
        mean=np.array(draw(each)),
        variance=np.array(draw(each)) + 0.1,
        features=features,
        shared=np.array([[0.04, 0.01], [0.01, 0.09]]),
        floor=np.array(draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=count, max_size=count))),
    )
    return unknowns, alone, rows


@given(small_systems())
def test_few_sizes_are_solved_as_many_are(system: tuple[Unknowns, list[int], list[SegmentRow]]) -> None:
    unknowns, alone, rows = system
    mean, variance = condition(unknowns, rows)
    # A mean that is a rounding error away from its floor may be put there in one way and not in the other.
    above = mean - unknowns.floor
    assume(((above == 0) | (above > 1e-3)).all())
    common = unknowns.features @ unknowns.shared @ unknowns.features.T
    # Sizes that err alone are left out of the covariances, whatever those say.
    common[alone] = common[:, alone] = 7.0
    few = condition_few(
        unknowns.mean.tolist(),
        unknowns.variance.tolist(),
        common.tolist(),
        unknowns.floor.tolist(),
        alone,
        rows,
    )
    assert few[0] == pytest.approx(mean.tolist(), rel=1e-6, abs=1e-4)
    assert few[1] == pytest.approx(variance.tolist(), rel=1e-6, abs=1e-4)


def test_an_exact_total_is_met_and_the_difference_goes_to_the_less_certain() -> None:
    # Expected 100 ± 1 and 100 ± 3, together exactly 220: of the 20 left over a tenth goes to the first
    # (variances 1 : 9), nine tenths to the second.
    mean, variance = solve([100, 100], [1, 9], [SegmentRow((0, 1), 220)])
    assert mean == pytest.approx([102, 118], abs=1e-6)
    assert variance == pytest.approx([0.9, 0.9], abs=1e-6)


def test_errors_that_blocks_share_are_shared_alike() -> None:
    # With a shared error far larger than their own, both take half of the 20.
    mean, _ = solve([100, 100], [1, 9], [SegmentRow((0, 1), 220)], alike=1e6)
    assert mean == pytest.approx([110, 110], abs=0.01)


def test_two_overlapping_totals_are_both_met() -> None:
    mean, _ = solve([50, 20, 20], [100, 4, 4], [SegmentRow((0, 1), 80), SegmentRow((0, 2), 90)])
    assert mean[0] + mean[1] == pytest.approx(80)
    assert mean[0] + mean[2] == pytest.approx(90)


def test_nothing_falls_below_its_floor() -> None:
    mean, _ = solve([100, 5], [1, 400], [SegmentRow((0, 1), 60)], floor=1.0)
    assert mean[1] == 1.0
    assert sum(mean) == pytest.approx(60.0)


def test_sizes_are_solved_again_only_when_another_one_falls_below_its_floor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rounds = []
    solved = np.linalg.solve
    monkeypatch.setattr(np.linalg, "solve", lambda *given: rounds.append(1) or solved(*given))
    # 100 ± 1 and 5 ± 20 have to give up 45. The second falls below 1 and is put there; the next time it would
    # give way by another millionth of a token, which changes nothing.
    mean, _ = solve([100, 5], [1, 400], [SegmentRow((0, 1), 60)], floor=1.0)
    assert mean == pytest.approx([59.0, 1.0], abs=1e-4)
    assert len(rounds) == 2


def test_rows_that_share_an_unknown_are_solved_together() -> None:
    assert clusters([(0, 1), (2,), (1, 3), (4, 5)]) == [[0, 2], [1], [3]]


def test_a_block_across_a_boundary_comes_once_per_class() -> None:
    usage = Usage(
        cache_read_tokens=10, cache_write_1h_tokens=5, cache_write_5m_tokens=4, uncached_input_tokens=1
    )
    pieces = [Piece("a", 8, True), Piece("b", 10, True), Piece("c", 2, True)]
    assert [(p.block, cls, tokens, start) for p, cls, tokens, start in classify(pieces, usage)] == [
        ("a", "cache_read", 8, 0),
        ("b", "cache_read", 2, 8),
        ("b", "cache_write_1h", 5, 10),
        ("b", "cache_write_5m", 3, 15),
        ("c", "cache_write_5m", 1, 18),
        ("c", "uncached_input", 1, 19),
    ]

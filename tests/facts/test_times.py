"""Times in every form that logs write them, as one UTC datetime."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tokenprof.facts.times import seconds_between, utc_from_ns, utc_time

NINE = datetime(2026, 11, 2, 9, tzinfo=UTC)  # 1793610000 seconds after 1970 began


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-02T09:00:00Z",
        "2026-11-02T09:00:00+00:00",
        "2026-11-02T10:30:00+01:30",
        "2026-11-02 09:00:00",
        "20261102T090000",
        1793610000,
        1793610000.0,
        1793610000_000,
        1793610000_000_000,
        1793610000_000_000_000,
        "1793610000",
        "1793610000000000000",
    ],
)
def test_a_time_is_read_whatever_its_form_and_unit(written: Any) -> None:
    found = utc_time(written)
    assert found == NINE
    assert found is not None
    assert found.tzinfo is UTC


def test_fractions_of_a_second_are_kept() -> None:
    assert utc_time("2026-11-02T09:00:00.25Z") == utc_time(1793610000.25) == utc_time(1793610000_250)


@pytest.mark.parametrize(
    "written",
    [
        None,
        True,
        "",
        "soon",
        "12345678",
        [],
        {},
        float("nan"),
        float("inf"),
        10**400,
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_anything_that_is_not_a_time_gives_none_without_an_error(written: Any) -> None:
    assert utc_time(written) is None


def test_nanoseconds_of_a_known_unit_are_not_guessed_at() -> None:
    assert utc_from_ns(1_000_000) == datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC)
    assert seconds_between(500_000_000, 2_000_000_000) == 1.5
    assert seconds_between(5, None) is None
    assert seconds_between(5, 0) is None

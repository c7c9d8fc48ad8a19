"""Which responses of two files are one: by id, by counts and time, and how often one stands for another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tokenprof.facts.types import Run, Source, Turn
from tokenprof.pricing.usage import Usage
from tokenprof.reading.merge import merge

RECORDING, LOG = "tokenprof", "LiteLLM log"
USAGE = Usage(uncached_input_tokens=900, output_tokens=40)


def call(
    id_: str,
    at_s: float = 0,
    *,
    duration_s: float | None = None,
    usage: Usage | None = USAGE,
    rest_in: str | None = None,
) -> Turn:
    started_at = datetime(2026, 11, 27, tzinfo=UTC) + timedelta(seconds=at_s)
    return Turn(
        id=id_,
        context="c1",
        provider="openai",
        requested_model="gpt-5",
        model="gpt-5",
        started_at=started_at,
        duration_s=duration_s,
        status="ok",
        usage=usage,
        added=(),
        output=(),
        output_rest_in=rest_in,
    )


def file(format_: str, *turns: Turn) -> Run:
    return Run(turns, (Source(f"{format_}.jsonl", format_, 1),))


def ids_of(*runs: Run) -> list[str]:
    return sorted(turn.id for turn in merge(runs).turns)


@pytest.mark.parametrize(
    ("formats", "hours_apart", "expected"),
    [((LOG, LOG), 3, ["a"]), ((RECORDING, LOG), 3, ["a"]), ((RECORDING, RECORDING), 3, ["a", "a"])],
    ids=["a copied log", "a log of a recorded call", "a test provider that ran twice"],
)
def test_one_id_hours_apart(formats: Sequence[str], hours_apart: float, expected: list[str]) -> None:
    first, second = formats
    assert ids_of(file(first, call("a")), file(second, call("a", 3600 * hours_apart))) == expected


@pytest.mark.parametrize("hours_apart", [0, 3])
def test_logs_that_use_one_id_for_several_calls_are_copies_only_at_the_same_time(hours_apart: int) -> None:
    first = file(LOG, call("a"), call("a", 100))
    second = file(LOG, call("a", 3600 * hours_apart), call("a", 3600 * hours_apart + 100))
    assert ids_of(first, second) == (["a"] * 4 if hours_apart else ["a"] * 2)


def test_one_call_of_a_recording_stands_for_one_of_another() -> None:
    slow = file(RECORDING, call("a", duration_s=60))
    assert ids_of(slow, file(RECORDING, call("a", 1), call("a", 2))) == ["a", "a"]
    # The third file shows the second call of the second one again, and one more.
    third = file(RECORDING, call("a", 1), call("a", 2), call("a", 3))
    assert ids_of(slow, file(RECORDING, call("a", 1), call("a", 2, duration_s=5)), third) == ["a"] * 3


@pytest.mark.parametrize(
    ("duration_s", "later_s", "expected"),
    [(None, 59, ["a"]), (None, 61, ["a", "b"]), (100, 159, ["a"]), (100, 161, ["a", "b"])],
)
def test_a_line_of_another_layer_is_written_within_a_minute_after_its_call(
    duration_s: float | None, later_s: float, expected: list[str]
) -> None:
    recording = file(RECORDING, call("a", duration_s=duration_s))
    assert ids_of(recording, file(LOG, call("b", later_s))) == expected


def test_one_call_of_another_layer_stands_for_one() -> None:
    assert ids_of(file(RECORDING, call("a")), file(LOG, call("b"), call("c", 1))) == ["a", "c"]


def test_calls_of_one_format_under_other_ids_are_calls_of_their_own() -> None:
    assert ids_of(file(LOG, call("a")), file(LOG, call("b"))) == ["a", "b"]


def test_counts_without_input_say_nothing_about_calls_under_other_ids() -> None:
    drawn = Usage(output_tokens=9)
    assert ids_of(file(RECORDING, call("a", usage=drawn)), file(LOG, call("b", usage=drawn))) == ["a", "b"]


def test_the_rest_of_an_output_goes_with_its_response() -> None:
    rest = call("rest", 5, usage=Usage(output_tokens=7))
    whole = file(LOG, call("a"))
    cut = file("Claude Code output", call("a", rest_in="rest"), rest)
    assert ids_of(whole, cut) == ["a"]
    other = replace(cut, turns=(*cut.turns, call("b", 7200, rest_in="rest")))
    assert ids_of(whole, other) == ["a", "b", "rest"]


@pytest.mark.parametrize(
    ("id_", "later_s", "times_used", "calls"),
    [
        ("resp_of_a_relay", 59, 2, 2),
        ("resp_of_a_relay", 61, 2, 3),
        ("resp_of_a_relay", 7200, 1, 1),
        ("resp_of_a_relay", -7200, 1, 2),
        ("chat-123", 59, 1, 1),
        ("chat-123", 7200, 1, 2),
    ],
    ids=["at once", "later", "fetched later", "counted before it was made", "at once, short", "later, short"],
)
def test_a_call_without_counts_has_those_of_another_file(
    id_: str, later_s: float, times_used: int, calls: int
) -> None:
    counted = [call(id_, later_s + 10_000 * number) for number in range(times_used)]
    turns = merge([file(RECORDING, call(id_, usage=None)), file(LOG, *counted)]).turns
    assert len(turns) == calls
    assert sum(turn.usage is None for turn in turns) == calls - times_used

"""Counts in the parts of a stream: cumulative, never erased by zeros, and named if they fall."""

import pytest

from tokenprof.pricing.normalise import StreamedCounts


def test_the_last_count_of_each_field_holds():
    counts = StreamedCounts(
        {"prompt_tokens": 100, "completion_tokens": 1}, {"completion_tokens": 30}, {"prompt_tokens": 0}
    )
    assert (counts.usage, counts.notes) == ({"prompt_tokens": 100, "completion_tokens": 30}, ())


def test_an_output_that_falls_keeps_its_larger_count_and_is_named():
    counts = StreamedCounts(
        {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
        {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    )
    assert counts.usage == {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
    (note,) = counts.notes
    assert note == (
        "Usage key 'completion_tokens' falls from 50 to 20 within the stream; the larger count is billed."
    )


def test_a_prompt_that_falls_has_its_last_count_and_is_named():
    counts = StreamedCounts({"input_tokens": 1000, "output_tokens": 1}, {"input_tokens": 950})
    assert counts.usage == {"input_tokens": 950, "output_tokens": 1}
    assert counts.notes == (
        "Usage key 'input_tokens' falls from 1,000 to 950 within the stream; the last count is billed.",
    )


def test_a_prompt_that_is_only_divided_is_not_named():
    """The first event counts the whole prompt, the last one the part that was read from the cache."""
    counts = StreamedCounts(
        {"input_tokens": 1000, "output_tokens": 1},
        {"input_tokens": 200, "cache_read_input_tokens": 800, "output_tokens": 9},
    )
    assert counts.usage == {"input_tokens": 200, "cache_read_input_tokens": 800, "output_tokens": 9}
    assert counts.notes == ()


def test_a_nested_count_that_falls_is_named_with_its_place():
    counts = StreamedCounts(
        {"completion_tokens": 90, "completion_tokens_details": {"reasoning_tokens": 60}},
        {"completion_tokens": 95, "completion_tokens_details": {"reasoning_tokens": 40}},
    )
    assert counts.usage == {"completion_tokens": 95, "completion_tokens_details": {"reasoning_tokens": 60}}
    assert "completion_tokens_details.reasoning_tokens" in counts.notes[0]


@pytest.mark.parametrize("later", [{"cost": 0.1}, {"queue_time": 0.2}, {"service_tier": "default"}])
def test_what_does_not_count_tokens_may_fall(later):
    earlier = {"cost": 0.2, "queue_time": 3.5, "service_tier": "flex"}
    counts = StreamedCounts({"prompt_tokens": 5, **earlier}, later)
    assert counts.notes == ()
    assert later.items() <= counts.usage.items()


def test_parts_are_not_changed():
    first = {"output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 7}}
    StreamedCounts(first, {"output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}})
    assert first == {"output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 7}}

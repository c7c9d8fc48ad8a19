"""Calls whose counts stand in another file than the call, as each way of reading them has it."""

import pytest
from wire_exchanges import RESPONSES, Sent, recorded, responses_answer

from tokenprof.reading.files import read
from tokenprof.reading.usage_only import read_usage

COUNTED = {"input_tokens": 100, "output_tokens": 10}
FETCHED = responses_answer(COUNTED) | {"background": True}
RUNNING = responses_answer(None) | {"status": "queued", "output": []}


def file_of(tmp_path, name, *sent):
    (tmp_path / name).mkdir()
    recorded(tmp_path / name, *sent)
    return tmp_path / name / "run.jsonl"


@pytest.fixture
def asked(tmp_path):
    return file_of(tmp_path, "asked", Sent("/v1/responses", {**RESPONSES, "background": True}, RUNNING))


@pytest.fixture
def fetched(tmp_path):
    return file_of(
        tmp_path,
        "fetched",
        Sent("/v1/responses/resp_1", None, FETCHED),
    )


@pytest.mark.parametrize("order", [1, -1])
def test_a_call_asked_for_in_one_file_and_fetched_in_another_is_one_turn(asked, fetched, order):
    (turn,) = (run := read([asked, fetched][::order])).turns
    assert (turn.usage.input_tokens, turn.usage.output_tokens) == (100, 10)
    assert [block.kind for block in run.prompts()[0]] == [b.kind for b in read(asked).prompts()[0]] != []
    assert run.warnings == ()


def test_totals_count_it_once_too(asked, fetched):
    (turn,) = read_usage([asked, fetched]).turns
    assert turn.usage.input_tokens == 100


def test_a_recording_without_counts_takes_them_from_a_log_of_the_same_call(tmp_path, asked):
    """A log of the harness shows the prompt and the counts of a call that the proxy saw without counts."""
    log = file_of(
        tmp_path, "log", Sent("/v1/responses", RESPONSES, responses_answer(COUNTED) | {"id": "resp_1"})
    )
    (turn,) = read([asked, log]).turns
    assert turn.usage.input_tokens == 100


def test_an_answer_that_nobody_fetched_stays_a_turn_of_its_own(tmp_path, asked):
    other = Sent("/v1/responses", RESPONSES, responses_answer(COUNTED) | {"id": "resp_2"})
    found = read([asked, file_of(tmp_path, "other", other)]).turns
    assert sorted(turn.usage is None for turn in found) == [False, True]

"""Calls whose counts stand in another file than the call, as each way of reading them has it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from wire_exchanges import RESPONSES, Sent, recorded, responses_answer

from tokenprof.reading import fetched_counts
from tokenprof.reading.files import read
from tokenprof.reading.usage_only import read_usage
from tokenprof.record.exchange import is_fetch

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
    return file_of(tmp_path, "fetched", Sent("/v1/responses/resp_1", None, FETCHED))


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_fetch_is_known_by_its_address(body):
    """A client that goes through a proxy sends a body with its GET."""
    exchange = Sent("/v1/responses/resp_1", None, FETCHED).exchange(0)
    exchange.request = body
    assert is_fetch(exchange)
    assert not is_fetch(Sent("/v1/responses", RESPONSES, FETCHED).exchange(0))


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


ONE_ID = {"id": "resp_relay_that_has_one_id"}
UNREADABLE = responses_answer({"input_tokens": -5, "output_tokens": 3}) | ONE_ID
COUNTED_CALL = responses_answer(COUNTED) | ONE_ID


@pytest.mark.parametrize("request_body", [RESPONSES, {}, b"not JSON", {"model": "gpt-5.4"}])
def test_calls_that_share_one_id_with_one_without_counts_stay_calls(tmp_path, request_body):
    """A request whose prompt cannot be seen is not a fetch: it was billed."""
    sent = [Sent("/v1/responses", RESPONSES, UNREADABLE)]
    sent += [Sent("/v1/responses", request_body, COUNTED_CALL)] * 39
    path = file_of(tmp_path, "run", *sent)
    for run in (read([path]), read_usage([path])):
        assert len(run.turns) == 40
        assert sum(turn.usage is None for turn in run.turns) == 1


def test_a_second_fetch_of_an_answer_is_not_a_call(tmp_path, asked, fetched):
    again = file_of(tmp_path, "again", Sent("/v1/responses/resp_1", None, FETCHED))
    joined = tmp_path / "run.jsonl"
    joined.write_bytes(b"".join(path.read_bytes() for path in (asked, fetched, again)))
    (turn,) = read([joined]).turns
    assert (turn.usage.input_tokens, turn.usage.output_tokens) == (100, 10)


def test_one_counted_call_stands_for_one_call_without_counts(tmp_path):
    """A relay with one id for all: a second file's calls, hours later, are not those of the first."""
    unread = file_of(tmp_path, "unread", *[Sent("/v1/responses", RESPONSES, UNREADABLE)] * 4)
    counted = file_of(tmp_path, "counted", *[Sent("/v1/responses", RESPONSES, COUNTED_CALL)] * 3)
    for files in ([unread, counted], [counted, unread]):
        # Three of the four were made when the second file has them, too.
        assert [turn.usage is None for turn in read(files).turns].count(True) == 1
        assert len(read(files).turns) == len(read_usage(files).turns) == 4


@pytest.mark.parametrize("apart", [timedelta(0), timedelta(hours=10)], ids=["at once", "hours apart"])
def test_each_of_many_calls_with_one_id_is_compared_with_few_others(tmp_path, monkeypatch, apart):
    calls = 400
    unread = read(file_of(tmp_path, "unread", *[Sent("/v1/responses", RESPONSES, UNREADABLE)] * calls))
    counted = read(file_of(tmp_path, "counted", *[Sent("/v1/responses", RESPONSES, COUNTED_CALL)] * calls))
    later = tuple(replace(turn, started_at=turn.started_at + apart) for turn in counted.turns)
    compared = []
    may_be_one = fetched_counts._may_be_one
    monkeypatch.setattr(
        fetched_counts, "_may_be_one", lambda *turns: compared.append(turns) or may_be_one(*turns)
    )
    runs = fetched_counts.with_counts_of_other_files([unread, replace(counted, turns=later)])
    assert sum(len(run.turns) for run in runs) == (2 * calls if apart else calls)
    assert len(compared) <= 2 * fetched_counts.COMPARED * calls

"""At each bound on memory: the host notices nothing, no turn is dropped, and what is missing is said."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from hosts import URL, Provider, accounted, body_of
from waiting import WATCHDOG_S, wait_for_the_recorder, wait_until

import tokenprof
from tokenprof.record import attempt, process_share, turn_log
from tokenprof.record.background import waiting_lines
from tokenprof.record.recorder import Recorder
from tokenprof.record.session import active_recorder


def client_of(provider: Any) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(provider))


def test_an_answer_beyond_the_bound_reaches_its_reader_and_is_a_turn_without_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    monkeypatch.setattr(attempt, "MOST_ANSWER_BYTES", 100)
    with (
        client_of(Provider()) as client,
        tokenprof.profile(path),
        client.stream("POST", URL, json=body_of("x", stream=True)) as response,
    ):
        read = b"".join(response.iter_raw())
    assert read.endswith(b"data: [DONE]\n\n")
    assert read.count(b"data:") == 4
    run, calls = accounted(path)
    assert calls == 1
    assert [turn.usage for turn in run.turns] == [None] * len(run.turns)


def test_an_answer_that_is_read_after_its_recording_has_ended_is_not_kept(tmp_path: Path) -> None:
    taken: list[bytes] = []
    with client_of(Provider()) as client:
        with tokenprof.profile(tmp_path / "run.jsonl"):
            request = client.build_request("POST", URL, json=body_of("x", stream=True))
            response = client.send(request, stream=True)
            parts = response.iter_raw()
            taken.append(next(parts))
            (open_call,) = recorder_here()._share.open.values()
        taken.extend(parts)
        response.close()
    assert b"".join(taken).endswith(b"data: [DONE]\n\n")
    assert open_call._chunks == []  # type: ignore[attr-defined]
    run, calls = accounted(tmp_path / "run.jsonl")
    assert (calls, [turn.status for turn in run.turns]) == (1, ["partial"])


def recorder_here() -> Recorder:
    recorder = active_recorder()
    assert recorder is not None
    return recorder


def test_only_the_last_failures_are_remembered_to_count_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_log, "REMEMBERED_FAILURES", 1)
    failing, provider = [True], Provider()

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500, json={}) if failing else provider(request)

    path = tmp_path / "run.jsonl"
    with client_of(answer) as client, tokenprof.profile(path):
        for text in ("forgotten", "remembered", "remembered"):
            client.post(URL, json=body_of(text))
        failing.clear()
        for text in ("forgotten", "remembered", "remembered"):
            client.post(URL, json=body_of(text))
    run, _ = accounted(path)
    assert [turn.attempts for turn in run.turns] == [1, 3, 1]


def test_only_the_last_answers_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_log, "REMEMBERED_ANSWERS", 2)

    def answer(request: httpx.Request) -> httpx.Response:
        found = Provider()(request).json()
        number = request.headers["x-number"]
        call = {"id": f"call_{number}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        found["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": [call]}
        return httpx.Response(200, json={**found, "id": f"chatcmpl-{number}"})

    with client_of(answer) as client, tokenprof.profile(tmp_path / "run.jsonl", cache_diagnostics=True):
        for number in range(4):
            client.post(URL, json=body_of(str(number)), headers={"x-number": str(number)})
        wait_for_the_recorder()
        recorder = recorder_here()
        made = [recorder.response_that_made([f"call_{number}"]) for number in range(4)]
        assert made == [None, None, "chatcmpl-2", "chatcmpl-3"]
        assert recorder.response_that_made(["call_0", "call_3"]) == "chatcmpl-3"
    assert accounted(tmp_path / "run.jsonl")[1] == 4


def test_what_a_full_disk_cost_beyond_the_bound_is_said_once_it_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, write = [True], os.write

    def writing(descriptor: int, data: bytes) -> int:
        if full and bytes(data[:20]).lstrip().startswith(b'{"resourceSpans"'):
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(waiting_lines, "MOST_WAITING_BYTES", 5_000)
    monkeypatch.setattr(os, "write", writing)
    path = tmp_path / "run.jsonl"
    with client_of(Provider()) as client, tokenprof.profile(path):
        for number in range(20):
            client.post(URL, json=body_of(str(number)))
        wait_for_the_recorder()
        full.clear()
        client.post(URL, json=body_of("there is room again"))
    run, calls = accounted(path)
    assert calls == 21
    assert {problem.reason for problem in run.problems} == {"not_written"}
    assert 1 < len(run.turns) < 20


def test_a_listener_that_is_too_slow_is_told_no_more_and_every_turn_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_share, "MOST_UNTOLD_TURNS", 3)
    release, told = threading.Event(), []

    def on_turn(cost: Any) -> None:
        told.append(cost)
        release.wait(WATCHDOG_S)

    path = tmp_path / "run.jsonl"
    with client_of(Provider()) as client, tokenprof.profile(path, on_turn=on_turn):
        for number in range(10):
            client.post(URL, json=body_of(str(number)))
        recorder = recorder_here()
        wait_until(recorder._share.worker.is_idle, "every turn is written")
        release.set()
    assert len(told) == 3
    assert accounted(path)[1] == 10

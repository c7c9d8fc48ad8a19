"""Hosts that replace what tokenprof stands on: its file, the clock, the loaders of modules, mocked names."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import httpx
import pytest
from hosts import URL, Provider, accounted, body_of
from test_hostile_hosts import ask, run_of
from waiting import WATCHDOG_S, wait_for_the_recorder

import tokenprof
from tokenprof.reading.files import read
from tokenprof.record.background import appended_file
from tokenprof.record.background.end_waits import VARIABLE
from tokenprof.record.background.system_threads import SYSTEM
from tokenprof.record.turn_log import TurnLog


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def made_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("changed", [emptied, made_a_pipe])
def test_calls_in_a_file_that_the_host_takes_away_are_missing(
    changed: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    with tokenprof.profile(path):
        ask("before")
        wait_for_the_recorder()
        changed(path)
        ask("after")
    if changed is made_a_pipe:
        assert [note.name.split(".")[2] for note in tmp_path.glob("run.jsonl.*")] == ["1-calls-not-written"]
    else:
        run, calls = accounted(path)
        assert ([problem.reason for problem in run.problems], calls) == (["file_lost"], 2)


@pytest.mark.parametrize(
    "name",
    ["os.getpid", "time.time_ns", "time.monotonic", "threading.current_thread", "threading.get_ident"],
)
def test_a_function_of_the_system_that_the_host_lets_raise_costs_no_call(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, provider = tmp_path / "run.jsonl", Provider()

    def refuse() -> None:
        raise RuntimeError("not in a test")

    with httpx.Client(transport=httpx.MockTransport(provider)) as client, tokenprof.profile(path):
        with monkeypatch.context() as patch:
            patch.setattr(name, refuse)
            for text in ("one", "two"):
                client.post(URL, json=body_of(text))
        client.post(URL, json=body_of("three"))
    run, calls = accounted(path)
    assert calls == 3
    assert name == "threading.get_ident" or len(run.turns) == 3


def test_a_clock_that_the_host_has_stopped_leaves_calls_the_time_they_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    with tokenprof.profile(path):
        monkeypatch.setattr(time, "time_ns", lambda: 10**18)
        monkeypatch.setattr(time, "monotonic", lambda: 5.0)
        ask("while no time passes")
    (turn,) = read([path]).turns
    assert turn.duration_s is not None
    assert turn.duration_s > 0


@pytest.mark.parametrize("now", [-5, 2**70])
def test_a_clock_that_shows_no_time_leaves_a_recording_that_can_be_read(
    now: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    with tokenprof.profile(path):
        with monkeypatch.context() as patch:
            patch.setattr(SYSTEM, "wall_ns", lambda: now)
            ask("at no time")
            wait_for_the_recorder()
        ask("today")
    run, calls = accounted(path)
    assert (len(run.turns), calls) == (2, 2)


def test_a_host_whose_pauses_raise_is_recorded_and_not_disturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"

    def refuse(seconds: float) -> None:
        raise RuntimeError("no pauses in tests")

    with tokenprof.profile(path, stop_at="turns=9"):
        with monkeypatch.context() as patch:
            patch.setattr("time.sleep", refuse)
            ask("x" * 100_000)
            ask("y")
        wait_for_the_recorder()
    assert len(read([path]).turns) == 2


def test_a_disk_that_no_longer_answers_does_not_hold_up_the_end_of_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, answers = tmp_path / "run.jsonl", threading.Event()

    def never(*_: object) -> None:
        answers.wait(WATCHDOG_S)

    monkeypatch.setenv(VARIABLE, "0.1")
    profile = tokenprof.profile(path)
    with monkeypatch.context() as patch:
        with profile:
            patch.setattr(TurnLog, "record", never)
            patch.setattr(appended_file.AppendedFile, "append", never)
            ask("x")
            worker = profile._openings[0].recorder._share.worker
        assert not answers.is_set()
    answers.set()
    assert worker.wait(WATCHDOG_S)


@pytest.mark.parametrize("mocked", ["Client", "AsyncClient"])
def test_a_class_that_the_host_has_mocked_is_left_and_the_other_restored(mocked: str, tmp_path: Path) -> None:
    path, provider = tmp_path / "run.jsonl", Provider()
    sends = httpx.Client.send, httpx.AsyncClient.send
    transport = httpx.MockTransport(provider)

    async def ask_beside() -> None:
        async with httpx.AsyncClient(transport=transport) as client:
            await client.post(URL, json=body_of("x"))

    with mock.patch.object(httpx, mocked), tokenprof.profile(path):
        if mocked == "AsyncClient":
            ask("x")
        else:
            asyncio.run(ask_beside())
    assert (httpx.Client.send, httpx.AsyncClient.send) == sends
    assert len(read([path]).turns) == 1


@pytest.mark.slow
def test_other_tools_that_wait_for_the_same_module_see_its_import(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        """
import inspect, wrapt
seen = []
for module in ("anthropic", "aiohttp", "botocore"):
    wrapt.register_post_import_hook(lambda module: seen.append(module.__name__), module)
with tokenprof.profile(sys.argv[1]):
    import anthropic, aiohttp, botocore
    ask("x")
assert sorted(seen) == ["aiohttp", "anthropic", "botocore"]
assert type(anthropic.__loader__).__name__ == type(anthropic.__spec__.loader).__name__ == "SourceFileLoader"
assert inspect.getsource(aiohttp)
""",
    )
    assert (len(run.turns), run.problems) == (1, ())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_block_that_a_worker_never_leaves_ends_with_the_worker(method: str, tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        f"""
import multiprocessing

def begin(path):
    tokenprof.profile(path).__enter__()

if __name__ == "__main__":
    with tokenprof.profile(sys.argv[1] + ".other"):
        pass
    with multiprocessing.get_context("{method}").Pool(2, begin, (sys.argv[1],)) as pool:
        pool.map(ask, map(str, range(6)))
        pool.close()
        pool.join()
""",
    )
    assert (len(run.turns), run.problems) == (6, ())


@pytest.mark.slow
def test_a_generator_with_a_block_that_the_end_of_the_program_closes_says_nothing(tmp_path: Path) -> None:
    script, path = tmp_path / "host_program.py", tmp_path / "run.jsonl"
    script.write_text(
        f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[1])]!r}
import tokenprof
from test_hostile_hosts import ask

def calls():
    with tokenprof.profile(sys.argv[1]):
        while True:
            yield ask("x")

kept = calls()
next(kept)
"""
    )
    done = subprocess.run(
        [sys.executable, str(script), str(path)], capture_output=True, timeout=WATCHDOG_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(read([path]).turns) == 1

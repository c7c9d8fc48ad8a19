"""Hosts that use up descriptors, change folders, never leave a block, or name a pipe for a recording."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from hosts import AT_ONCE, URL, Provider, body_of
from waiting import WATCHDOG_S

import tokenprof
from tokenprof.facts.types import Run
from tokenprof.proxy.hangups import Hangups
from tokenprof.reading.files import read
from tokenprof.record.background.end_waits import VARIABLE
from tokenprof.record.background.worker import Worker

FOLDERS = [str(Path(__file__).parent), str(Path(__file__).parents[1])]


def ask(text: str = "x") -> None:
    with httpx.Client(transport=httpx.MockTransport(Provider())) as client:
        client.post(URL, json=body_of(text))


def test_a_host_that_changes_its_folder_keeps_its_recording_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    monkeypatch.chdir(tmp_path / "first")
    with tokenprof.profile("run.jsonl"):
        ask("in the first folder")
        monkeypatch.chdir(tmp_path / "second")
        ask("in the second")
    assert len(read([tmp_path / "first" / "run.jsonl"]).turns) == 2
    assert list((tmp_path / "second").iterdir()) == []


def test_a_name_of_a_pipe_or_a_socket_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for name in ("pipe", "socket"):
            with (
                pytest.raises(FileExistsError, match=f"{name} is not a file"),
                tokenprof.profile(tmp_path / name),
            ):
                raise AssertionError("the block was entered")


def test_work_waits_for_a_descriptor_and_is_not_given_up() -> None:
    tries: list[str] = []
    failed: list[str] = []

    def work(item: str) -> None:
        tries.append(item)
        if len(tries) < 4:
            raise OSError(errno.EMFILE, "Too many open files")

    worker: Worker[str] = Worker("test", work, lambda item, error: failed.append(item))
    worker.put("first")
    worker.put("second")
    worker.finish()
    assert worker.wait(WATCHDOG_S)
    assert (tries, failed) == (["first"] * 4 + ["second"], [])


def test_who_waits_again_for_a_worker_that_has_ended_does_not_wait() -> None:
    worker: Worker[str] = Worker("test", lambda item: None, lambda item, error: None)
    worker.put("only")
    worker.finish()
    assert worker.wait(WATCHDOG_S)
    assert worker.wait(seconds=0.0)


@pytest.mark.slow
def test_a_program_without_a_free_descriptor_loses_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The descriptors are free again once the block has ended.
    monkeypatch.setenv(VARIABLE, "0.1")
    run = run_of(
        tmp_path,
        """
import resource
held = []
with tokenprof.profile(sys.argv[1]):
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    for number in range(5):
        ask(str(number))
for descriptor in held:
    os.close(descriptor)
""",
    )
    assert (len(run.turns), run.problems) == (5, ())


@pytest.mark.slow
def test_a_block_that_is_never_left_ends_with_its_program(tmp_path: Path) -> None:
    program = "tokenprof.profile(sys.argv[1]).__enter__()\nfor number in range(5): ask(str(number))"
    run = run_of(tmp_path, program)
    assert (len(run.turns), run.problems) == (5, ())


def run_of(folder: Path, program: str) -> Run:
    return read([recorded_by(folder, program)])


def recorded_by(folder: Path, program: str) -> Path:
    script, path = folder / "host_program.py", folder / "run.jsonl"
    head = f"import os, sys\nsys.path[:0] = {FOLDERS!r}\nimport tokenprof\n"
    script.write_text(head + "from test_hostile_hosts import ask\n" + program)
    done = subprocess.run(
        [sys.executable, str(script), str(path)], capture_output=True, timeout=WATCHDOG_S, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return path


def test_a_failed_call_that_was_noted_as_unfinished_and_then_written_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tokenprof.record.turn_log import TurnLog

    path, release, record = tmp_path / "run.jsonl", threading.Event(), TurnLog.record

    def stalled(self: TurnLog, exchange: object) -> object:
        release.wait(WATCHDOG_S)
        return record(self, exchange)  # type: ignore[arg-type]

    monkeypatch.setattr(TurnLog, "record", stalled)
    monkeypatch.setattr("tokenprof.record.recorder.end_waits", lambda: AT_ONCE)
    profile = tokenprof.profile(path)
    with httpx.Client(transport=httpx.MockTransport(Provider())) as client, profile:
        client.post(URL, json=body_of("x", model="missing"))
        worker = profile._openings[0].recorder._share.worker
    assert [problem.reason for problem in read([path]).problems] == ["unfinished"]
    release.set()
    assert worker.wait(WATCHDOG_S)
    assert read([path]).problems == ()


def test_a_connection_is_not_cut_for_the_end_of_an_earlier_one_with_its_number() -> None:
    import selectors

    hangups, cut = Hangups(), threading.Event()
    ours, theirs = socket.socketpair()
    with ours, theirs, hangups.watching(ours, cut.set):
        # What the watching thread does with an event of a connection that has been closed meanwhile.
        hangups._readable(ours.fileno(), selectors.SelectSelector())
        assert not cut.is_set()
        theirs.close()
        assert cut.wait(WATCHDOG_S)
    hangups.close()


@pytest.mark.slow
def test_a_call_that_the_end_of_the_program_cuts_after_its_block_is_in_the_recording(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        """
import atexit, threading
import httpx
from hosts import URL, body_of
import tokenprof.record.background.ended_blocks

begun = threading.Event()

def never(request):
    begun.set()
    threading.Event().wait()

def call():
    with httpx.Client(transport=httpx.MockTransport(never)) as client:
        client.post(URL, json=body_of("not answered"))

def late_call():
    threading.Thread(target=call, daemon=True).start()
    begun.wait()

atexit.register(late_call)
tokenprof.profile(sys.argv[1]).__enter__()
ask("before")
""",
    )
    assert len(run.turns) + sum(problem.calls for problem in run.problems) == 2

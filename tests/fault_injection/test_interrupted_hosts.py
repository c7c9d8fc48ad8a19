"""Hosts whose signal handlers raise, whose processes leave at once, or whose logging and imports fail."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest
from hosts import URL, Provider, accounted, body_of
from privileges import not_root
from test_hostile_hosts import ask, recorded_by, run_of
from waiting import wait_until

import tokenprof
from tokenprof.analysis.analysis import Analysis
from tokenprof.reading.files import read
from tokenprof.reading.formats import UnknownFormatError
from tokenprof.record.background import shared_tally
from tokenprof.record.background.shared_tally import SharedTally
from tokenprof.record.turn_log import TurnLog
from tokenprof.report.document import report_of

OURS = f"{os.sep}tokenprof{os.sep}"


class OutOfTimeError(Exception):
    """What the host's time limit raises."""


def out_of_time(number: int, frame: FrameType | None) -> None:
    raise OutOfTimeError


STEP = 2
"""An alarm comes up at every so many lines."""


class Alarm:
    """Sends this process a signal before the line of ours that is the `at`-th to run on the host's thread."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.lines = 0

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        if OURS not in os.path.realpath(frame.f_code.co_filename) and event == "call":
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.at:
                signal.raise_signal(signal.SIGALRM)
        return self


def streamed_call(client: httpx.Client) -> None:
    with client.stream("POST", URL, json=body_of("x", stream=True)) as response:
        response.read()


def test_a_time_limit_of_the_host_reaches_it_wherever_it_comes_up_and_no_call_is_lost(tmp_path: Path) -> None:
    provider, path = Provider(), tmp_path / "run.jsonl"
    reached: list[int] = []
    before = signal.signal(signal.SIGALRM, out_of_time)
    try:
        with httpx.Client(transport=httpx.MockTransport(provider)) as client, tokenprof.profile(path):
            streamed_call(client)
            alarm = Alarm(0)
            while alarm.lines >= alarm.at:
                alarm = Alarm(alarm.at + STEP)
                traced = sys.gettrace()
                sys.settrace(alarm)
                try:
                    streamed_call(client)
                except OutOfTimeError:
                    reached.append(alarm.at)
                finally:
                    sys.settrace(traced)
            streamed_call(client)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert reached == list(range(STEP, alarm.at, STEP)), "one of them was swallowed"
    assert len(reached) > 50
    run, calls = accounted(path)
    assert calls >= provider.billed
    assert run.turns[-1].usage is not None


class Refusing(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("the log is not to be reached")


def test_a_log_that_raises_reaches_neither_the_host_nor_our_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, log, handler = tmp_path / "run.jsonl", logging.getLogger("tokenprof"), Refusing()
    log.addHandler(handler)
    try:
        with tokenprof.profile(path):
            with monkeypatch.context() as patch:
                patch.setattr(TurnLog, "_write_turn", None)
                ask("cannot be written")
                ask("nor can this")
                wait_until(lambda: path.read_bytes().count(b"unreadable") == 2, "both are noted")
            ask("can")
    finally:
        log.removeHandler(handler)
    run = read([path])
    assert [problem.reason for problem in run.problems] == ["unreadable", "unreadable"]
    assert len(run.turns) == 1


@pytest.mark.slow
def test_calls_are_missing_if_what_writes_them_cannot_be_loaded(tmp_path: Path) -> None:
    path = recorded_by(
        tmp_path,
        """
class NoMore:
    def find_spec(self, *args):
        raise ImportError("nothing more is loaded here")

with tokenprof.profile(sys.argv[1]):
    sys.meta_path.insert(0, NoMore())
    ask("first")
    ask("second")
""",
    )
    with pytest.raises(UnknownFormatError, match="the file is empty; 2 calls could not be written to it"):
        read([path])


@pytest.mark.slow
@pytest.mark.parametrize("leave", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_what_a_forked_process_takes_with_it_is_missing(leave: str, tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        f"""
with tokenprof.profile(sys.argv[1]):
    ask("before")
    for number in range(3):
        child = os.fork()
        if not child:
            ask("in a child"); ask("once more"); {leave}
        os.waitpid(child, 0)
    child = os.fork()
    if not child:
        ask("not waited for"); {leave}
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
""",
    )
    assert len(run.turns) + sum(problem.calls for problem in run.problems) == 8
    reasons = {problem.reason for problem in run.problems}
    # Who leaves by itself says what is missing; of one that is killed, another process says it.
    assert reasons <= ({"unfinished"} if "_exit" in leave else {"process_ended"})
    if "process_ended" in reasons:
        assert any("before it had written them" in warning for warning in report_of(Analysis(run)).warnings)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_what_a_spawned_process_takes_with_it_is_missing(method: str, tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        f"""
import multiprocessing, signal

def work():
    ask("in a child"); ask("once more")
    child = os.fork()
    if not child:
        ask("in a grandchild"); os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    with tokenprof.profile(sys.argv[1]), tokenprof.profile(sys.argv[1]):
        for number in range(2):
            child = multiprocessing.get_context("{method}").Process(target=work)
            child.start()
            child.join()
""",
    )
    assert len(run.turns) + sum(problem.calls for problem in run.problems) == 6
    assert {problem.reason for problem in run.problems} <= {"process_ended"}


def in_child(work: Any) -> None:
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    os.waitpid(child, 0)


def test_a_tally_counts_what_ended_processes_have_left(tmp_path: Path) -> None:
    tally = SharedTally()
    tally.given()
    in_child(lambda: [tally.given(), tally.given(), tally.done()])
    in_child(lambda: [tally.given(), tally.done()])
    in_child(lambda: tally.given())
    assert tally.take_abandoned() == 2
    assert tally.take_abandoned() == 0
    # This process is there, and a child sees that.
    in_child(lambda: (tmp_path / "seen").write_text(str(tally.take_abandoned())))
    assert (tmp_path / "seen").read_text() == "0"


def test_a_tally_at_an_address_that_is_not_there_is_the_process_s_own(tmp_path: Path) -> None:
    tally = SharedTally(str(tmp_path / "gone"))
    in_child(lambda: [tally.given(), tally.given(), tally.done()])
    assert tally.take_abandoned() == 1


def test_a_tally_of_a_process_that_nobody_waited_for() -> None:
    tally = SharedTally()
    child = os.fork()
    if not child:
        tally.given()
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert tally.take_abandoned() == 1
    assert os.waitpid(child, 0) == (child, 0)


def test_more_processes_than_a_tally_has_room_for_use_the_places_of_those_that_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tokenprof.record.background.shared_tally.MOST_PROCESSES", 2)
    tally = SharedTally()
    tally.given()
    for _ in range(3):
        in_child(lambda: [tally.given(), tally.done()])
    in_child(tally.given)
    # It is full: who comes late is not counted, and nothing fails.
    in_child(lambda: [tally.given(), tally.done()])
    assert tally.take_abandoned() == 1


def test_a_process_for_which_a_tally_has_no_room_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenprof.record.background.shared_tally.MOST_PROCESSES", 1)
    tally = SharedTally()
    ready, begun = os.pipe()
    child = os.fork()
    if not child:
        tally.given()
        os.write(begun, b".")
        signal.pause()
    assert os.read(ready, 1) == b"."
    tally.given()
    tally.done()
    assert tally.take_abandoned() == 0
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert tally.take_abandoned() == 1
    os.close(ready)
    os.close(begun)


def test_a_process_of_another_user_has_not_ended() -> None:
    with not_root():
        assert not shared_tally._has_ended(1)


@pytest.mark.slow
@pytest.mark.parametrize("leave", ["os._exit(0)", "os.execv('/bin/true', ['true'])"])
def test_what_a_process_leaves_behind_on_its_own_is_noted(leave: str, tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        f"""
from tokenprof.record.turn_log import TurnLog
import threading
TurnLog.record = lambda self, exchange: threading.Event().wait()
with tokenprof.profile(sys.argv[1]):
    for number in range(3):
        ask(str(number))
    {leave}
""",
    )
    assert run.turns == ()
    assert [(problem.reason, problem.calls) for problem in run.problems] == [("unfinished", 1)] * 3


@pytest.mark.slow
@pytest.mark.parametrize("leave", ["sys.exit(0)", "os._exit(0)"])
def test_a_child_that_makes_no_call_leaves_the_recording_of_its_parent_alone(
    leave: str, tmp_path: Path
) -> None:
    run = run_of(
        tmp_path,
        f"""
with tokenprof.profile(sys.argv[1]):
    ask("before")
    child = os.fork()
    if not child:
        {leave}
    assert os.waitpid(child, 0)[1] == 0
    ask("after")
child = os.fork()
if not child:
    {leave}
assert os.waitpid(child, 0)[1] == 0
""",
    )
    assert (len(run.turns), run.problems) == (2, ())


@pytest.mark.slow
def test_a_call_that_ends_after_the_program_has_ended_is_noted_as_unfinished_or_written(
    tmp_path: Path,
) -> None:
    run = run_of(
        tmp_path,
        """
import atexit
# What is registered first runs last.
atexit.register(lambda: ask("too late"))
tokenprof.profile(sys.argv[1]).__enter__()
ask("in time")
""",
    )
    assert len(run.turns) + sum(problem.calls for problem in run.problems) == 2

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
from test_hostile_hosts import ask, recorded_by, run_of
from waiting import wait_until

import tokenprof
from tokenprof.analysis.analysis import Analysis
from tokenprof.reading.files import read
from tokenprof.reading.formats import UnknownFormatError
from tokenprof.record.background.shared_tally import SharedTally
from tokenprof.record.turn_log import TurnLog
from tokenprof.report.document import report_of

OURS = f"{os.sep}tokenprof{os.sep}"


class OutOfTimeError(Exception):
    """What the host's time limit raises."""


def out_of_time(number: int, frame: FrameType | None) -> None:
    raise OutOfTimeError


STEP = 7
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
                sys.settrace(alarm)
                try:
                    streamed_call(client)
                except OutOfTimeError:
                    reached.append(alarm.at)
                finally:
                    sys.settrace(None)
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
    missing = [problem for problem in run.problems if problem.reason == "process_ended"]
    assert len(run.turns) + sum(problem.calls for problem in missing) == 8
    if missing:
        assert any("before it had written them" in warning for warning in report_of(Analysis(run)).warnings)


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

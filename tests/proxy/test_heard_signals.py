"""Signals that are noted, however many come and wherever this process is."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import BuiltinMethodType, FrameType
from typing import Any

import pytest
from canned import CannedServer
from waiting import WATCHDOG_S

from tokenprof.proxy.heard_signals import HeardSignals, heard_signals
from tokenprof.reading.files import read

ROOT = Path(__file__).parents[2]
ONE, OTHER = signal.SIGUSR1, signal.SIGUSR2


@pytest.fixture
def heard() -> Iterator[HeardSignals]:
    with heard_signals(["SIGUSR1", "SIGUSR2", "SIGNONE"]) as heard:
        yield heard


def test_each_is_taken_once_and_as_often_as_it_came(heard: HeardSignals) -> None:
    assert heard.take() == []
    for number in (ONE, OTHER, ONE):
        signal.raise_signal(number)
    assert sorted(heard.take()) == [ONE, ONE, OTHER]
    assert heard.take() == []


def test_none_is_lost_that_comes_while_others_are_taken(heard: HeardSignals) -> None:
    raised = 0

    def at_each_line(_: FrameType, event: str, __: object) -> Any:
        nonlocal raised
        if event == "line":
            signal.raise_signal(ONE)
            raised += 1
        return at_each_line

    tracer = sys.gettrace()
    sys.settrace(at_each_line)
    try:
        taken = heard.take()
    finally:
        sys.settrace(tracer)
    assert 0 < len(taken) < raised
    assert taken + heard.take() == [ONE] * raised


@pytest.mark.usefixtures("heard")
def test_a_handler_has_no_frame_in_which_the_next_signal_could_be_handled() -> None:
    assert isinstance(signal.getsignal(ONE), BuiltinMethodType)


def test_those_of_before_are_back_afterwards() -> None:
    before = signal.getsignal(ONE)
    with heard_signals(["SIGUSR1"]):
        assert signal.getsignal(ONE) != before
    assert signal.getsignal(ONE) == before


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(ONE, signal.SIG_IGN)
    try:
        with heard_signals(["SIGUSR1", "SIGUSR2"]) as heard:
            assert signal.getsignal(ONE) is signal.SIG_IGN
            signal.raise_signal(ONE)
            signal.raise_signal(OTHER)
            assert heard.take() == [OTHER]
    finally:
        signal.signal(ONE, before)


ASKS = f"""
import os, sys
sys.path[:0] = {[str(ROOT / "tests" / "proxy"), str(ROOT / "tests")]!r}
from canned import ask
ask(os.environ["ANTHROPIC_BASE_URL"])
"""


@pytest.mark.slow
def test_a_flood_of_signals_does_not_take_what_a_command_did(tmp_path: Path) -> None:
    asked, flooded = threading.Event(), threading.Event()

    def hold(_: Any) -> None:
        asked.set()
        flooded.wait(WATCHDOG_S)

    ignoring = f"trap '' TERM USR1; {shlex.join([sys.executable, '-c', ASKS])}; exit 5"
    with (
        CannedServer([hold]) as server,
        subprocess.Popen(
            [sys.executable, "-m", "tokenprof", "run", "--no-report", "--", "sh", "-c", ignoring],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "ANTHROPIC_BASE_URL": server.url},
        ) as command,
    ):
        assert asked.wait(WATCHDOG_S)
        for sent in range(100_000):
            command.send_signal(signal.SIGUSR1)
            command.send_signal(signal.SIGTERM)
            if sent == 20_000:
                flooded.set()
            if command.poll() is not None:
                break
        command.wait(WATCHDOG_S)
    run = read([tmp_path / "run.jsonl"])
    assert [(problem.reason, problem.calls) for problem in run.problems] == [("unknown_bill", 1)]

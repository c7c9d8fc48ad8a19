"""The thread that works through a queue, and the thread that does so in its place."""

from __future__ import annotations

import threading

import pytest
from waiting import WATCHDOG_S, wait_until

from tokenprof.record.background import worker
from tokenprof.record.background.worker import Worker


def test_items_that_come_while_the_host_works_them_off_are_done_once_and_by_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[tuple[int, threading.Thread]] = []

    def work(item: int) -> None:
        done.append((item, threading.current_thread()))
        if item == 1:
            # Threads can be started again, and another one hands something over.
            monkeypatch.undo()
            other = threading.Thread(target=subject.put, args=(2,))
            other.start()
            other.join()

    def no_thread(run: object) -> None:
        raise RuntimeError("can't start new thread")

    failed: list[BaseException] = []
    subject: Worker[int] = Worker("test", work, lambda item, error: failed.append(error))
    monkeypatch.setattr(worker, "start_thread", no_thread)
    subject.put(1)
    subject.finish()
    assert subject.wait(60.0)
    assert done == [(1, threading.current_thread()), (2, threading.current_thread())]
    assert failed == []


def test_work_that_fails_in_any_way_and_whoever_is_told_stop_neither_the_next_item_nor_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[str] = []
    told: list[str] = []

    def work(item: str) -> None:
        if item.startswith("bad"):
            raise SystemExit(item)
        done.append(item)

    def failed(item: str, error: BaseException) -> None:
        told.append(f"{item} {type(error).__name__}")
        raise RuntimeError("nobody is to be told")

    def at_end() -> None:
        done.append("the end")
        raise RuntimeError("there is more to do")

    subject: Worker[str] = Worker("test", work, failed, at_end)
    for item in ("first", "bad one", "second"):
        subject.put(item)
    subject.finish()
    assert subject.wait(WATCHDOG_S)
    wait_until(subject.has_ended, "the thread has ended")
    assert (done, told) == (["first", "second", "the end"], ["bad one SystemExit"])
    said = [message.splitlines()[0] for message in caplog.messages]
    assert said == ["test could not note a failure", "test could not end in order"]
    assert (subject.pending(), subject.is_idle()) == ([], True)


def test_who_works_items_off_without_a_thread_stops_when_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_thread(run: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(worker, "start_thread", no_thread)
    done: list[int] = []
    ends: list[str] = []
    subject: Worker[int] = Worker("test", done.append, lambda *_: None, lambda: ends.append("end"))
    subject.put(1)
    subject.put(2)
    subject.finish()
    assert not subject.wait(seconds=0.0)
    assert (done, ends, subject.length(), subject.has_ended()) == ([], [], 2, False)
    assert subject.wait(WATCHDOG_S)
    assert (done, ends, subject.length()) == ([1, 2], ["end"], 0)

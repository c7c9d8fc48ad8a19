"""An exception of the host's signal handler is told from one of ours, however the handler is written."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from tokenprof.record.background import system_threads
from tokenprof.record.background.host_interrupts import raise_if_the_hosts
from tokenprof.record.background.system_threads import held_lock, wait_for

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal on this system")


class OutOfTimeError(Exception):
    pass


def plain(number: int, frame: FrameType | None) -> None:
    raise OutOfTimeError


class Host:
    def method(self, number: int, frame: FrameType | None) -> None:
        raise OutOfTimeError

    def __call__(self, number: int, frame: FrameType | None) -> None:
        raise OutOfTimeError


def with_more(more: str, number: int, frame: FrameType | None) -> None:
    raise OutOfTimeError


HANDLERS: dict[str, Callable[[int, FrameType | None], Any]] = {
    "function": plain,
    "method": Host().method,
    "object": Host(),
    "partial": functools.partial(functools.partial(with_more), "more"),
    "lambda": lambda number, frame: plain(number, frame),
}


@pytest.fixture(autouse=True)
def _no_handler_stays() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


def work_of_ours() -> None:
    signal.raise_signal(signal.SIGUSR1)


@pytest.mark.parametrize("handler", HANDLERS)
def test_what_the_host_raised_goes_on_to_the_host(handler: str) -> None:
    signal.signal(signal.SIGUSR1, HANDLERS[handler])
    with pytest.raises(OutOfTimeError) as raised:
        work_of_ours()
    with pytest.raises(OutOfTimeError):
        raise_if_the_hosts(raised.value)


def test_what_came_up_in_our_own_work_stays_with_us() -> None:
    for handler in (plain, signal.SIG_IGN, signal.default_int_handler, type("Empty", (), {})):
        signal.signal(signal.SIGUSR1, handler)  # type: ignore[arg-type]
        try:
            raise OutOfTimeError
        except OutOfTimeError as error:
            raise_if_the_hosts(error)
    raise_if_the_hosts(OutOfTimeError())


def test_who_waits_beside_greenlets_gives_up_and_lets_them_open_the_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(system_threads, "is_gevent", lambda: True)
    lock = held_lock()
    lock.release()
    assert wait_for(lock, 60.0)
    assert not wait_for(lock, 0.01)
    threading.Timer(0.02, lock.release).start()
    assert wait_for(lock, 60.0)

"""A thread that works through what it is given, in order, and is started when it is first needed."""

from __future__ import annotations

import errno
import time
from _queue import SimpleQueue
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from tokenprof.record.background.giving_way import thread_ends, thread_gives_way
from tokenprof.record.background.harmless_log import log
from tokenprof.record.background.system_threads import SYSTEM, held_lock, is_gevent, start_thread, wait_for

Item = TypeVar("Item")

PAUSE_S = 0.05
LONGEST_WAIT_S = 10.0
"""How long after its end a worker waits for a descriptor, if the host has used them all."""


def _is_exhausted(error: BaseException) -> bool:
    """Whether work failed because no descriptor was free, even to import a module. It may be tried again."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


class Worker(Generic[Item]):
    """Does `work` with each item on a thread of its own; `at_end` runs on that thread when it is finished.

    `put` takes no lock, waits for nothing and may be called by a finaliser or a signal handler, because a
    `SimpleQueue` may be. Whatever `work` raises is given to `failed`, and the next item is taken.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Item], None],
        failed: Callable[[Item, BaseException], None],
        at_end: Callable[[], None] | None = None,
    ) -> None:
        self._name = name
        self._work = work
        self._failed = failed
        self._at_end = at_end
        self._items: deque[Item] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._unstarted = [True]
        self._is_closing = False
        self._has_ended = False
        self._waits_until: float | None = None
        self._finished = held_lock()

    def put(self, item: Item) -> None:
        """Give the worker an item."""
        self._items.append(item)
        self._wake.put(None)
        self._start()

    def pending(self) -> list[Item]:
        """Return the items that are not finished."""
        return list(self._items)

    def length(self) -> int:
        """Return how many items are not finished."""
        return len(self._items)

    def has_ended(self) -> bool:
        """Whether the worker has ended after `finish`, or has nothing to end."""
        return self._has_ended or (bool(self._unstarted) and not self._items)

    def is_idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self._items

    def finish(self) -> None:
        """Ask the worker to end when it has done everything."""
        self._is_closing = True
        self._wake.put(None)
        if self._items:
            self._start()

    def wait(self, seconds: float) -> bool:
        """Wait until the worker has ended after `finish`; returns whether it has. Nothing to do is an end."""
        if self._may_start():
            # No thread could be started, or none was needed.
            try:
                self._work_off(deadline=SYSTEM.monotonic_s() + seconds)
                is_done = not self._items
                if is_done:
                    self._end()
            finally:
                self._unstarted.append(True)
            return is_done
        has_ended = wait_for(self._finished, seconds)
        if has_ended:
            # For whoever waits next.
            self._finished.release()
        return has_ended

    def _may_start(self) -> bool:
        """Take the right to work off the items, which only one thread has; returns whether it was free."""
        try:
            return self._unstarted.pop()
        except IndexError:
            return False

    def _start(self) -> None:
        if not self._may_start():
            return
        try:
            start_thread(self._run)
        except RuntimeError:
            # Too many threads, or the interpreter is shutting down: the next item tries again.
            self._unstarted.append(True)

    def _run(self) -> None:
        with suppress(Exception):
            if not is_gevent():
                # There, a name would take a lock of gevent's.
                SYSTEM.current_thread().name = self._name
        thread_gives_way()
        while not self._is_closing or self._items:
            self._wake.get()
            self._work_off()
        self._end()
        thread_ends()
        self._has_ended = True
        self._finished.release()

    def _end(self) -> None:
        try:
            if self._at_end is not None:
                self._at_end()
        except Exception:
            log.warning("%s could not end in order", self._name, exc_info=True)

    def _work_off(self, deadline: float | None = None) -> None:
        while self._items and (deadline is None or SYSTEM.monotonic_s() < deadline):
            item = self._items[0]
            try:
                self._work(item)
            except BaseException as error:  # noqa: BLE001 - a host's callback may even call sys.exit
                if _is_exhausted(error) and self._may_wait(deadline):
                    time.sleep(PAUSE_S)
                    continue
                self._report(item, error)
            self._items.popleft()

    def _may_wait(self, deadline: float | None) -> bool:
        """Whether to try again: on a thread of its own, for a while after the end."""
        if self._is_closing and self._waits_until is None:
            self._waits_until = SYSTEM.monotonic_s() + LONGEST_WAIT_S
        return deadline is None and (self._waits_until is None or SYSTEM.monotonic_s() < self._waits_until)

    def _report(self, item: Item, error: BaseException) -> None:
        try:
            self._failed(item, error)
        except Exception:
            log.warning("%s could not note a failure", self._name, exc_info=True)

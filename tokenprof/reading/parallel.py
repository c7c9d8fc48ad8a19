"""Many files read at once, each by one of several processes; one process if that is as fast.

Processes are started fresh and not forked, because a fork copies locks that other threads may hold.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tokenprof.facts.call_labels import Labeller, reading_labeller, set_reading_labeller
from tokenprof.facts.errors import InputError
from tokenprof.reading.progress import Progress, Watcher, unwatched

if TYPE_CHECKING:
    from concurrent.futures import Future

BYTES_PER_PROCESS = 12 * 2**20
"""A further process takes a second to start, in which one reads about so many bytes."""

Files = Sequence[tuple[Path, str]]
Tasks = Sequence[tuple[Any, ...]]
"""What each reading is called with; the path of its file comes first."""

Read = TypeVar("Read")
"""What is made of a file: a run, or something smaller."""


def processes_for(all_bytes: int, files: int, jobs: int | None) -> int:
    """Return how many processes should read; `jobs` is what the user asked for, None for what is fastest."""
    if jobs is not None:
        return max(min(jobs, files), 1)
    return max(min(usable_cores(), files, all_bytes // BYTES_PER_PROCESS), 1)


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_each(
    files: Tasks,
    read_one: Callable[..., Read],
    jobs: int | None = 1,
    watch: Watcher = unwatched,
) -> Iterator[tuple[int, Read | InputError]]:
    """Yield the place of each file in the list, and what it holds or why it cannot be read, in any order.

    `files` are paths with what else `read_one`, a function of a module, is called with: the name of the
    file's format, at least. `jobs` is the number of processes (None: as many as are worth it). `watch` is
    told after each file.
    """
    sizes = [_size(task[0]) for task in files]
    began, done, done_bytes = time.monotonic(), 0, 0
    processes = processes_for(sum(sizes), len(files), jobs)
    found = _in_turn(files, read_one) if processes == 1 else _at_once(files, sizes, read_one, processes)
    for index, result in found:
        done, done_bytes = done + 1, done_bytes + sizes[index]
        watch(Progress(done, len(files), done_bytes, sum(sizes), time.monotonic() - began))
        yield index, result


def _in_turn(
    files: Tasks, read_one: Callable[..., Read], skip: Set[int] = frozenset()
) -> Iterator[tuple[int, Read | InputError]]:
    for index, task in enumerate(files):
        if index not in skip:
            yield index, _result_of(read_one, *task)


def _at_once(
    files: Tasks, sizes: Sequence[int], read_one: Callable[..., Read], processes: int
) -> Iterator[tuple[int, Read | InputError]]:
    import multiprocessing
    from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
    from concurrent.futures.process import BrokenProcessPool

    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(reading_labeller(),))
    done: set[int] = set()
    # The largest files first, so that no process is left alone with one at the end. A few per process are
    # handed out at a time: what is read waits in memory.
    waiting = sorted(range(len(files)), key=lambda index: sizes[index])
    running: dict[Future[Read | InputError], int] = {}
    try:
        while waiting or running:
            while waiting and len(running) < 2 * processes:
                index = waiting.pop()
                running[pool.submit(_result_of, read_one, *files[index])] = index
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                index = running.pop(future)
                result = future.result()
                done.add(index)
                yield index, result
    except BrokenProcessPool:
        # The system killed a process, probably for its memory; this one goes on alone.
        running.clear()
        yield from _in_turn(files, read_one, done)
    finally:
        if running:
            # Interrupted: nobody waits for the rest.
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(labeller: Labeller | None) -> None:
    """Leave interrupts to the parent, and name tool calls as it does."""
    set_reading_labeller(labeller)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _result_of(read_one: Callable[..., Read], *task: Any) -> Read | InputError:
    try:
        return read_one(*task)
    except InputError as error:
        return error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0

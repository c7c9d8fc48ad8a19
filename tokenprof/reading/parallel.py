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

GROUP_BYTES = 4 * 2**20
"""About so many bytes of small files are read by one process before it sends what it found."""

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
    # What is made of a file is kept by this process, which may take as long as reading it.
    yield from _read(files, sizes, [1] * len(files), read_one, jobs, watch, reads_here=False)


def read_in_groups(
    files: Tasks,
    read_group: Callable[[Tasks], Read],
    jobs: int | None = 1,
    watch: Watcher = unwatched,
) -> Iterator[Read]:
    """Yield what is made of groups of files, in any order; most logs are too small to be sent one at a time.

    `read_group`, a function of a module, takes some of `files`, whose first items are paths, and raises no
    InputError. `jobs` and `watch` are those of `read_each`.
    """
    groups: list[list[tuple[Any, ...]]] = []
    sizes: list[int] = []
    for task in files:
        size = _size(task[0])
        if groups and sizes[-1] + size <= GROUP_BYTES:
            groups[-1].append(task)
            sizes[-1] += size
        else:
            groups.append([task])
            sizes.append(size)
    tasks = [(group,) for group in groups]
    counts = list(map(len, groups))
    for _, result in _read(tasks, sizes, counts, read_group, jobs, watch, reads_here=True):
        if isinstance(result, InputError):
            raise result
        yield result


def _read(
    tasks: Tasks,
    sizes: Sequence[int],
    counts: Sequence[int],
    read_one: Callable[..., Read],
    jobs: int | None,
    watch: Watcher,
    *,
    reads_here: bool,
) -> Iterator[tuple[int, Read | InputError]]:
    """Yield the place and the result of each task; `sizes` are its bytes, `counts` its files."""
    began, done, done_bytes = time.monotonic(), 0, 0
    processes = processes_for(sum(sizes), len(tasks), jobs)
    found = (
        _in_turn(tasks, read_one)
        if processes == 1
        else _at_once(tasks, sizes, read_one, processes, reads_here=reads_here)
    )
    for index, result in found:
        done, done_bytes = done + counts[index], done_bytes + sizes[index]
        watch(Progress(done, sum(counts), done_bytes, sum(sizes), time.monotonic() - began))
        yield index, result


def _in_turn(
    files: Tasks, read_one: Callable[..., Read], skip: Set[int] = frozenset()
) -> Iterator[tuple[int, Read | InputError]]:
    for index, task in enumerate(files):
        if index not in skip:
            yield index, _result_of(read_one, *task)


def _at_once(
    files: Tasks, sizes: Sequence[int], read_one: Callable[..., Read], processes: int, *, reads_here: bool
) -> Iterator[tuple[int, Read | InputError]]:
    """Yield results of several processes; with `reads_here`, this one is one of them."""
    import multiprocessing
    from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
    from concurrent.futures.process import BrokenProcessPool

    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    others_needed = processes - reads_here
    pool = ProcessPoolExecutor(others_needed, context, initializer=_begin, initargs=(reading_labeller(),))
    done: set[int] = set()
    # The largest files first, so that no process is left alone with one at the end. A few per process are
    # handed out at a time: what is read waits in memory.
    waiting = sorted(range(len(files)), key=lambda index: sizes[index])
    running: dict[Future[Read | InputError], int] = {}
    try:
        while waiting or running:
            while waiting and len(running) < 2 * others_needed:
                index = waiting.pop()
                running[pool.submit(_result_of, read_one, *files[index])] = index
            may_wait_s = 0 if reads_here and waiting else None
            ended = wait(running, may_wait_s, return_when=FIRST_COMPLETED).done
            for future in ended:
                index = running.pop(future)
                result = future.result()
                done.add(index)
                yield index, result
            if waiting and not ended:
                index = waiting.pop(0)
                done.add(index)
                yield index, _result_of(read_one, *files[index])
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

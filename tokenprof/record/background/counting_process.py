"""Counts tokens in a process of our own, because a tokenizer that loads stops every thread of its process.

Loading the vocabularies holds the interpreter's lock for up to a second, and nothing can divide that. The
process is started when the first call is recorded. It imports nothing of the host, is given its texts over a
socket, keeps none of them, and ends when the host does, or after a minute without work. The host cannot wait
for it by mistake, because it is not the host's child: a shell starts it and leaves at once.

Where no such process can be started (another system, a frozen program, a sandbox), nothing is counted: sizes
are then estimated from the other measures of a text.
"""

from __future__ import annotations

import _socket
import os
import select
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from tokenprof.record.background.counting import PROGRAM, TOKENIZERS, packed, unpacked
from tokenprof.record.background.fork_safe_lock import ForkSafeLock
from tokenprof.record.background.started_program import SHELL, leave_running
from tokenprof.record.background.system_threads import SYSTEM, unpatched

LONGEST_COUNT_S: Final = 30.0
MOST_FAILURES: Final = 3
MOST_BYTES_AT_ONCE: Final = 4 * 2**20
START: Final = 'exec 3<&0; "$@" <&3 3<&- &'
"""Starts a command in the background, whose standard input a shell would close otherwise, and leaves it."""


class CountingProcess:
    """A process that counts tokens, started when it is first needed, one for each process that records."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._host = SYSTEM.process_id()
        # A number, because a socket object complains when a program ends without closing it.
        self._descriptor = -1
        self._identity = (0, 0)
        self._failures = 0

    def is_ready(self) -> bool:
        """Whether the process runs already."""
        return self._descriptor >= 0 and self._host == SYSTEM.process_id()

    def count(self, texts: Sequence[str]) -> list[Mapping[str, int]]:
        """Return the tokens of each text in every vocabulary; empty mappings if they cannot be counted.

        Called on threads of ours only, and waits for its turn and for the answer.
        """
        with self._lock:
            return [counted for part in _parts(texts) for counted in self._counted(part)]

    def _counted(self, texts: Sequence[str]) -> list[Mapping[str, int]]:
        nothing: list[Mapping[str, int]] = [{} for _ in texts]
        if self._host != SYSTEM.process_id():
            self.close()
            self._host, self._failures = SYSTEM.process_id(), 0
        if self._failures >= MOST_FAILURES:
            return nothing
        try:
            if not self._is_ours():
                if not can_be_started():
                    return nothing
                self._start()
            return self._asked(texts)
        except (OSError, ValueError):
            # It has ended for want of work, or it was killed: once more, with a new one.
            self.close()
            self._failures += 1
        try:
            self._start()
            found = self._asked(texts)
        except (OSError, ValueError):
            self.close()
            return nothing
        self._failures = 0
        return found

    def _start(self) -> None:
        self.close()
        ours, theirs = _socket.socketpair()
        try:
            ours.setblocking(False)
            leave_running([SHELL, "-c", START, SHELL, *_command()], theirs.fileno())
        except BaseException as error:
            ours.close()
            raise error if isinstance(error, OSError) else OSError(str(error)) from error
        finally:
            theirs.close()
        found = os.fstat(ours.fileno())
        self._descriptor, self._identity = ours.detach(), (found.st_dev, found.st_ino)

    def _asked(self, texts: Sequence[str]) -> list[Mapping[str, int]]:
        until = SYSTEM.monotonic_s() + LONGEST_COUNT_S
        rest = memoryview(packed(texts))
        while rest:
            self._wait_for(select.POLLOUT, until)
            rest = rest[os.write(self._descriptor, rest[:65_536]) :]
        answer = bytearray()
        while not answer.endswith(b"\n"):
            self._wait_for(select.POLLIN, until)
            received = os.read(self._descriptor, 65_536)
            if not received:
                raise OSError("the counting process has ended")
            answer += received
        return unpacked(bytes(answer), len(texts))

    def _wait_for(self, event: int, until: float) -> None:
        poll = unpatched(select, "poll")()
        poll.register(self._descriptor, event)
        if not self._is_ours() or not poll.poll(max(until - SYSTEM.monotonic_s(), 0.0) * 1000):
            raise OSError("the counting process does not answer")

    def _is_ours(self) -> bool:
        """Whether the number is still our socket: a program may close all descriptors and open its own."""
        try:
            found = os.fstat(self._descriptor) if self._descriptor >= 0 else None
        except OSError:
            return False
        return found is not None and (found.st_dev, found.st_ino) == self._identity

    def close(self) -> None:
        """Let the process end. The next texts start another."""
        if self._is_ours():
            os.close(self._descriptor)
        self._descriptor = -1


def can_be_started() -> bool:
    """Whether this program is an ordinary Python, with a shell beside it, and a tokenizer to run."""
    is_python = os.path.basename(sys.executable or "").lower().startswith(("python", "pypy"))
    is_plain = os.name == "posix" and not getattr(sys, "frozen", False) and is_python
    return is_plain and os.access(SHELL, os.X_OK) and PROGRAM.is_file()


def _command() -> list[str]:
    folders = [
        folder
        for folder in map(os.path.abspath, sys.path)
        if any(os.path.isdir(os.path.join(folder, name)) for name in TOKENIZERS)
    ]
    # Without the host's start-up files, its folder, and what its environment asks of Python.
    return [sys.executable, "-I", "-S", str(PROGRAM), str(SYSTEM.process_id()), *folders]


def _parts(texts: Sequence[str]) -> list[Sequence[str]]:
    """Return texts in parts of a bounded size; an empty part if there are none, which only starts."""
    parts: list[list[str]] = [[]]
    size = 0
    for text in texts:
        if parts[-1] and size + len(text) > MOST_BYTES_AT_ONCE:
            parts.append([])
            size = 0
        parts[-1].append(text)
        size += len(text)
    return list(parts)


COUNTING_PROCESS: Final = CountingProcess()
"""That of this process; a forked child starts its own."""

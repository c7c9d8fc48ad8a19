"""Starts a program that is not the host's child: a shell starts it and leaves at once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Final

from tokenprof.record.background.late_imports import importing
from tokenprof.record.background.system_threads import is_gevent, unpatched

SHELL: Final = "/bin/sh"
LONGEST_START_S: Final = 30.0

KEPT_VARIABLES: Final = (
    "PATH",
    "LD_LIBRARY_PATH",
    "TMPDIR",
    "TIKTOKEN_CACHE_DIR",
    "DATA_GYM_CACHE_DIR",
)
"""The program gets no other variable: keys are not its business."""


def leave_running(command: Sequence[str], standard_input: int) -> None:
    """Run a shell command that starts a program and leaves it running, in `/`, with one descriptor.

    Raises OSError if it cannot be started or fails.
    """
    start = _start_beside_gevent if is_gevent() else _start
    if start(command, standard_input, {k: os.environ[k] for k in KEPT_VARIABLES if k in os.environ}):
        raise OSError("the shell cannot start the program")


def _start(command: Sequence[str], standard_input: int, environment: dict[str, str]) -> int:
    with importing():
        import subprocess
    return subprocess.run(
        command,
        stdin=standard_input,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd="/",
        start_new_session=True,
        timeout=LONGEST_START_S,
        check=False,
    ).returncode


def _start_beside_gevent(command: Sequence[str], standard_input: int, environment: dict[str, str]) -> int:
    """As `_start`: gevent's subprocess works on its main thread only, and takes the original apart."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        actions: list[tuple[int, int] | tuple[int, int, int]] = [
            (os.POSIX_SPAWN_DUP2, standard_input, 0),
            (os.POSIX_SPAWN_DUP2, null, 1),
            (os.POSIX_SPAWN_DUP2, null, 2),
            *((os.POSIX_SPAWN_CLOSE, number) for number in _inheritable()),
        ]
        shell, *words = command
        process = unpatched(os, "posix_spawn")(
            shell, [shell, *words], {**environment, "PWD": "/"}, file_actions=actions, setsid=True
        )
    finally:
        os.close(null)
    _, status = unpatched(os, "waitpid")(process, 0)
    return int(status)


def _inheritable() -> list[int]:
    """Return the descriptors of the host that a program would keep open."""
    found = []
    for number in map(int, os.listdir("/dev/fd")):
        with contextlib.suppress(OSError):
            if number > 2 and os.get_inheritable(number):
                found.append(number)
    return found

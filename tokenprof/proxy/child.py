"""A command run as a child: its environment, its signals, its exit code."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from tokenprof.facts.errors import InputError

FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")

LOOPBACK = "127.0.0.1"

WAKE_EVERY_S = 0.2


RunChild = Callable[[Sequence[str], Mapping[str, str]], int]
"""Runs a command to its end and returns its exit code, as a shell would: 128 + n for a signal n.

Raises InputError if the command cannot be started.
"""


@contextmanager
def passing_signals_on() -> Iterator[RunChild]:
    """Yield a function that runs a command to which signals are passed on.

    Those before it starts reach it then; those after its end are dropped, so that within the block what it
    did can be written down.
    """
    early: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def forward(number: int, frame: FrameType | None) -> None:
        if child is None:
            early.append(number)
        # A terminal sends its Ctrl-C and Ctrl-\\ to the child as well; passing them on would double them.
        elif not (number in _FROM_TERMINAL and _in_foreground()):
            child.send_signal(number)

    def run_child(command: Sequence[str], environment: Mapping[str, str]) -> int:
        nonlocal child
        try:
            child = subprocess.Popen(list(command), env=dict(environment))
        except OSError as error:
            raise InputError(f"{command[0]} cannot be run: {error.strerror or error}.") from None
        for number in early:
            child.send_signal(number)
        code = _wait(child)
        return code if code >= 0 else 128 - code

    with handled_by(forward, FORWARDED):
        yield run_child


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], object], names: Sequence[str]) -> Iterator[None]:
    """Have a handler take the signals of these names within the block.

    Those that this system does not have are left out, and those that whoever started this process has it
    ignore, as `nohup` does.
    """
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {
        number: signal.signal(number, handler)
        for number in numbers
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _wait(child: subprocess.Popen[bytes]) -> int:
    while True:
        # The system may deliver a signal on another thread; its handler runs here once this thread wakes.
        try:
            return child.wait(timeout=WAKE_EVERY_S)
        except subprocess.TimeoutExpired:
            continue


_FROM_TERMINAL = {getattr(signal, name) for name in ("SIGINT", "SIGQUIT") if hasattr(signal, name)}


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except (OSError, AttributeError):
        return False


def not_proxied(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep a client from taking a company's HTTP proxy to our loopback address."""
    told = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    hosts = [host.strip() for host in told.split(",") if host.strip()]
    if "*" in hosts:
        return {}
    value = ",".join([*hosts, *([] if LOOPBACK in hosts else [LOOPBACK])])
    return {"no_proxy": value, "NO_PROXY": value}

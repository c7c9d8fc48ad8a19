"""A command run as a child: its environment, its signals, its exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from tokenprof.facts.errors import InputError
from tokenprof.proxy.heard_signals import heard_signals

FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")

LOOPBACK = "127.0.0.1"

_LOOK_EVERY_S: Final = 0.1
"""How often to look for signals to pass on."""


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

    def run_child(command: Sequence[str], environment: Mapping[str, str]) -> int:
        try:
            child = subprocess.Popen(list(command), env=dict(environment))
        except OSError as error:
            raise InputError(f"{command[0]} cannot be run: {error.strerror or error}.") from None
        while True:
            for number in heard.take():
                # A terminal sends its Ctrl-C and Ctrl-\\ to the child as well; once is enough.
                if not (number in _FROM_TERMINAL and _in_foreground()):
                    child.send_signal(number)
            # The system may deliver a signal on another thread; it is noted once this thread wakes.
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = child.wait(timeout=_LOOK_EVERY_S)
                return code if code >= 0 else 128 - code

    with heard_signals(FORWARDED) as heard:
        yield run_child


_FROM_TERMINAL: Final = frozenset(
    getattr(signal, name) for name in ("SIGINT", "SIGQUIT") if hasattr(signal, name)
)


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

"""What applies where a call is made: the recorder, the name of the agent, the tags.

The open recorders of this process are kept here, so that an adapter can hand a call to the right one without
knowing who opened it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenprof.record.recorder import Recorder

_here: ContextVar[Recorder | None] = ContextVar("tokenprof_recorder", default=None)
_agent: ContextVar[str | None] = ContextVar("tokenprof_agent", default=None)
_tags: ContextVar[Mapping[str, str] | None] = ContextVar("tokenprof_tags", default=None)
_everywhere: list[Recorder] = []
_lock = threading.Lock()


def open_recorders() -> tuple[Recorder, ...]:
    """Return the recorders that are open in this process, the newest last."""
    with _lock:
        return tuple(_everywhere)


def enter(recorder: Recorder, *, behind_others: bool = False) -> Token[Recorder | None] | None:
    """Send the calls made here to a recorder. Returns what `leave` needs to undo that.

    With `behind_others` it only gets the calls that no other recorder takes (a recording of the whole
    process).
    """
    with _lock:
        if behind_others:
            _everywhere.insert(0, recorder)
            return None
        _everywhere.append(recorder)
    return _here.set(recorder)


def leave(recorder: Recorder, token: Token[Recorder | None] | None) -> None:
    """Send calls to the recorder that applied before `enter` again."""
    with _lock:
        if recorder in _everywhere:
            _everywhere.remove(recorder)
    if token is not None:
        # A generator-based fixture may exit in a different context from the one it entered in.
        with contextlib.suppress(ValueError):
            _here.reset(token)


@contextlib.contextmanager
def agent(name: str) -> Iterator[None]:
    """Name the agent that makes the calls inside the block, so that reports can tell agents apart."""
    token = _agent.set(name)
    try:
        yield
    finally:
        # A generator-based fixture or framework may exit in a different context from the one it entered in.
        with contextlib.suppress(ValueError):
            _agent.reset(token)


@contextlib.contextmanager
def tag(**tags: object) -> Iterator[None]:
    """Tag the calls made inside the block, in addition to the tags of the run: a step, a tenant, a feature.

    A tag of an inner block takes precedence over that of an outer one, and both over that of the run.
    """
    token = _tags.set({**current_tags(), **{key: str(value) for key, value in tags.items()}})
    try:
        yield
    finally:
        # As above.
        with contextlib.suppress(ValueError):
            _tags.reset(token)


def current_tags() -> Mapping[str, str]:
    """Return the tags of the calls made here."""
    return _tags.get() or {}


def current_agent() -> str | None:
    """Return the name of the agent that makes the calls here."""
    return _agent.get()


def active_recorder() -> Recorder | None:
    """Return the recorder of the innermost profile here, else of the newest one open in this process.

    The latter covers threads, which do not inherit the context in which they were started.
    """
    here = _here.get()
    if here is not None and here in _everywhere:
        return here
    return _everywhere[-1] if _everywhere else None

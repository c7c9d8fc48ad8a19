"""What is in force where a call is made: the recorder, the agent's name, the tags.

The recorders that are open in this process are kept here, so that an adapter finds the one to hand a call to
without knowing who opened it.
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
    """Make a recorder the one that calls made here go to; returns what `leave` needs to undo that.

    `behind_others`: only calls that no other recorder takes go to it (a recording of the whole process).
    """
    with _lock:
        if behind_others:
            _everywhere.insert(0, recorder)
            return None
        _everywhere.append(recorder)
    return _here.set(recorder)


def leave(recorder: Recorder, token: Token[Recorder | None] | None) -> None:
    """Let calls go to the recorder that was in force before `enter`."""
    with _lock:
        if recorder in _everywhere:
            _everywhere.remove(recorder)
    if token is not None:
        # A generator-based fixture may leave in another context than it entered in.
        with contextlib.suppress(ValueError):
            _here.reset(token)


@contextlib.contextmanager
def agent(name: str) -> Iterator[None]:
    """Name the agent whose calls are made inside the block (a subagent's turns are told apart by it)."""
    token = _agent.set(name)
    try:
        yield
    finally:
        # A generator-based fixture or framework may leave in another context than it entered in.
        with contextlib.suppress(ValueError):
            _agent.reset(token)


@contextlib.contextmanager
def tag(**tags: object) -> Iterator[None]:
    """Put tags on the calls made inside the block, beside those of the run: a step, a tenant, a feature.

    A tag of an inner block prevails over an outer one's, and both over the run's.
    """
    token = _tags.set({**current_tags(), **{key: str(value) for key, value in tags.items()}})
    try:
        yield
    finally:
        # As above.
        with contextlib.suppress(ValueError):
            _tags.reset(token)


def current_tags() -> Mapping[str, str]:
    """Return the tags that `tag` has put on the calls made here."""
    return _tags.get() or {}


def current_agent() -> str | None:
    """Return the name that `agent` has given to the calls made here."""
    return _agent.get()


def active_recorder() -> Recorder | None:
    """Return the recorder of the innermost profile here, else of the newest one open in this process.

    The second covers threads, which do not inherit the context they were started in.
    """
    here = _here.get()
    if here is not None and here in _everywhere:
        return here
    return _everywhere[-1] if _everywhere else None

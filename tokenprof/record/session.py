"""What applies where a call is made: the recorder, the name of the agent, the tags.

The open recorders of this process are kept here, so that an adapter can hand a call to the right one without
knowing who opened it. Nothing here takes a lock: every change is one step of a list or of a context.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Final

from tokenprof.facts.whole_characters import as_texts, with_whole_characters
from tokenprof.record.background.system_threads import SYSTEM

if TYPE_CHECKING:
    from tokenprof.record.recorder import Recorder


class NoRecorder:
    """Stands in a context for: whoever gave the work to this thread had no recorder."""


NO_RECORDER: Final = NoRecorder()

_here: ContextVar[Recorder | NoRecorder | None] = ContextVar("tokenprof_recorder", default=None)
_agent: ContextVar[str | None] = ContextVar("tokenprof_agent", default=None)
_tags: ContextVar[Mapping[str, str] | None] = ContextVar("tokenprof_tags", default=None)
_everywhere: list[Recorder] = []
_behind_others: list[Recorder] = []
_OF_THREAD: Final = "_tokenprof_recorder"


def open_recorders() -> tuple[Recorder, ...]:
    """Return the recorders that are open in this process, the newest last."""
    return (*_behind_others, *_everywhere)


def close_open_recorders() -> None:
    """Write everything pending of the recorders that are still open in this process."""
    for recorder in open_recorders():
        recorder.close()


def enter(recorder: Recorder, *, behind_others: bool = False) -> Token[Recorder | NoRecorder | None] | None:
    """Send the calls made here to a recorder. Returns what `leave` needs to undo that.

    With `behind_others` it only gets the calls that no other recorder takes (a recording of the whole
    process).
    """
    if behind_others:
        _behind_others.append(recorder)
        return None
    outer = _here.get()
    recorder.outer = outer if outer in _everywhere else None
    _everywhere.append(recorder)
    return _here.set(recorder)


def leave(recorder: Recorder, token: Token[Recorder | NoRecorder | None] | None) -> None:
    """Send calls to the recorder that applied before `enter` again."""
    for open_ones in (_everywhere, _behind_others):
        with contextlib.suppress(ValueError):
            open_ones.remove(recorder)
    if token is not None:
        # A generator-based fixture may exit in a different context from the one it entered in.
        with contextlib.suppress(ValueError):
            _here.reset(token)


@contextlib.contextmanager
def agent(name: str) -> Iterator[None]:
    """Name the agent that makes the calls inside the block, so that reports can tell agents apart."""
    # A framework may name an agent by something else than a text, or by nothing.
    token = _agent.set(None if name is None else with_whole_characters(str(name)))
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
    token = _tags.set({**current_tags(), **as_texts(tags)})
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
    """Return the recorder that a call made here belongs to; None if there is none, or nobody can say which.

    That is the recorder of the innermost profile here. A thread does not inherit the context in which it was
    started, so it falls back to the one that applied there, and then to the innermost of those open in this
    process, if they are nested. If they are not, the call may be another tenant's.
    """
    here = _here.get()
    if here is None:
        here = getattr(SYSTEM.current_thread(), _OF_THREAD, None)
    if here is not None and here in _everywhere:
        return here
    found = tuple(_everywhere)
    if not found:
        return _behind_others[-1] if _behind_others else None
    return found[-1] if _are_nested(found) else None


def is_unassigned() -> bool:
    """Whether a call made here could belong to any of several recorders."""
    return len(_everywhere) > 1 and active_recorder() is None


def _are_nested(recorders: tuple[Recorder, ...]) -> bool:
    return all(inner.outer is outer for outer, inner in itertools.pairwise(recorders))


def owner_here() -> Recorder | NoRecorder:
    """Return what a thread that is given work here has to know, for `owned` or `set_owner_of_thread`."""
    here = _here.get()
    if here is None:
        here = getattr(SYSTEM.current_thread(), _OF_THREAD, None)
    return NO_RECORDER if here is None else here


def set_owner_of_thread(thread: threading.Thread) -> None:
    """Let the calls of a thread that is about to start go to the recorder that applies here."""
    setattr(thread, _OF_THREAD, owner_here())


@contextlib.contextmanager
def owned(owner: Recorder | NoRecorder) -> Iterator[None]:
    """Send the calls made inside the block to the recorder that applied where the work was handed over."""
    token = _here.set(owner)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            _here.reset(token)

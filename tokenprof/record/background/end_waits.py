"""How long a program waits for its recording when a block, or the program itself, ends."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.record.background.harmless_log import log

VARIABLE: Final = "TOKENPROF_CLOSE_WAIT_S"
"""Set to a number of seconds, what a block has recorded is whole when it ends, if that takes no longer."""

LONGEST_WAIT_S: Final = 86_400.0

LONGEST_NOTE_S: Final = 0.5
"""How long a host waits for a note of what is not written, if its disk does not answer."""


@frozen
class EndWaits:
    """How long a program waits, in seconds.

    `block_s` is how long the end of a block waits for the recorder, whatever there is to do. From the end of
    the block, prompts are still read for `full_reading_s`; later turns keep their model and their usage.
    Tokens are waited for during `counts_s`; later ones are written when they come. `program_s` is how long
    the end of the program waits, once, for calls that are not written and tokens not counted; `reading_s` is
    how long reading the recording in the same program waits for them. `budget_s` is how long a call under a
    hard budget waits until it is known what earlier calls cost.
    """

    block_s: float = 1.8
    full_reading_s: float = 0.7
    counts_s: float = 1.3
    program_s: float = 10.0
    reading_s: float = 30.0
    budget_s: float = 10.0


def end_waits() -> EndWaits:
    """Return the waits that the environment or `whole_within` asks for, or the usual ones. Never raises."""
    given = os.environ.get(VARIABLE, "").strip()
    wait_s = _seconds(given)
    if given and wait_s is None:
        log.warning("%s is %r; give a number of seconds, at most a day. It is ignored", VARIABLE, given)
    wait_s = _asked_s.get() if wait_s is None else wait_s
    if wait_s is None:
        return EndWaits()
    usual = EndWaits()
    at_least = (max(wait_s, usually_s) for usually_s in (usual.program_s, usual.reading_s, usual.budget_s))
    return EndWaits(wait_s, wait_s, wait_s, *at_least)


@contextlib.contextmanager
def whole_within(wait_s: float) -> Iterator[None]:
    """Let recordings that are opened inside be whole when their blocks end, if that takes no longer.

    It is for whoever reads them next and has the time. What the environment says comes first.
    """
    token = _asked_s.set(wait_s)
    try:
        yield
    finally:
        _asked_s.reset(token)


_asked_s: ContextVar[float | None] = ContextVar("tokenprof_close_wait_s", default=None)


def _seconds(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) and 0 <= found <= LONGEST_WAIT_S else None

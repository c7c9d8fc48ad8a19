"""How long a program waits for its recording when a block, or the program itself, ends."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Final

from tokenprof.record.background.harmless_log import log

VARIABLE: Final = "TOKENPROF_CLOSE_WAIT_S"
"""Set to a number of seconds, what a block has recorded is whole when it ends, if that takes no longer."""

LONGEST_WAIT_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class EndWaits:
    """How long a program waits, in seconds.

    `block_s` is how long the end of a block waits for the recorder, whatever there is to do. From the end of
    the block, prompts are still read for `full_reading_s`; later turns keep their model and their usage.
    Tokens are waited for during `counts_s`; later ones are written when they come. `program_s` is how long
    the end of the program waits, once, for calls that are not written and tokens not counted; `reading_s` is
    how long reading the recording in the same program waits for them.
    """

    block_s: float = 1.8
    full_reading_s: float = 0.7
    counts_s: float = 1.3
    program_s: float = 10.0
    reading_s: float = 30.0


def end_waits() -> EndWaits:
    """Return the waits that the environment asks for, or else the usual ones. Never raises."""
    given = os.environ.get(VARIABLE, "").strip()
    if not given:
        return EndWaits()
    try:
        wait_s = float(given)
    except ValueError:
        wait_s = math.nan
    if not 0 <= wait_s <= LONGEST_WAIT_S:
        log.warning("%s is %r; give a number of seconds, at most a day. It is ignored", VARIABLE, given)
        return EndWaits()
    usual = EndWaits()
    at_least = max(wait_s, usual.program_s), max(wait_s, usual.reading_s)
    return EndWaits(wait_s, wait_s, wait_s, *at_least)

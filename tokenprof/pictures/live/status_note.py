"""Counts a log for the status line, and writes the line down."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Final

from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.facts.errors import InputError
from tokenprof.pictures.live.following import SHARE_OF_A_CORE
from tokenprof.pictures.live.live_state import LiveState, live_state
from tokenprof.pictures.live.status_line import note_of, stamp_of_file
from tokenprof.reading.usage_only import read_usage
from tokenprof.report import numbers

LONGEST_REST_S: Final = 50.0
"""Shorter than the time after which a refresh counts as dead."""


def refresh(path: Path) -> None:
    """Count a log and write its line down; then rest, so that counting stays a small share of a core.

    A log that cannot be read leaves the line as it was.
    """
    note = note_of(str(path))
    try:
        began_s = time.process_time()
        stamp = stamp_of_file(str(path))
        with suppress(InputError):
            state = live_state(read_usage(path), price_book(Assumptions()))
            newest = state.newest
            expires = None if newest is None else newest.expires_at
            found = {
                "stamp": stamp,
                "text": line_text(state),
                "expires_s": None if expires is None else expires.timestamp(),
                "expired": f"next call {_usd(newest.next_expired_usd if newest else None)}",
            }
            temporary = Path(f"{note}.{os.getpid()}")
            temporary.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.write_text(json.dumps(found), "utf-8")
            temporary.replace(note)
        time.sleep(min(LONGEST_REST_S, (time.process_time() - began_s) / SHARE_OF_A_CORE))
    finally:
        with suppress(OSError):
            os.unlink(f"{note}.lock")


def line_text(state: LiveState) -> str:
    """Return a session in one line: the bill, the context, the share read, the next call."""
    at_least = "" if state.is_complete else "≥"
    parts = [f"{at_least}{numbers.usd(state.billed_usd, 2 if state.billed_usd >= 1 else None)}"]
    newest = state.newest
    if newest is not None and newest.context_tokens is not None:
        read = numbers.percent(numbers.fraction(newest.read_tokens, newest.context_tokens))
        parts.append(f"{numbers.quantity(newest.context_tokens)} tokens, {read} cached")
        parts.append(f"next ≥ {_usd(newest.next_cached_usd)}")
    return " · ".join(parts)


def _usd(amount: Decimal | None) -> str:
    return "unpriced" if amount is None else numbers.usd(amount)

"""What was read of a log, kept in the user's cache folder, so that another process reads on from there.

It holds what a reader has in hand, without texts: names, digests, counts and times. It is only ever used if
the log still begins with exactly the bytes that were read; otherwise, and if it is damaged or was made by
another version, the log is read from its beginning.
"""

from __future__ import annotations

import os
import sys
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from tokenprof.facts.kept_objects import NotKeptError, packed, unpacked
from tokenprof.facts.remembered import SUFFIX, cache_folder, keep, recall
from tokenprof.reading.logged_calls import MADE_AGAIN, shaper_of_log
from tokenprof.store.ingest.followed_log import CannotFollowError, Condensed, FollowedLog, resumed

LAYOUT: Final = 4
"""Counts up with each change of what a reader has in hand."""

LEAST_BYTES: Final = 256 * 1024
"""Shorter logs are read from their beginning as fast."""

WORTH_KEEPING: Final = 0.1
"""A log is kept again once it has grown by this share; so keeping costs a bounded part of the reading."""


def folder_of_readings() -> Path | None:
    """Return where readings are kept; None if nothing is kept for this user."""
    folder = cache_folder()
    return None if folder is None else folder / "readings"


def kept_reading(path: Path) -> FollowedLog | None:
    """Return a log as it was read by an earlier process; None if that is not known or no longer true.

    Raises OSError if the log cannot be read.
    """
    place = _place_of(path)
    data = None if place is None else recall(place)
    if not data:
        return None
    try:
        return resumed(path, unpacked(data, Condensed, (shaper_of_log,)))
    except (CannotFollowError, NotKeptError):
        return None


def keep_reading(path: Path, log: FollowedLog) -> None:
    """Keep what was read of a log, if it has grown enough and can be kept without texts."""
    place = _place_of(path)
    if place is None or log.offset < LEAST_BYTES or log.offset < (1 + WORTH_KEEPING) * log.kept_at:
        return
    condensed = log.let_go()
    if condensed is not None:
        keep(place, packed(condensed, MADE_AGAIN))
        log.take_back()


def _place_of(path: Path) -> Path | None:
    folder = folder_of_readings()
    if folder is None:
        return None
    named = os.fsencode(os.path.realpath(path)) + repr((LAYOUT, _installed(), sys.version_info[:2])).encode()
    return folder / f"{blake2b(named, digest_size=16).hexdigest()}{SUFFIX}"


def _installed() -> str:
    try:
        return version("agent-tokenprof")
    except PackageNotFoundError:
        return ""

"""How many calls a disk has refused, as an empty file beside the recording whose name says it.

A disk that stays full refuses the line of a turn and also the line that says that a turn is missing. An empty
file takes no room on it.
"""

from __future__ import annotations

import functools
import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tokenprof.record.background.harmless_log import log

_NOTE: Final = re.compile(r"\.(\d{1,12})-calls-not-written\.[0-9a-f]+")


def note_unwritten(recording: Path, calls: int, run_id: str) -> None:
    """Say beside a recording that calls of a run are missing from it, as far as the disk allows."""
    log.warning("tokenprof could not write %d calls to %s", calls, recording)
    with suppress(OSError):
        recording.with_name(f"{recording.name}.{calls}-calls-not-written.{run_id}").touch(0o600)


def unwritten_calls(recording: Path) -> list[tuple[int, datetime]]:
    """Return how many calls are missing from a recording by each note beside it, and since when."""
    return [(calls, datetime.fromtimestamp(note.stat().st_mtime, UTC)) for note, calls in _notes(recording)]


def forget_unwritten(recording: Path) -> None:
    """Remove the notes of an earlier recording of this name, which is begun again."""
    with suppress(OSError):
        for note, _ in _notes(recording):
            note.unlink()


def _notes(recording: Path) -> list[tuple[Path, int]]:
    folder, start = recording.parent, len(recording.name)
    try:
        names = _names_of_notes(folder, folder.stat().st_mtime_ns)
    except OSError:
        # A folder that may not be listed, or a recording within another file.
        return []
    found = ((name, _NOTE.fullmatch(name, start)) for name in names if name.startswith(recording.name))
    return [(folder / name, int(match[1])) for name, match in found if match]


@functools.lru_cache(maxsize=8)
def _names_of_notes(folder: Path, changed_ns: int) -> tuple[str, ...]:
    """Return the names of all notes in a folder; it is listed once for all the recordings in it."""
    # An entry at a time: between two of them the host may run, however many files it has there.
    with os.scandir(folder) as entries:
        return tuple(sorted(entry.name for entry in entries if _NOTE.search(entry.name)))

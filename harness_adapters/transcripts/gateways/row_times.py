"""When the call in a row of a gateway's log was made: prices change, so a call needs a day."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tokenprof.facts.times import utc_time
from tokenprof.record.wire_values import Wire, mapping

STARTS = ("startTime", "start_time")
ENDS = ("endTime", "end_time")
OTHERS = ("completionStartTime", "updatedAt", "createdAt", "created", "created_at", "timestamp")


def times_of(row: Wire, path: Path, where: str, warnings: list[str]) -> tuple[datetime, float | None]:
    """Return when a call began, and how long it took [s] if that is known.

    A row without any time gets that of its file, with a warning.
    """
    started = _first(row, STARTS)
    ended = _first(row, ENDS)
    if started is not None:
        return started, max((ended - started).total_seconds(), 0.0) if ended else None
    known = ended or _first(row, OTHERS) or _first(mapping(row.get("response")), OTHERS)
    if known is None:
        known = utc_time(path.stat().st_mtime)
        assert known is not None
        warnings.append(f"{where} has no time; it is priced for {known:%Y-%m-%d}, the date of the file.")
    return known, None


def _first(row: Wire, names: tuple[str, ...]) -> datetime | None:
    return next((at for name in names if (at := utc_time(row.get(name))) is not None), None)

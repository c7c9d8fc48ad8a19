"""What to change, tried on the largest sessions of a folder: on all of them it would take too long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Run
from tokenprof.reading.files import LogFile, read
from tokenprof.whatif.suggestions import TriedChange

TRIED_BYTES: Final = 12 * 2**20
"""Changes are tried on the largest sessions, up to so many bytes of logs."""


@frozen
class LargestSessions:
    """The logs that changes were tried on: how many, what they were billed, and what pays, the best first."""

    logs: int
    billed_usd: Decimal | None
    changes: tuple[TriedChange, ...]
    untried: int


def largest_of(logs: Sequence[LogFile]) -> list[LogFile]:
    """Return the largest logs up to `TRIED_BYTES`, in order of their names."""
    chosen: list[LogFile] = []
    left = TRIED_BYTES
    for log in sorted(logs, key=lambda each: (-_bytes(each), str(each.file))):
        if _bytes(log) <= left:
            chosen.append(log)
            left -= _bytes(log)
    return sorted(chosen, key=lambda each: str(each.file))


def try_changes(
    logs: Sequence[LogFile], turns_of: Callable[[Run], Run], assumptions: Assumptions
) -> LargestSessions:
    """Return what pays on some logs, analysed together; `turns_of` leaves the turns that count."""
    analysis = Analysis(turns_of(read([log.file for log in logs])), assumptions)
    suggested = analysis.first_suggestions
    return LargestSessions(
        len(logs),
        analysis.totals.billed_usd,
        tuple(
            TriedChange(
                found.lever, found.saves_usd, found.low_usd, found.high_usd, found.share, found.saving_kind
            )
            for found in suggested.found
        ),
        len(suggested.untried),
    )


def _bytes(log: LogFile) -> int:
    try:
        return log.file.stat().st_size
    except OSError:
        return 0

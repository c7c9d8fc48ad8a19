"""Whether the token counts of recorded texts are still on their way."""

from __future__ import annotations

from tokenprof.record.background.counting_process import COUNTING_PROCESS


def counts_are_coming() -> bool:
    """Return whether texts of this process are being counted; a block may be left before they are."""
    return COUNTING_PROCESS.is_working()

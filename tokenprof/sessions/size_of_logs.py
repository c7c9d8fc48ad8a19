"""Whether paths hold so many sessions that they are analysed one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

SUMMED_FROM_BYTES: Final = 32 * 2**20
"""Below, the sessions fit into memory together, and the report lists the turns of all of them."""

LOG_ENDINGS: Final = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".eval")


def are_many_sessions(paths: Sequence[Path], at_least_bytes: int | None = None) -> bool:
    """Return whether there are several logs of `SUMMED_FROM_BYTES` in all, or as many as are named.

    No file is opened.
    """
    least = SUMMED_FROM_BYTES if at_least_bytes is None else at_least_bytes
    total = files = 0
    for path in paths:
        for each in path.rglob("*") if path.is_dir() else (path,):
            try:
                size = each.stat().st_size if each.name.endswith(LOG_ENDINGS) and each.is_file() else 0
            except OSError:
                continue
            total, files = total + size, files + bool(size)
            if total >= least and files > 1:
                return True
    return False

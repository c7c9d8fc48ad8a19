"""How the texts of a log are measured, which takes a third of the time that a recording would need.

Tokens are counted many texts at once, and the bytes of a long text are told apart by one histogram.
Recordings do without numpy, which their host may not have loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tokenprof.reading.remembered_counts import remembered_counts
from tokenprof.record.background.counting import count_tokens
from tokenprof.record.block_facts import classes_in

COUNTED_AT_ONCE_CHARS = 2**20
"""So many characters of texts are held at most before they are counted."""

FEWEST_BYTES = 1024
"""In a text of fewer bytes, one class after the other is counted sooner than all by a histogram."""

_CLASSES_OF_BYTES = np.array([classes_in(bytes([byte])) for byte in range(256)])


def classes_by_histogram(data: bytes) -> Sequence[int]:
    """Return what `classes_in` returns."""
    if len(data) < FEWEST_BYTES:
        return classes_in(data)
    counts: list[int] = (
        np.bincount(np.frombuffer(data, np.uint8), minlength=256) @ _CLASSES_OF_BYTES
    ).tolist()
    return counts


class BatchCounts:
    """Counts texts later: each mapping that a call returns is filled by `finish`, or when a batch is full.

    For a `Shaper` of a log, whose blocks are looked at once the log has been read.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._tokens: list[dict[str, int]] = []
        self._chars = 0

    def __call__(self, texts: Sequence[str]) -> list[Mapping[str, int]]:
        """Return a mapping for each text, which will hold its tokens in every vocabulary."""
        promised: list[Mapping[str, int]] = []
        for text in texts:
            tokens: dict[str, int] = {}
            promised.append(tokens)
            self._tokens.append(tokens)
            self._chars += len(text)
        self._texts += texts
        if self._chars > COUNTED_AT_ONCE_CHARS:
            self.finish()
        return promised

    def finish(self) -> None:
        """Count what has not been counted yet, in this run of the program or an earlier one."""
        counted = remembered_counts().counted(self._texts, count_tokens)
        for tokens, found in zip(self._tokens, counted, strict=True):
            tokens.update(found)
        self._texts, self._tokens, self._chars = [], [], 0

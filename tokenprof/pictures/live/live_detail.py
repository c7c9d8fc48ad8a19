"""What a live view shows beyond the bill: the most expensive blocks, and compute beside the bill.

Both need the whole prompt of every call, so they are worked out in a thread of their own, less often than
the bill is read, and say as of which turn they are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run
from tokenprof.pictures.views.names import labelled
from tokenprof.reading.files import read
from tokenprof.report import numbers

BLOCK_COLUMNS: Final = ("most expensive block", "from turn", "turns carried", "size", "billed", "of the bill")
BLOCKS_SHOWN: Final = 8
SHARE_OF_A_CORE: Final = 0.015
"""What working details out may take; the longer it takes, the longer the pause after it."""


@frozen
class LiveDetail:
    """Compute beside the bill in a sentence, and a row for each of the most expensive blocks."""

    compute: str
    blocks: tuple[tuple[str, ...], ...]


NO_DETAIL: Final = LiveDetail("", ())


def live_detail(run: Run, assumptions: Assumptions) -> LiveDetail:
    """Return the details of a run so far.

    Raises `InputError` for prices or a deployment that cannot be used.
    """
    analysis = Analysis(run, assumptions)
    return LiveDetail(_compute(analysis), tuple(_blocks(analysis)))


def _compute(analysis: Analysis) -> str:
    totals = analysis.totals
    if totals.hardware_usd is None:
        return "compute: unknown, since a model is not described"
    ratio = totals.price_to_cost
    beside = "" if ratio is None else f"; the bill is {numbers.mid_ratio(ratio)} of it"
    span = "" if ratio is None or not numbers.ratio_range(ratio) else f" ({numbers.ratio_range(ratio)})"
    turns = numbers.count(totals.turns, "turn")
    return f"compute, estimated: {numbers.usd_interval(totals.hardware_usd)}{beside}{span} · after {turns}"


def _blocks(analysis: Analysis) -> Iterator[tuple[str, ...]]:
    whole = analysis.totals.billed_usd
    known = [row for row in analysis.blocks if row.known_usd]
    for row in sorted(known, key=lambda row: row.known_usd or 0, reverse=True)[:BLOCKS_SHOWN]:
        yield (
            labelled(row.kind, row.name),
            numbers.UNKNOWN if row.born_turn is None else str(row.born_turn),
            str(row.turns_carried),
            numbers.tokens(row.tokens),
            numbers.usd(row.known_usd or Decimal(0)),
            numbers.percent(numbers.fraction(row.known_usd, whole)),
        )


Start = Callable[[Callable[[], None]], None]


def in_a_thread(work: Callable[[], None]) -> None:
    """Run some work in a thread that does not keep the program alive."""
    threading.Thread(target=work, name="tokenprof-live-detail", daemon=True).start()


class DetailReader:
    """Works out details of files in the background, one at a time, and rests after each.

    Parameters: `assumptions`, prices and hardware; `clock` and `cpu_clock`, in seconds; `start` runs work.
    """

    def __init__(
        self,
        assumptions: Assumptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.thread_time,
        start: Start = in_a_thread,
    ) -> None:
        self._assumptions = assumptions
        self._clock, self._cpu_clock, self._start = clock, cpu_clock, start
        self._not_before_s = 0.0
        self._seen: object = None
        self._is_working = False
        self.detail = NO_DETAIL

    def poll(self, paths: Sequence[Path], stamp: object) -> None:
        """Begin to work out the details of files, unless they are as before or it is too early."""
        if self._is_working or stamp == self._seen or self._clock() < self._not_before_s:
            return
        self._is_working, self._seen = True, stamp
        self._start(lambda: self._work(list(paths)))

    def _work(self, paths: list[Path]) -> None:
        began_s = self._cpu_clock()
        try:
            self.detail = live_detail(read(paths), self._assumptions)
        except InputError:
            # The bill's own reading says what is wrong with the files.
            self.detail = NO_DETAIL
        finally:
            self._not_before_s = self._clock() + (self._cpu_clock() - began_s) / SHARE_OF_A_CORE
            self._is_working = False

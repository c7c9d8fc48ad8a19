"""`compaction=N`: a context that grows beyond N tokens is replaced by a summary."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tokenprof.data_classes.frozen import replaced
from tokenprof.whatif.geometry.block_rows import ChangedRow, SizedBlock, SizedRow, changed_row, cut_row
from tokenprof.whatif.geometry.planned_calls import Geometry, PlannedCall
from tokenprof.whatif.levers.lever import End, Lever, whole_tokens

NAME = "compaction"
HELP = "N: a context that grows beyond N tokens is replaced by a summary"

SUMMARY_SHARE: Final = {"low": 0.03, "mid": 0.08, "high": 0.2}
"""The size of a summary as a share of what it replaces; nobody publishes it, so the range is wide."""


def lever(value: str) -> Lever:
    """Return the lever. Raises `InputError` for a value that is not a number of tokens."""
    limit = whole_tokens(NAME, value, value)

    def change(geometry: Geometry, end: End) -> Geometry:
        planned: dict[int, list[PlannedCall]] = {}
        for _, calls in geometry.contexts():
            for index, own in _compacted(calls, limit, SUMMARY_SHARE[end]):
                planned[index] = own
        return Geometry(tuple(call for each in geometry.calls for call in planned[each.index]))

    shares = " to ".join(f"{share:.0%}" for share in (SUMMARY_SHARE["low"], SUMMARY_SHARE["high"]))
    return Lever(
        NAME,
        value,
        change,
        (
            f"A summary has {shares} of the tokens that it replaces, and is written in a call of its own.",
            "The run takes the same turns after it, so nothing that was summarised is read again.",
        ),
        is_exact=False,
    )


def _compacted(calls: list[PlannedCall], limit: int, share: float) -> list[tuple[int, list[PlannedCall]]]:
    """Return each call of a context as planned, with a call before it that writes a summary if one is due."""
    gone: set[str] = set()
    written: SizedBlock | None = None
    rows: dict[SizedRow, tuple[ChangedRow, SizedRow]] = {}
    found = []
    for call in calls:
        planned = _with_summary(call, gone, written, rows)
        if planned.tokens <= limit:
            found.append((call.index, [planned]))
            continue
        # Places that hold nothing say nothing about which block is the newest.
        old = [each for each in planned.blocks if each.is_in("messages") and each.tokens][:-1]
        removed = sum(each.tokens for each in old)
        size = max(1, round(removed * share))
        if removed <= size:
            found.append((call.index, [planned]))
            continue
        usage = replace(planned.usage, output_tokens=size, reasoning_tokens=0, fees=())
        asks = replaced(planned, usage=usage)
        gone |= {each.id for each in old}
        key = f"summary@{call.index}:{size}"
        written = SizedBlock(key, key, size, None, size, size, "cache_read")
        newest = next(at for at in range(call.length - 1, -1, -1) if call.row.blocks[at].tokens)
        left = cut_row(call.row, call.row.history_start, newest)
        rows = {call.row: (left, left.row.with_inserted(left.row.history_start, [written]))}
        found.append((call.index, [asks, _with_summary(call, gone, written, rows)]))
    return found


def _with_summary(
    call: PlannedCall,
    gone: set[str],
    written: SizedBlock | None,
    rows: dict[SizedRow, tuple[ChangedRow, SizedRow]],
) -> PlannedCall:
    """Return the call without the blocks that are gone, and with the summary where the messages begin.

    `rows` holds the rows that were changed for this summary.
    """
    if written is None:
        return call
    if call.row not in rows:
        left = changed_row(call.row, lambda block: None if block.id in gone else block)
        rows[call.row] = left, left.row.with_inserted(left.row.history_start, [written])
    left, row = rows[call.row]
    return call.on(left).moved_by(row, left.row.history_start, 1)

"""What the `token_count` events of a Codex rollout bill: the last call, and what the total adds to it.

An event holds the usage of the last call and the total of the session. It is repeated when nothing new was
billed, so a call is a change of the total. A fork or a subagent may begin with its parent's total. If lines
of a rollout were lost, the total has grown by more than the last call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Block
from tokenprof.pricing.usage import Usage, UsageError
from tokenprof.pricing.usage_dialects import CODEX, meaning_of
from tokenprof.pricing.usage_reader import read_usage
from tokenprof.pricing.wire_counts import count_of, is_whole_count
from tokenprof.record.wire_values import Wire

CALL, TOTAL = "last_token_usage", "total_token_usage"


@frozen
class BilledCount:
    """What one event adds to the bill.

    `last` is the usage of its call; None if the total has grown without one. `missed` is the usage of calls
    before it whose events are missing. `earlier` is what the first total of a session holds beyond its call.
    """

    last: Wire | None
    missed: Wire | None = None
    earlier: Wire | None = None


def notes_of(billed: BilledCount, where: str) -> Iterator[str]:
    """Yield a sentence about what a total counts beyond the calls of its file."""
    if billed.earlier:
        sent, written = (billed.earlier.get(f"{side}_tokens", 0) for side in ("input", "output"))
        yield (
            f"{where}: the session's total counts {sent:,} tokens of input and {written:,} of output that "
            "are on no call in this file; they are not in the report."
        )
    if billed.missed:
        yield (
            f"{where}: the session's total has grown by more than this call. The difference is a turn of its "
            "own, because the lines of its calls are missing."
        )


@frozen
class UsageRecord:
    """A `token_usage_record`, with the prompt at the time."""

    id: str
    usage: Wire
    prompt: tuple[Block, ...]
    at: datetime
    where: str


@dataclass(slots=True)
class SessionTotal:
    """The total of a session, as far as its events have been read."""

    known: Wire | None = None
    _last: Wire | None = None

    def take(self, info: Wire) -> BilledCount | None:
        """Return what an event bills; None if it repeats an earlier one or says where a fork begins."""
        total, last = info.get(TOTAL), info.get(CALL)
        call = last if isinstance(last, Mapping) else None
        if not isinstance(total, Mapping):
            is_new, self._last = call is not None and call != self._last, call
            return BilledCount(call) if is_new else None
        if self.known is not None and is_same_count(total, self.known):
            return None
        before, self.known, self._last = self.known, total, call
        grown = _less(total, before or {})
        if call is None:
            return BilledCount(grown)
        is_empty = not any(_counts(call).values())
        if before is None:
            beyond = _beyond(grown, call)
            return None if is_empty else BilledCount(call, earlier=beyond)
        beyond = _beyond(grown, call)
        if is_empty:
            return BilledCount(None, earlier=beyond) if beyond else None
        return BilledCount(call, missed=beyond)


def is_same_count(one: Wire | None, other: Wire | None) -> bool:
    """Whether no count that both usages hold differs; one of them may be damaged, or have further keys."""
    if one is None or other is None:
        return one is other
    now, then = _counts(one), _counts(other)
    shared = now.keys() & then.keys()
    return one == other or (bool(shared) and all(now[key] == then[key] for key in shared))


def with_unknown(call: Wire, *others: Wire | None) -> Wire:
    """Return the usage of a call with the keys that no dialect has of other objects about it."""
    unknown = {
        key: value for other in others for key, value in (other or {}).items() if meaning_of(key) is None
    }
    return {**unknown, **call}


def _counts(usage: Wire) -> dict[str, int]:
    """Return the counts that a bill needs; an unknown one may stand in one event and not in another."""
    return {
        key: count_of(key, value)
        for key, value in usage.items()
        if meaning_of(key) is not None and is_whole_count(value)
    }


def _less(total: Wire, before: Wire) -> dict[str, int]:
    earlier = _counts(before)
    return {key: value - earlier.get(key, 0) for key, value in _counts(total).items()}


def _beyond(grown: Wire, call: Wire) -> dict[str, int] | None:
    """Return by how much a total has grown beyond a call; None if it has not, or began again."""
    left = _less(grown, call)
    if min(left.values(), default=0) < 0 or not any(left.values()):
        return None
    return left


def usage_of(raw: Wire, where: str, warnings: list[str]) -> tuple[Usage | None, tuple[str, ...]]:
    """Return what a call consumed, None if its counts contradict each other, and what they leave out."""
    try:
        read = read_usage(raw, CODEX)
    except UsageError as error:
        warnings.append(f"{where}: a call is counted as unmeasured. {error}")
        return None, ("It is counted as unmeasured, because its counts contradict each other.",)
    return read.usage, read.notes

"""What the `token_count` events of a Codex rollout bill: the last call, and what the total adds to it.

An event holds the usage of the last call and the total of the session. It is repeated when nothing new was
billed, so a call is a change of the total. A fork or a subagent may begin with its parent's total. If lines
of a rollout were lost, the total has grown by more than the last call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tokenprof.facts.types import Block
from tokenprof.record.wire_values import Wire

CALL, TOTAL = "last_token_usage", "total_token_usage"


@dataclass(frozen=True, slots=True)
class BilledCount:
    """What one event adds to the bill.

    `last` is the usage of its call; None if the total has grown without one. `missed` is the usage of calls
    before it whose events are missing. `earlier` is what the first total of a session holds beyond its call.
    """

    last: Wire | None
    missed: Wire | None = None
    earlier: Wire | None = None


@dataclass(frozen=True, slots=True)
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
        if self.known is not None and _is_same(total, self.known):
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


def _is_same(total: Wire, before: Wire) -> bool:
    """Return whether no count that both totals hold has changed; one of them may be damaged."""
    now, then = _counts(total), _counts(before)
    shared = now.keys() & then.keys()
    return total == before or (bool(shared) and all(now[key] == then[key] for key in shared))


def _counts(usage: Wire) -> dict[str, int]:
    return {key: value for key, value in usage.items() if isinstance(value, int)}


def _less(total: Wire, before: Wire) -> dict[str, int]:
    earlier = _counts(before)
    return {key: value - earlier.get(key, 0) for key, value in _counts(total).items()}


def _beyond(grown: Wire, call: Wire) -> dict[str, int] | None:
    """Return by how much a total has grown beyond a call; None if it has not, or began again."""
    left = _less(grown, call)
    if min(left.values(), default=0) < 0 or not any(left.values()):
        return None
    return left

"""Calls that a log tells of, as turns: each response once, placed in the histories that they extend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tokenprof.facts.types import Turn
from tokenprof.record.block_facts import Shaper
from tokenprof.record.contexts import ContextTracker, Placement
from tokenprof.record.exchange import Call
from tokenprof.record.stored_context import HeldHistories


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """A call in our terms, with when it was made and by whom.

    Calls of different `group`s (samples of an evaluation, traces of an export) never extend each other.
    `is_one_history` says that the calls of a group are one history, though their prompts do not show it.
    `hidden_prefix` and `output_rest_in` are as in `Turn`. `started_at` is UTC.
    """

    call: Call
    provider: str
    started_at: datetime
    duration_s: float | None = None
    group: str = ""
    agent: str | None = None
    attempts: int = 1
    hidden_prefix: bool = False
    output_rest_in: str | None = None
    is_one_history: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


def turns_of(calls: Iterable[LoggedCall], shaper: Shaper, name: str) -> list[Turn]:
    """Return the turns of logged calls, given in time order; `name` begins the names of their contexts.

    A response that is logged twice is one turn, the one that has usage. Calls without a response id are
    left out: nothing was billed.
    """
    groups: dict[str, tuple[ContextTracker, HeldHistories]] = {}
    turns: list[Turn] = []
    index_of: dict[str, int] = {}
    for logged in _once(calls):
        tracker, held = groups.setdefault(logged.group, (ContextTracker(), HeldHistories(shaper)))
        call = held.completed(logged.call)
        held.remember(call)
        identity = str(call.response_id)
        if logged.is_one_history:
            place = Placement("c1", None, None, 0, False)
        else:
            place = tracker.place(identity, call.prompt, logged.agent)
        base = index_of.get(place.base or "")
        kept = place.kept if base is not None else 0
        prefix = f"{name}.{logged.group}" if logged.group else name
        index_of[identity] = len(turns)
        turns.append(
            Turn(
                id=identity,
                context=f"{prefix}.{place.context}",
                provider=logged.provider,
                requested_model=call.requested_model,
                model=call.model,
                started_at=logged.started_at,
                duration_s=logged.duration_s,
                status=call.status,
                usage=call.usage,
                added=call.prompt[kept:],
                output=call.output,
                base=base,
                kept=kept,
                agent=logged.agent,
                parent=f"{prefix}.{place.parent}" if place.parent else None,
                attempts=logged.attempts,
                tags=logged.tags,
                selectors=call.selectors,
                breakpoints=call.breakpoints,
                settings=call.settings,
                hidden_prefix=logged.hidden_prefix,
                output_incomplete=call.output_incomplete,
                output_rest_in=logged.output_rest_in,
                compacted=place.compacted,
                cache_miss_reason=call.cache_miss_reason,
                cache_missed_tokens=call.cache_missed_tokens,
            )
        )
    return turns


def _once(calls: Iterable[LoggedCall]) -> list[LoggedCall]:
    found: dict[str, LoggedCall] = {}
    for logged in calls:
        identity = logged.call.response_id
        if identity is None:
            continue
        known = found.get(identity)
        if known is None or (known.call.usage is None and logged.call.usage is not None):
            found[identity] = logged
    return list(found.values())

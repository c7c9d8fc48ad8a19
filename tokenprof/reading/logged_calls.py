"""From the calls in a log to turns: each response once, placed in the history that it extends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from tokenprof.facts.call_labels import reading_labeller
from tokenprof.facts.types import AnswerFacts, CallerFacts, Turn, block_key, facts_of
from tokenprof.reading.batch_counts import BatchCounts
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import ADVISOR, Call, calls_of_advice, named_without_account
from tokenprof.record.contexts import ContextTracker, HeldHistories, Placement
from tokenprof.record.digest import key_of_logs


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCall(CallerFacts):
    """A call from a log, with when it was made and by whom.

    Calls of different `group`s (samples of an evaluation, traces of an export) never extend each other.
    `is_one_history` says that the calls of a group are one history, though their prompts do not show it.
    """

    call: Call
    group: str = ""
    is_one_history: bool = False


def shaper_of_log(counts: BatchCounts | None = None) -> Shaper:
    """Return a maker of blocks for another program's log, with the key for such logs.

    With `counts`, texts are counted in batches, and the caller must `finish` them.
    """
    labeller = reading_labeller()
    name = None if labeller is None else labeller.label
    if counts is None:
        return Shaper(key_of_logs(), labeller=name)
    return Shaper(key_of_logs(), count=counts, labeller=name)


def turns_of(calls: Iterable[LoggedCall], shaper: Shaper, name: str) -> list[Turn]:
    """Return the turns of logged calls, given in time order; names of contexts begin with `name`.

    A response that is logged twice is one turn, the one with usage. Calls without a response id are left out,
    because they were not billed.
    """
    groups: dict[str, tuple[ContextTracker, HeldHistories]] = {}
    turns: list[Turn] = []
    index_of: dict[str, int] = {}
    for logged in _once(calls):
        tracker, held = groups.setdefault(logged.group, (ContextTracker(), HeldHistories(shaper)))
        call = held.completed(named_without_account(logged.call))
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
                **facts_of(AnswerFacts, call),
                **facts_of(CallerFacts, logged),
                id=identity,
                context=f"{prefix}.{place.context}",
                added=call.prompt[kept:],
                base=base,
                kept=kept,
                parent=f"{prefix}.{place.parent}" if place.parent else None,
                compacted=place.compacted,
            )
        )
        turns += [
            replace(
                turns[-1],
                **facts_of(AnswerFacts, advice),
                id=str(advice.response_id),
                context=f"{turns[-1].context}.{ADVISOR}",
                parent=turns[-1].context,
                agent=ADVISOR,
                added=(),
                base=None,
                kept=0,
                compacted=False,
                hidden_prefix=True,
            )
            for advice in calls_of_advice(call)
        ]
    return turns


def _once(calls: Iterable[LoggedCall]) -> list[LoggedCall]:
    """Return each response once: of rows that repeat one, that with usage.

    A response whose id an earlier one has, without being it, gets a number.
    """
    found: dict[str, LoggedCall] = {}
    for logged in calls:
        identity = logged.call.response_id
        if identity is None:
            continue
        number, name = 1, identity
        while name in found and not is_same_response(found[name], logged):
            number += 1
            name = f"{identity}#{number}"
        known = found.get(name)
        if known is None or (known.call.usage is None and logged.call.usage is not None):
            found[name] = replace(logged, call=replace(logged.call, response_id=name))
    return list(found.values())


SAME_WITHIN = timedelta(seconds=60)
"""How far apart two rows about one response may be, beyond how long it took."""


def is_same_response(one: LoggedCall, other: LoggedCall) -> bool:
    """Whether two rows with one id are about one response: only if time, usage and prompt agree.

    Small servers draw ids of three digits, and relays use one for all.
    """
    longest = timedelta(seconds=max(one.duration_s or 0.0, other.duration_s or 0.0))
    if abs(one.started_at - other.started_at) > longest + SAME_WITHIN:
        return False
    usages = one.call.usage, other.call.usage
    if None not in usages and usages[0] != usages[1]:
        return False
    prompts = [[block_key(block) for block in logged.call.prompt] for logged in (one, other)]
    outputs = [[block_key(block) for block in logged.call.output] for logged in (one, other)]
    return all(pair[0] == pair[1] or [] in pair for pair in (prompts, outputs))

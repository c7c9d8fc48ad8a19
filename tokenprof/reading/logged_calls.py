"""From the calls in a log to turns: each response once, placed in the history that it extends."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.call_labels import reading_labeller
from tokenprof.facts.types import AnswerFacts, CallerFacts, Turn, block_key, facts_of
from tokenprof.reading.batch_counts import BatchCounts, classes_by_histogram
from tokenprof.record.background.counting import count_tokens
from tokenprof.record.block_facts import Shaper, canonical
from tokenprof.record.call import ADVISOR, Call, calls_of_advice, named_without_account
from tokenprof.record.contexts import ContextTracker, HeldHistories, Placement
from tokenprof.record.digest import key_of_logs


@frozen(kw_only=True)
class LoggedCall(CallerFacts):
    """A call from a log, with when it was made and by whom.

    Calls of different `group`s (samples of an evaluation, traces of an export) never extend each other.
    `is_one_history` says that the calls of a group are one history, though their prompts do not show it.
    `record` is what the log itself calls the call, apart from the id of its response; empty if nothing.
    """

    call: Call
    group: str = ""
    is_one_history: bool = False
    record: str = ""


def content_id(record: object) -> str:
    """Return an id for a record of a log that has none: records of equal content are one."""
    return f"record-{hashlib.sha256(canonical(record)).hexdigest()[:16]}"


def shaper_of_log(counts: BatchCounts | None = None) -> Shaper:
    """Return a maker of blocks for another program's log, with the key for such logs.

    With `counts`, texts are counted in batches, and the caller must `finish` them.
    """
    labeller = reading_labeller()
    name = None if labeller is None else labeller.label
    return Shaper(key_of_logs(), count=counts or count_tokens, labeller=name, classes=classes_by_histogram)


def _without_key(shaper: Shaper) -> tuple[Any, tuple[BatchCounts, ...], dict[str, object]]:
    counts = shaper.count
    return shaper_of_log, (counts,) if isinstance(counts, BatchCounts) else (), shaper.memory()


MADE_AGAIN: Final[Mapping[type, Callable[[Any], Any]]] = {Shaper: _without_key}
"""How what a reader has in hand is pickled: its shaper is made again, with the key of whoever reads on."""


def turns_of(
    calls: Iterable[LoggedCall], shaper: Shaper, name: str, warnings: list[str] | None = None
) -> list[Turn]:
    """Return the turns of logged calls, given in time order; names of contexts begin with `name`.

    A response that is logged twice is one turn, the one with usage. Calls without a response id are left out,
    because they were not billed. Records that may be of one call or of several are an entry in `warnings`.
    """
    groups: dict[str, tuple[ContextTracker, HeldHistories]] = {}
    turns: list[Turn] = []
    index_of: dict[str, int] = {}
    for logged in _once(calls, name, [] if warnings is None else warnings):
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


ROUNDING = timedelta(seconds=1)
"""How exactly some logs tell times. Calls without any get that of their file, in the order of the lines."""

COMPARED = 64
"""How many earlier calls a call is compared with. They are in time order, so a copy is near."""


def _once(calls: Iterable[LoggedCall], name: str, warnings: list[str]) -> list[LoggedCall]:
    """Return each response once: of rows that repeat one, that with usage.

    A response whose id an earlier one has, without being it, gets a number.
    """
    found: dict[str, LoggedCall] = {}
    numbers: dict[str, int] = {}
    by_record: dict[tuple[str, str], list[str]] = {}
    alike = other_counts = 0
    for logged in calls:
        identity = logged.call.response_id
        if identity is None:
            continue
        same = by_record.setdefault((identity, logged.record), [])
        key = next((each for each in same[-COMPARED:] if is_same_response(found[each], logged)), None)
        if key is None:
            numbers[identity] = number = numbers.get(identity, 0) + 1
            key = identity if number == 1 else f"{identity}#{number}"
            other_counts += bool(same and logged.record)
            same.append(key)
            found[key] = replace(logged, call=replace(logged.call, response_id=key))
            continue
        known = found[key]
        alike += abs(known.started_at - logged.started_at) > ROUNDING
        if known.call.usage is None and logged.call.usage is not None:
            found[key] = replace(logged, call=replace(logged.call, response_id=key))
    if alike:
        warnings.append(
            f"{name}: {alike} of its records share response id and counts with another record, but not the "
            "time; they are taken for one call, which is counted once."
        )
    if other_counts:
        warnings.append(
            f"{name}: {other_counts} of its records repeat a call with other counts or contents; each is "
            "counted, so the bill may be too high."
        )
    return list(found.values())


def is_same_response(one: LoggedCall, other: LoggedCall) -> bool:
    """Whether two rows of one response and record are of one call: if usage, contents and time agree.

    Small servers draw ids of three digits, and relays use one for all, so a response's id says little about
    rows without a record of their own: they have to be of the same time.
    """
    longest = timedelta(seconds=max(one.duration_s or 0.0, other.duration_s or 0.0))
    if not one.record and abs(one.started_at - other.started_at) > longest:
        return False
    usages = one.call.usage, other.call.usage
    if None not in usages and usages[0] != usages[1]:
        return False
    prompts = [[block_key(block) for block in logged.call.prompt] for logged in (one, other)]
    outputs = [[block_key(block) for block in logged.call.output] for logged in (one, other)]
    return all(pair[0] == pair[1] or [] in pair for pair in (prompts, outputs))

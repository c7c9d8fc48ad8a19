"""Which spans report a call, and which repeat one: several layers of a program may each trace the same call.

A framework's span above an SDK's has an id of its own, or none. What shows that they are one call is their
ancestry, with the same model and the same counts. An agent's span sums up the calls below it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from itertools import islice

from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.usage import Usage, UsageError
from tokenprof.pricing.usage_reader import UsageReading
from tokenprof.record.wire_values import Wire

AGENT_OPERATIONS = frozenset({"invoke_agent", "create_agent", "invoke_workflow", "execute_tool"})
CALL_OPERATIONS = frozenset({"chat", "text_completion", "generate_content"})

MOST_ANCESTORS = 1000
"""Where a chain of parents is given up, because it may be a circle."""

COMPARED = 64
"""How many reports with its response id, on either side of it in time, a report is compared with.

And those of how many instrumentations.
"""

SAME_RESPONSE_WITHIN_NS = 60 * 10**9
"""How far apart two reports of one response may be, by the clocks of two layers."""


@frozen
class ReportedCall:
    """A span or an event that reports a call. `counts` are its attributes about usage, as they were.

    `id` is that of the report, `identity` that of the response, and `source` the instrumentation.
    """

    id: str
    identity: str
    operation: str
    model: str | None
    attributes: Wire
    usage: Usage | None
    notes: tuple[str, ...]
    started_ns: int
    ended_ns: int
    trace: str
    where: str
    has_counts: bool = True
    source: str = ""

    @property
    def counts(self) -> dict[str, object]:
        """The attributes that hold counts."""
        return {key: value for key, value in self.attributes.items() if "usage" in key or "token" in key}


@frozen
class _LayerCounts:
    """The tokens of a prompt, in all and without those that a cache had or got, and of the output."""

    input: int
    uncached_input: int
    output: int

    @classmethod
    def of(cls, usage: Usage) -> _LayerCounts:
        return cls(usage.input_tokens, usage.uncached_input_tokens, usage.all_output_tokens)

    def may_be_above(self, lower: _LayerCounts) -> bool:
        """Whether a span and one below it count the same tokens; the upper one may not count the cache."""
        return self.output == lower.output and self.input in (lower.input, lower.uncached_input)


def reported_call(
    usage_of: Callable[[Wire], UsageReading],
    attributes: Wire,
    *,
    id_: str,
    identity: str,
    operation: str,
    model: str | None,
    started_ns: int,
    ended_ns: int,
    trace: str,
    where: str,
    source: str,
) -> ReportedCall:
    """Return a report with its counts read; unmeasured, with the reason, if they cannot be right."""
    usage: Usage | None = None
    notes: tuple[str, ...]
    try:
        read = usage_of(attributes)
        usage, notes = read.usage, read.notes
    except UsageError as error:
        notes = (f"It is counted as unmeasured. {error}",)
    return ReportedCall(
        id=id_,
        identity=identity,
        operation=operation,
        model=model,
        attributes=attributes,
        usage=usage,
        notes=notes,
        started_ns=started_ns,
        ended_ns=ended_ns,
        trace=trace,
        where=where,
        source=source,
    )


def one_call_each(
    reports: Sequence[ReportedCall], parents: Mapping[str, str], warnings: list[str], where: str
) -> list[list[int]]:
    """Return the indices of the reports of each call, the nearest to the wire first.

    `parents` maps the ids of reports to those of their parents, for all spans of the file. A repeated report
    is left out. An instrumentation reports a call once, so its reports with one response id are calls of
    their own, unless they are of one trace and time: relays give all answers one id.
    """
    place, left_out = _each_once(reports, warnings, where)
    below: dict[int, list[int]] = {}
    for index, report in enumerate(reports):
        if index in left_out:
            continue
        for ancestor in _ancestors(report.id, parents) if report.has_counts else ():
            if ancestor in place:
                below.setdefault(place[ancestor], []).append(index)
    layer_of: dict[int, int] = {}
    # Counts are compared before all else: a report may have very many others below it.
    counts = [None if report.usage is None else _LayerCounts.of(report.usage) for report in reports]
    for index, descendants in below.items():
        own = counts[index]
        alike = (o for o in descendants if (told := counts[o]) and own and own.may_be_above(told))
        twin = next((o for o in alike if _is_one_model(reports[index].model, reports[o].model)), None)
        if twin is not None and reports[index].operation not in AGENT_OPERATIONS:
            layer_of[index] = twin
        elif _sums_up(reports[index], own, [(reports[o].model, counts[o]) for o in descendants]):
            left_out.add(index)
    left_out |= _told_by_another_layer(reports, parents, place, below, left_out)
    alone = [
        report
        for index, report in enumerate(reports)
        if index not in below and index not in left_out and report.operation in AGENT_OPERATIONS
    ]
    if alone:
        warnings.append(
            f"{where}: {len(alone)} {'span of an agent has' if len(alone) == 1 else 'spans of agents have'} "
            "token counts and no call below; each is counted as one turn, though it may sum up several calls."
        )
    groups: dict[int, list[int]] = {}
    for index in range(len(reports)):
        if index not in left_out:
            groups.setdefault(_root(index, layer_of), []).append(index)
    return _by_response(reports, groups, warnings, where)


def _by_response(
    reports: Sequence[ReportedCall], layers: Mapping[int, list[int]], warnings: list[str], where: str
) -> list[list[int]]:
    """Return groups of reports, by the one nearest to the wire, with those of one response in one."""
    merged: list[list[int]] = []
    known: dict[str, dict[frozenset[str], list[list[int]]]] = {}
    alike = 0

    def began_ns(group: Sequence[int]) -> int:
        return reports[group[0]].started_ns

    for root, members in layers.items():
        report = reports[root]
        sources = frozenset(reports[member].source for member in members)
        by_sources = known.setdefault(report.identity, {})
        group = [root, *(member for member in members if member != root)]
        for told, groups in list(islice(by_sources.items(), COMPARED)):
            near = bisect_left(groups, report.started_ns, key=began_ns)
            first = max(near - COMPARED, 0)
            compared = [reports[other[0]] for other in groups[first : near + COMPARED]]
            place = _same_response(report, compared, is_new_source=not told & sources)
            if place is not None:
                alike += bool(told & sources)
                group = groups.pop(first + place)
                group.extend(members)
                if not groups:
                    del by_sources[told]
                sources = told if len(told) >= COMPARED else told | sources
                break
        else:
            merged.append(group)
        insort(by_sources.setdefault(sources, []), group, key=began_ns)
    if alike:
        warnings.append(
            f"{where}: {alike} of its spans share response id, counts, time and instrumentation with "
            "another span; they are taken for one call, which is counted once."
        )
    return merged


def _same_response(
    report: ReportedCall, others: Sequence[ReportedCall], *, is_new_source: bool
) -> int | None:
    """Return the place of the report of the same call that is nearest in time; None if there is not one."""
    same = [
        place
        for place, other in enumerate(others)
        if (is_new_source or (report.trace == other.trace and _apart_ns(report, other) <= 0))
        and _is_one_response(report, other)
    ]
    return min(same, key=lambda place: abs(report.started_ns - others[place].started_ns), default=None)


def _each_once(
    reports: Sequence[ReportedCall], warnings: list[str], where: str
) -> tuple[dict[str, int], set[int]]:
    """Return the index of each report by its id, and the indices of those that repeat another.

    Of several reports with one id, the one that counts most is taken.
    """
    place: dict[str, int] = {}
    again: set[int] = set()
    others = 0
    for index, report in enumerate(reports):
        first = place.setdefault(report.id, index)
        if first == index:
            continue
        known = reports[first]
        others += (known.usage, known.started_ns) != (report.usage, report.started_ns)
        if _counted(report) > _counted(known):
            place[report.id] = index
            again.add(first)
        else:
            again.add(index)
    if others:
        warnings.append(
            f"{where}: {others} of its spans repeat a call with other counts or times; each call is counted "
            "once, by the span that counts most."
        )
    return place, again


def _counted(report: ReportedCall) -> int:
    return -1 if report.usage is None else sum(_totals(report.usage))


def _told_by_another_layer(
    reports: Sequence[ReportedCall],
    parents: Mapping[str, str],
    place: Mapping[str, int],
    below: Mapping[int, Sequence[int]],
    left_out: Set[int],
) -> set[int]:
    """Return the reports without counts whose call has them in a span above or below."""
    found: set[int] = set()
    for index, report in enumerate(reports):
        if report.has_counts or index in left_out:
            continue
        above = [place[a] for a in _ancestors(report.id, parents) if a in place]
        if below.get(index) or any(reports[a].has_counts and a not in left_out for a in above):
            found.add(index)
        elif any(not reports[a].has_counts for a in above):
            # Of several layers without counts, the one nearest to the program stands for the call.
            found.add(index)
    return found


def fineness(usage: Usage) -> tuple[int, int]:
    """Return how finely counts are divided: cached apart, writes by time to live."""
    divided = usage.input_tokens - usage.uncached_input_tokens + usage.reasoning_tokens
    return divided, -usage.cache_write_tokens


def _ancestors(id_: str, parents: Mapping[str, str]) -> Iterable[str]:
    """Yield the parent, its parent and so on, once round if they are a circle."""
    own = id_
    for _ in range(MOST_ANCESTORS):
        id_ = parents.get(id_, "")
        if not id_ or id_ == own:
            return
        yield id_


def _root(index: int, layer_of: Mapping[int, int]) -> int:
    for _ in range(MOST_ANCESTORS):
        if index not in layer_of:
            return index
        index = layer_of[index]
    return index


def _is_one_response(one: ReportedCall, other: ReportedCall) -> bool:
    """Whether two reports with one response id are of one call: an id alone proves nothing."""
    return _apart_ns(one, other) <= SAME_RESPONSE_WITHIN_NS and (
        one.usage is None or other.usage is None or _totals(one.usage) == _totals(other.usage)
    )


def _apart_ns(one: ReportedCall, other: ReportedCall) -> int:
    """Return the time between two reports; below 0 if they overlap."""
    return max(one.started_ns, other.started_ns) - min(one.ended_ns, other.ended_ns)


def _is_one_model(one: str | None, other: str | None) -> bool:
    if not one or not other:
        return True
    short, long = sorted((one.rpartition("/")[2], other.rpartition("/")[2]), key=len)
    return long.startswith(short) or short in long


def _sums_up(
    upper: ReportedCall, own: _LayerCounts | None, lower: Sequence[tuple[str | None, _LayerCounts | None]]
) -> bool:
    """Whether a span only adds up those below it; a call may also have other calls below it, in its tools.

    `lower` has the model and the counts of each.
    """
    if upper.operation in AGENT_OPERATIONS:
        return True
    if upper.operation not in CALL_OPERATIONS:
        # A wrapper of any kind, unless a call of another model ran inside it.
        return own is None or any(_is_one_model(upper.model, model) for model, _ in lower)
    told = [(counts.input, counts.output) for _, counts in lower if counts is not None]
    if own is None:
        return bool(told)
    sent, written = sum([each[0] for each in told]), sum([each[1] for each in told])
    return any(
        (own.input, own.output) == (sent - but[0], written - but[1])
        for but in ((0, 0), *told[-1:], *told[:1])
    )


def _totals(usage: Usage) -> tuple[int, int]:
    return usage.input_tokens, usage.all_output_tokens

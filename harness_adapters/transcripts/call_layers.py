"""Which spans report a call, and which repeat one: several layers of a program may each trace the same call.

A framework's span above an SDK's has an id of its own, or none. What shows that they are one call is their
ancestry, with the same model and the same counts. An agent's span sums up the calls below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from tokenprof.pricing.usage import Usage, UsageError
from tokenprof.pricing.usage_reader import UsageReading
from tokenprof.record.wire_values import Wire

AGENT_OPERATIONS = frozenset({"invoke_agent", "create_agent", "invoke_workflow", "execute_tool"})
CALL_OPERATIONS = frozenset({"chat", "text_completion", "generate_content"})

MOST_ANCESTORS = 1000
"""Where a chain of parents is given up, because it may be a circle."""

SAME_RESPONSE_WITHIN_NS = 60 * 10**9
"""How far apart two reports of one response may be, by the clocks of two layers."""


@dataclass(frozen=True, slots=True)
class ReportedCall:
    """A span or an event that reports a call. `counts` are its attributes about usage, as they were."""

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

    @property
    def counts(self) -> dict[str, object]:
        """The attributes that hold counts."""
        return {key: value for key, value in self.attributes.items() if "usage" in key or "token" in key}


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
        id_, identity, operation, model, attributes, usage, notes, started_ns, ended_ns, trace, where
    )


def one_call_each(
    reports: Sequence[ReportedCall], parents: Mapping[str, str], warnings: list[str], where: str
) -> list[list[int]]:
    """Return the indices of the reports of each call, the nearest to the wire first.

    `parents` maps span ids to those of their parents, for all spans of the file.
    """
    place = {report.id: index for index, report in enumerate(reports)}
    below: dict[int, list[int]] = {}
    for index, report in enumerate(reports):
        for ancestor in _ancestors(report.id, parents) if report.has_counts else ():
            if ancestor in place:
                below.setdefault(place[ancestor], []).append(index)
    layer_of: dict[int, int] = {}
    left_out: set[int] = set()
    for index, descendants in below.items():
        twin = next((other for other in descendants if _is_same(reports[index], reports[other])), None)
        if twin is not None and reports[index].operation not in AGENT_OPERATIONS:
            layer_of[index] = twin
        elif _sums_up(reports[index], [reports[other] for other in descendants]):
            left_out.add(index)
    left_out |= _told_by_another_layer(reports, parents, place, below, left_out)
    alone = [r for i, r in enumerate(reports) if i not in below and r.operation in AGENT_OPERATIONS]
    if alone:
        warnings.append(
            f"{where}: {len(alone)} {'span of an agent has' if len(alone) == 1 else 'spans of agents have'} "
            "token counts and no call below; each is counted as one turn, though it may sum up several calls."
        )
    groups: dict[int, list[int]] = {}
    for index in range(len(reports)):
        if index not in left_out:
            groups.setdefault(_root(index, layer_of), []).append(index)
    merged: list[list[int]] = []
    for root, members in groups.items():
        report = reports[root]
        same = next((group for group in merged if _is_one_response(reports[group[0]], report)), None)
        if same is None:
            merged.append([root, *(member for member in members if member != root)])
        else:
            same.extend(members)
    return merged


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
        if report.has_counts:
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
    for _ in range(MOST_ANCESTORS):
        id_ = parents.get(id_, "")
        if not id_:
            return
        yield id_


def _root(index: int, layer_of: Mapping[int, int]) -> int:
    for _ in range(MOST_ANCESTORS):
        if index not in layer_of:
            return index
        index = layer_of[index]
    return index


def _is_one_response(one: ReportedCall, other: ReportedCall) -> bool:
    """Whether two reports with one id are of one response: an id alone proves nothing."""
    if one.identity != other.identity:
        return False
    apart_ns = max(one.started_ns, other.started_ns) - min(one.ended_ns, other.ended_ns)
    return apart_ns <= SAME_RESPONSE_WITHIN_NS and (
        one.usage is None or other.usage is None or _totals(one.usage) == _totals(other.usage)
    )


def _is_same(upper: ReportedCall, lower: ReportedCall) -> bool:
    """Whether a span and one below it count the same tokens of one model."""
    if upper.usage is None or lower.usage is None or not _is_one_model(upper.model, lower.model):
        return False
    if upper.usage.all_output_tokens != lower.usage.all_output_tokens:
        return False
    # The upper layer may not count the cache.
    return upper.usage.input_tokens in (lower.usage.input_tokens, lower.usage.uncached_input_tokens)


def _is_one_model(one: str | None, other: str | None) -> bool:
    if not one or not other:
        return True
    short, long = sorted((one.rpartition("/")[2], other.rpartition("/")[2]), key=len)
    return long.startswith(short) or short in long


def _sums_up(upper: ReportedCall, lower: Sequence[ReportedCall]) -> bool:
    """Whether a span only adds up those below it; a call may also have other calls below it, in its tools."""
    if upper.operation in AGENT_OPERATIONS:
        return True
    if upper.operation not in CALL_OPERATIONS:
        # A wrapper of any kind, unless a call of another model ran inside it.
        return upper.usage is None or any(_is_one_model(upper.model, report.model) for report in lower)
    usages = [report.usage for report in lower if report.usage is not None]
    if upper.usage is None:
        return bool(usages)
    return any(
        _totals(upper.usage) == (sum(u.input_tokens for u in some), sum(u.all_output_tokens for u in some))
        for some in (usages, usages[:-1], usages[1:])
    )


def _totals(usage: Usage) -> tuple[int, int]:
    return usage.input_tokens, usage.all_output_tokens

"""From each provider's usage object to `Usage`: one function per shape of an API.

The shapes disagree on what `input_tokens` means. For Anthropic it is the uncached rest (*exclusive*); for
OpenAI and OpenTelemetry it is the whole prompt (*inclusive*), so the cached part is subtracted here. Nothing
is clamped: a rest below zero means that the object has another shape, and is a `UsageError` naming both keys.
All functions raise it, also for a missing or malformed count. Sources: the types of the `anthropic` and
`openai` packages. `normalise_telemetry` and `normalise_logs` read telemetry and logs of harnesses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tokenprof.pricing.normalise_telemetry import usage_from_otel
from tokenprof.pricing.usage import Usage, UsageError, add_fees
from tokenprof.pricing.usage_dialects import (
    ANTHROPIC,
    GEMINI,
    OPENAI_CHAT,
    OPENAI_RESPONSES,
    Meaning,
    may_be_billed,
    meaning_of,
)
from tokenprof.pricing.usage_reader import UsageReading, read_usage
from tokenprof.pricing.wire_counts import Wire, entries, is_count

__all__ = [
    "ModelUsage",
    "StreamedCounts",
    "advisor_iterations",
    "anthropic_iterations",
    "merge_anthropic_stream",
    "merge_cumulative",
    "read_anthropic",
    "read_gemini",
    "unread_advice",
    "usage_from_anthropic",
    "usage_from_gemini",
    "usage_from_openai_chat",
    "usage_from_openai_responses",
    "usage_from_otel",
    "with_fees",
]


_OF_OUTPUT = frozenset({Meaning.OUTPUT, Meaning.REASONING, Meaning.AUDIO_OUT, Meaning.IMAGE_OUT})
_OF_PROMPT = frozenset({Meaning.PROMPT, Meaning.READ, Meaning.WRITE})

Place = tuple[str, ...]


def usage_from_anthropic(raw: Wire) -> Usage:
    """Return the usage of an Anthropic Messages response (`usage`, exclusive input).

    If the object splits cache writes by time to live, the split is used; what the total has beyond the split
    is a write of unknown time to live. Thinking tokens are part of `output_tokens`. The top-level counts
    contain the `iterations` of the model that answered; those of type `compaction` are added here. Those of
    an advisor run on another model and are calls of their own: see `advisor_iterations`.
    """
    return read_anthropic(raw).usage


def read_anthropic(raw: Wire) -> UsageReading:
    """Return what `usage_from_anthropic` does, with notes of what was not understood."""
    read = read_usage(raw, ANTHROPIC)
    iterations, credit = entries(raw.get("iterations")), raw.get("fallback_credit")
    if not iterations and credit is None:
        return read
    usage, notes = read.usage, list(read.notes)
    for entry in iterations:
        role = str(entry.get("type"))
        if role == "compaction":
            usage += read_usage(entry, ANTHROPIC).usage
        elif role not in ("message", ADVICE):
            notes += _note_of_iteration(role, entry)
    if isinstance(credit, Mapping) and credit.get("status") == "redeemed":
        notes.append(
            "A fallback credit was redeemed: its cache writes cost what reads cost, not what is billed."
        )
    return UsageReading(usage, tuple(notes))


ADVICE = "advisor_message"
"""The type of an iteration in which another model advised."""


def _note_of_iteration(role: str, entry: Wire) -> Iterable[str]:
    """Yield a note about an iteration that the counts of an answer may leave out."""
    try:
        usage = read_usage(entry, ANTHROPIC).usage
    except UsageError:
        yield f"An iteration of the type '{role}' has counts that cannot be read; it may not be in this bill."
        return
    tokens = usage.input_tokens + usage.all_output_tokens
    if tokens:
        model = entry.get("model") or "model unknown"
        yield (
            f"{tokens:,} tokens of an iteration of the type '{role}' ({model}) may not be in this bill, "
            "or have another price."
        )


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """A part of the usage of one response that may have run on another model, at another price."""

    model: str | None
    role: str
    usage: Usage


def anthropic_iterations(raw: Wire) -> tuple[ModelUsage, ...]:
    """Return `usage.iterations`, one entry each, with the model if the entry names one.

    `role` is the type of the entry: message, compaction, advisor_message or fallback_message. Advisor and
    fallback entries may run on a model with another price.
    """
    return tuple(
        ModelUsage(
            model=entry.get("model"), role=str(entry.get("type")), usage=read_usage(entry, ANTHROPIC).usage
        )
        for entry in entries(raw.get("iterations"))
    )


def advisor_iterations(raw: Wire) -> tuple[ModelUsage, ...]:
    """Return the iterations of another model's advice, which the top-level counts leave out.

    Those whose counts cannot be read are left to `unread_advice`.
    """
    found: list[ModelUsage] = []
    for entry in entries(raw.get("iterations")):
        if entry.get("type") == ADVICE:
            with contextlib.suppress(UsageError):
                found += anthropic_iterations({"iterations": [entry]})
    return tuple(found)


def unread_advice(raw: Wire) -> int:
    """Return how many iterations of another model's advice have counts that cannot be read."""
    advised = [entry for entry in entries(raw.get("iterations")) if entry.get("type") == ADVICE]
    return len(advised) - len(advisor_iterations(raw)) if advised else 0


class StreamedCounts:
    """The usage so far of a stream whose parts are added in turn.

    Counts of a stream are cumulative, so the last count of a field holds. Null and zero erase nothing,
    because a relay may fill in fields that it does not know; a field that a part leaves out keeps its count.
    A count that falls contradicts that, and `notes` names it: of the output, the larger count holds, because
    what was written was billed; of the prompt, the last one, because relays estimate it before they know it.
    A prompt's count that falls by what others rise has only been divided.
    """

    def __init__(self, *parts: Wire) -> None:
        self.usage: dict[str, Any] = {}
        self._fallen: dict[Place, tuple[float, float]] = {}
        for part in parts:
            self.add(part)

    def add(self, part: Wire) -> None:
        """Add the usage object of one part; an empty one changes nothing."""
        if not self.usage:
            self.usage = dict(part)
            return
        before, after = self.usage, _merged(self.usage, part)
        known, told = dict(_leaves(before)), dict(_leaves(after))
        fallen = {place: (known[place], told[place]) for place in known if told[place] < known[place]}
        if fallen:
            written = [place for place in fallen if _meaning(place) in _OF_OUTPUT]
            totals = [place for place in fallen if _meaning(place) is Meaning.TOTAL]
            for place in (*written, *totals) if written else ():
                _put(after, place, _value_at(before, place))
            is_divided = _prompt(told) >= _prompt(known)
            for place, counts in fallen.items():
                if place in written or (place not in totals and not is_divided):
                    self._fallen[place] = counts
        self.usage = after

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each count that fell."""
        return tuple(
            f"Usage key '{'.'.join(place)}' falls from {known:,.0f} to {told:,.0f} within the stream; the "
            f"{'larger' if _meaning(place) in _OF_OUTPUT else 'last'} count is billed."
            for place, (known, told) in self._fallen.items()
        )


def merge_cumulative(*parts: Wire) -> dict[str, Any]:
    """Return one usage object from those in the parts of a stream, as `StreamedCounts` does."""
    return StreamedCounts(*parts).usage


def _merged(known: Wire, part: Wire) -> dict[str, Any]:
    merged = dict(known)
    for key, value in part.items():
        before = merged.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            merged[key] = _merged(before, value)
        elif key not in merged or before is None or (value and value != "0"):
            merged[key] = value
    return merged


def _leaves(usage: Wire, above: Place = ()) -> Iterator[tuple[Place, float]]:
    """Yield the counts in an object that may be billed, with their places."""
    for key, value in usage.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, key))
        elif is_count(value) and (_meaning((*above, key)) is not None or may_be_billed(key)):
            yield (*above, key), float(value)


def _meaning(place: Place) -> Meaning | None:
    return meaning_of(".".join(place))


def _prompt(counts: Mapping[Place, float]) -> float:
    return sum(count for place, count in counts.items() if _meaning(place) in _OF_PROMPT)


def _value_at(usage: Wire, place: Place) -> Any:
    for key in place:
        usage = usage[key]
    return usage


def _put(usage: dict[str, Any], place: Place, value: Any) -> None:
    for key in place[:-1]:
        usage[key] = dict(usage[key])
        usage = usage[key]
    usage[place[-1]] = value


def merge_anthropic_stream(start: Wire, deltas: Sequence[Wire]) -> StreamedCounts:
    """Return the counts of a streamed message.

    `start` is `message_start.message.usage`; `deltas` are the `usage` objects of the `message_delta` events.
    Only the start splits cache writes by time to live. Its output count is a placeholder: without any delta,
    the caller must mark the turn partial.
    """
    has_output = any(delta.get("output_tokens") for delta in deltas)
    begun = {key: value for key, value in start.items() if not (has_output and key == "output_tokens")}
    return StreamedCounts(begun, *deltas)


def usage_from_openai_responses(raw: Wire) -> Usage:
    """Return the usage of an OpenAI Responses object (`usage`, inclusive input)."""
    return read_usage(raw, OPENAI_RESPONSES).usage


def usage_from_openai_chat(raw: Wire) -> Usage:
    """Return the usage of an OpenAI chat completion, a shape that many hosts use.

    xAI counts reasoning beside the completion, and the total shows it.
    """
    return read_usage(raw, OPENAI_CHAT).usage


def with_fees(usage: Usage, fees: Iterable[tuple[str, int]]) -> Usage:
    """Return `usage` with further fee counts added."""
    added = tuple(fees)
    return replace(usage, fees=add_fees(usage.fees, added)) if added else usage


def usage_from_gemini(raw: Wire) -> Usage:
    """Return the usage of a Gemini response (`usageMetadata`, inclusive prompt).

    Thoughts are counted beside the candidates' tokens, unless prompt and candidates already add up to the
    total: then the candidates include them. Tool-use prompts are further input.
    """
    return read_gemini(raw).usage


def read_gemini(raw: Wire) -> UsageReading:
    """Return what `usage_from_gemini` does, with notes of what was not understood."""
    return read_usage(raw, GEMINI)

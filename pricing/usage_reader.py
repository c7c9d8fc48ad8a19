"""Reads the usage object of any known source with the table in `usage_dialects`.

The sources disagree on two things that no key shows: whether the prompt's count includes the cached part, and
whether the output's includes reasoning. The caller names the source's convention, but a total in the object
decides: it equals one reading or another. Nothing is clamped, and a key that nobody knows is named.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tokenprof.pricing.usage import Usage, UsageError, add_fees
from tokenprof.pricing.usage_dialects import (
    KEYS_REMEMBERED,
    OPENAI_CHAT,
    RANK,
    REQUEST,
    SPLIT_WRITES,
    Convention,
    Meaning,
    canonical,
    includes_cache,
    is_search_size,
    may_count_more,
    meaning_of,
    piece_of,
    side_of,
)
from tokenprof.pricing.wire_counts import MOST_TOKENS, Wire, count_of, entries, is_count, less, values_of

Place = str | tuple[str | None, ...]
"""A key of a usage object: by itself, in front of those of its object, or after None if it holds a list."""

MODALITIES = {
    ("in", "AUDIO"): Meaning.AUDIO_IN,
    ("out", "AUDIO"): Meaning.AUDIO_OUT,
    ("out", "IMAGE"): Meaning.IMAGE_OUT,
}
"""Gemini lists parts by modality; only these have rates of their own."""


@dataclass(frozen=True, slots=True)
class UsageReading:
    """A usage object as read: its counts, and sentences about what in it was not understood."""

    usage: Usage
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Counts:
    """Counts by meaning, with the keys that they stood under."""

    value: dict[Meaning, int] = field(default_factory=dict)
    key: dict[Meaning, str] = field(default_factory=dict)
    fees: list[tuple[str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def of(self, meaning: Meaning) -> int:
        return self.value.get(meaning, 0)

    def add(self, meaning: Meaning, key: str, count: int) -> None:
        known = self.value.get(meaning)
        if not known:
            self.value[meaning], self.key[meaning] = count, key
            return
        if count and known != count and meaning in (Meaning.READ, Meaning.WRITE):
            self.notes.append(f"Usage keys '{self.key[meaning]}' and '{key}' contradict each other.")
        ranks = RANK.get(canonical(key), len(RANK)), RANK.get(canonical(self.key[meaning]), len(RANK))
        if count and ranks[0] < ranks[1]:
            self.value[meaning], self.key[meaning] = count, key


def read_usage(raw: Wire, convention: Convention) -> UsageReading:
    """Return the usage in an object of any known source, whose `convention` holds unless a total contradicts.

    Raises `UsageError` for a count that is missing, malformed or larger than what it is part of.
    """
    usage = read_plainly(raw, convention)
    return _read_with_care(raw, convention) if usage is None else UsageReading(usage)


def read_plainly(raw: Wire, convention: Convention) -> Usage | None:
    """Return the usage in an object without a fee or a contradiction; else None.

    Sources repeat their keys in every turn, so what the keys mean is found out once.
    """
    shape: list[Place] = []
    values: list[object] = []
    for key, value in raw.items():
        kind = type(value)
        if kind is dict:
            shape.append((key, *value))
            values += value.values()
        elif kind is list:
            shape.append((None, key))
        else:
            shape.append(key)
            values.append(value)
    names = plain_names(convention, tuple(shape))
    if names is None:
        return None
    counts: dict[str, Any] = {}
    for name, value in zip(names, values, strict=True):
        if name is None:
            if type(value) not in _SCALARS:
                return None
        elif type(value) is not int or not 0 <= value <= MOST_TOKENS:
            return None
        elif name:
            counts[name] = value
        elif value:
            return None
    if written := counts.get("cache_write_tokens"):
        rest = written - sum(map(counts.__getitem__, _SPLIT_NAMES & counts.keys()))
        if rest < 0:
            return None
        counts["cache_write_tokens"] = rest
    if convention.input_includes_cache and not _leaves_out_parts(counts):
        return None
    return Usage(**counts)


def _leaves_out_parts(counts: dict[str, int]) -> bool:
    """Take the cached part off the prompt's count, and reasoning off the output's; whether all fits."""
    total = counts.pop("total", 0)
    prompt, output = counts["uncached_input_tokens"], counts["output_tokens"]
    reasoning = counts.get("reasoning_tokens", 0)
    cached = sum(counts.values()) - prompt - output - reasoning
    counts["uncached_input_tokens"], counts["output_tokens"] = prompt - cached, output - reasoning
    return cached <= prompt and reasoning <= output and total in (0, prompt + output)


_SCALARS = frozenset({int, str, float, bool, type(None)})
_SPLIT_NAMES = frozenset(SPLIT_WRITES.values())


@functools.lru_cache(maxsize=KEYS_REMEMBERED)
def plain_names(convention: Convention, shape: tuple[Place, ...]) -> tuple[str | None, ...] | None:
    """Return which field of a usage each value counts: "" if it must be 0, None if it does not matter.

    Returns None if the keys alone do not show what the counts mean.
    """
    if convention.reasoning_is_beside:
        return None
    plain = _PLAIN_WITH_CACHE if convention.input_includes_cache else _PLAIN
    keys: list[str] = []
    for place in shape:
        if isinstance(place, str):
            keys.append(place)
            continue
        is_list = place[0] is None
        holder, holds_no_keys = str(place[1] if is_list else place[0]), is_list or len(place) == 1
        if (is_list and side_of(holder)) or (holds_no_keys and meaning_of(holder)):
            return None
        if not is_list:
            keys += [f"{holder}.{key}" for key in place[1:]]
    names: list[str | None] = []
    for key in keys:
        meaning = meaning_of(key)
        if meaning in plain and includes_cache(key) in (None, convention.input_includes_cache):
            names.append(plain[meaning])
        elif is_search_size(key) or meaning not in (None, Meaning.REPEATED):
            return None
        else:
            is_countable = meaning is None and (piece_of(key) or may_count_more(key))
            names.append("" if is_countable else None)
    fields = [name for name in names if name]
    is_clear = len(set(fields)) == len(fields) and {"uncached_input_tokens", "output_tokens"} <= set(fields)
    return tuple(names) if is_clear else None


_PLAIN = {
    Meaning.PROMPT: "uncached_input_tokens",
    Meaning.READ: "cache_read_tokens",
    Meaning.WRITE: "cache_write_tokens",
    **SPLIT_WRITES,
    Meaning.OUTPUT: "output_tokens",
    **dict.fromkeys((Meaning.AUDIO_IN, Meaning.AUDIO_OUT, Meaning.IMAGE_OUT), ""),
}
"""What is counted where the prompt's count leaves the cached part out."""

_PLAIN_WITH_CACHE = _PLAIN | {Meaning.REASONING: "reasoning_tokens", Meaning.TOTAL: "total"}
"""What is counted where the prompt's count includes the cached part, and the output's its reasoning."""


def _read_with_care(raw: Wire, convention: Convention) -> UsageReading:
    needs, reasoning_is_beside = convention.needs, convention.reasoning_is_beside
    counts = _counts(raw)
    _restore_from_total(counts, needs, reasoning_is_beside)
    input_includes_cache = _input_includes_cache(counts, convention)
    for meaning, name in ((Meaning.PROMPT, needs[0]), (Meaning.OUTPUT, needs[1])):
        if meaning not in counts.value and (meaning is Meaning.OUTPUT or Meaning.FRESH not in counts.value):
            raise UsageError(f"Usage key '{name}' is missing, so the call is unmeasured; it is not zero.")
    writes = _writes(counts)
    read, written = counts.of(Meaning.READ), sum(writes.values())
    extra, reasoning = counts.of(Meaning.EXTRA_PROMPT), counts.of(Meaning.REASONING)
    if Meaning.PROMPT not in counts.value:
        counts.add(Meaning.PROMPT, needs[0], counts.of(Meaning.FRESH) + read + written)
        input_includes_cache = True
    prompt, output = counts.of(Meaning.PROMPT), counts.of(Meaning.OUTPUT)
    total = counts.value.get(Meaning.TOTAL) or None

    # Each reading: the fresh input, and whether reasoning is beside the output; the convention's comes first.
    cached = read + written
    inclusive, exclusive, writes_beside = prompt - cached, prompt, prompt - read
    order = [inclusive, exclusive] if input_includes_cache else [exclusive, inclusive]
    if Meaning.FRESH in counts.value and counts.of(Meaning.FRESH) in (inclusive, exclusive):
        order = [counts.of(Meaning.FRESH)]
    told = total is not None and [
        (fresh, beside)
        for fresh in (*order, writes_beside)
        for beside in (reasoning_is_beside, not reasoning_is_beside)
        if fresh >= 0 and (beside or output >= reasoning)
        if fresh + cached + extra + output + (reasoning if beside else 0) == total
    ]
    if told:
        fresh, beside = told[0]
    else:
        fresh, beside = order[0], reasoning_is_beside
        if fresh < 0:
            less(prompt, counts.key[Meaning.PROMPT], cached, _cached_keys(counts))
        if not beside and output < reasoning:
            if total is None and convention is not OPENAI_CHAT:
                less(output, counts.key[Meaning.OUTPUT], reasoning, counts.key[Meaning.REASONING])
            # Of the many hosts of OpenAI's chat API, some count reasoning beside the completion.
            beside = True
            if total is None:
                counts.notes.append(
                    f"Usage key '{counts.key[Meaning.OUTPUT]}' counts less than "
                    f"'{counts.key[Meaning.REASONING]}', so they are billed beside each other."
                )
        hidden = _unexplained(counts, total, fresh + cached + extra + output + (reasoning if beside else 0))
        reasoning, output = reasoning + hidden, output + (0 if beside else hidden)
    usage = Usage(
        uncached_input_tokens=fresh + extra,
        cache_read_tokens=read,
        output_tokens=output if beside else output - reasoning,
        reasoning_tokens=reasoning,
        fees=add_fees(counts.fees),
        audio_input_tokens=counts.of(Meaning.AUDIO_IN),
        audio_output_tokens=counts.of(Meaning.AUDIO_OUT),
        image_output_tokens=counts.of(Meaning.IMAGE_OUT),
        **writes,
    )
    return UsageReading(usage, tuple(dict.fromkeys(counts.notes)))


def _input_includes_cache(counts: _Counts, convention: Convention) -> bool:
    """Return whether the prompt's count includes the cached part, as its keys or else its source show."""
    cached = [includes_cache(counts.key[meaning]) for meaning in CACHED if counts.of(meaning)]
    if cached and all(cached):
        return True
    prompt = counts.key.get(Meaning.PROMPT, "")
    if canonical(prompt) == "inputtokens" and cached and set(cached) == {False}:
        is_foreign = prompt.rpartition(".")[2] != convention.needs[0].rpartition(".")[2]
        is_impossible = counts.of(Meaning.PROMPT) < sum(counts.of(m) for m in (Meaning.READ, Meaning.WRITE))
        return convention.input_includes_cache and not is_foreign and not is_impossible
    return convention.input_includes_cache


CACHED = (Meaning.READ, Meaning.WRITE, *SPLIT_WRITES)


def _restore_from_total(counts: _Counts, needs: tuple[str, str], reasoning_is_beside: bool) -> None:
    """Add the count of the prompt or of the output if only that is missing and a total leaves it."""
    total = counts.value.get(Meaning.TOTAL)
    if not total or Meaning.FRESH in counts.value:
        return
    missing = [meaning for meaning in (Meaning.PROMPT, Meaning.OUTPUT) if meaning not in counts.value]
    if len(missing) != 1:
        return
    beside = counts.of(Meaning.EXTRA_PROMPT) + (counts.of(Meaning.REASONING) if reasoning_is_beside else 0)
    lost = total - counts.of(Meaning.PROMPT) - counts.of(Meaning.OUTPUT) - beside
    if lost < 0:
        return
    name = needs[0] if missing[0] is Meaning.PROMPT else needs[1]
    counts.add(missing[0], name, lost)
    if lost:
        counts.notes.append(
            f"Usage key '{name}' is missing; what '{counts.key[Meaning.TOTAL]}' leaves for it is billed."
        )


def _unexplained(counts: _Counts, total: int | None, known: int) -> int:
    """Return the output that only a total counts, which is reasoning; note a total that fits no reading."""
    if total is None or total == known:
        return 0
    key = counts.key[Meaning.TOTAL]
    if total > known and not counts.of(Meaning.REASONING):
        counts.notes.append(
            f"Usage key '{key}' counts more than prompt and output; the rest is taken to be reasoning."
        )
        return total - known
    counts.notes.append(
        f"Usage key '{key}' fits no reading of the other counts, so one of them may be lost or wrong."
    )
    return 0


def _writes(counts: _Counts) -> dict[str, Any]:
    """Return cache writes by time to live; what the flat count has beyond its split is of unknown TTL."""
    writes = {name: counts.of(meaning) for meaning, name in SPLIT_WRITES.items()}
    if Meaning.WRITE in counts.value:
        split = " + ".join(counts.key[meaning] for meaning in SPLIT_WRITES if counts.of(meaning))
        flat = counts.of(Meaning.WRITE)
        # A zero beside a split is a placeholder.
        rest = less(flat, counts.key[Meaning.WRITE], sum(writes.values()), split) if flat else 0
        writes["cache_write_tokens"] = rest
    return writes


def _cached_keys(counts: _Counts) -> str:
    return " + ".join(counts.key[meaning] for meaning in CACHED if counts.of(meaning))


def _counts(raw: Wire) -> _Counts:
    counts = _Counts()
    for key, value in values_of(raw):
        meaning = meaning_of(key)
        if is_search_size(key) and isinstance(value, str):
            counts.fees.append((REQUEST if value == "high" else f"{REQUEST}_{value}", 1))
        elif meaning is Meaning.REPEATED or value is None or (meaning is Meaning.TOTAL and value == {}):
            continue
        elif meaning is not None:
            counts.add(meaning, key, count_of(key, value))
        elif isinstance(value, list | tuple | Mapping):
            continue
        elif (piece := piece_of(key)) is not None:
            counts.fees.append((piece, count_of(key, value)))
        elif may_count_more(key) and is_count(value) and float(str(value)):
            counts.notes.append(
                f"Usage key '{key}' is not understood, so what it counts may be missing from the bill or "
                "have another price."
            )
    for name, value in raw.items():
        side = side_of(name) if isinstance(value, list | tuple) else None
        # A list may name one modality twice; each entry counts other tokens.
        sums: Counter[str] = Counter()
        for part in entries(value) if side else ():
            modality = str(part.get("modality")).upper()
            if (side, modality) in MODALITIES:
                sums[modality] += count_of(f"{side}.{modality}", part.get("tokenCount") or 0)
        for modality, count in sums.items():
            counts.add(MODALITIES[str(side), modality], f"{side}.{modality}", count)
    return counts

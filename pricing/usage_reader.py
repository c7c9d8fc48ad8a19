"""Reads the usage object of any known source with the table in `usage_dialects`.

The sources disagree on two things that no key shows: whether the prompt's count includes the cached part, and
whether the output's includes reasoning. The caller names the source's convention, but a total in the object
decides: it equals one reading or another. Nothing is clamped, and a key that nobody knows is named.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tokenprof.pricing.usage import Usage, UsageError, add_fees
from tokenprof.pricing.usage_dialects import (
    KEYS_REMEMBERED,
    OPENAI_CHAT,
    RANK,
    REQUEST,
    Convention,
    Meaning,
    canonical,
    is_search_size,
    may_count_more,
    meaning_of,
    piece_of,
)
from tokenprof.pricing.wire_counts import MOST_TOKENS, Wire, count_of, entries, is_count, less

SPLIT_WRITES = {
    Meaning.WRITE_5M: "cache_write_5m_tokens",
    Meaning.WRITE_1H: "cache_write_1h_tokens",
    Meaning.WRITE_30M: "cache_write_30m_tokens",
    Meaning.WRITE_12H: "cache_write_12h_tokens",
}

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
    return _read_plainly(raw, convention) or _read_with_care(raw, convention)


def _read_plainly(raw: Wire, convention: Convention) -> UsageReading | None:
    """Return what `_read_with_care` does of an object without a total, a fee or a contradiction; else None.

    Sources repeat their keys in every turn, so what the keys mean is found out once.
    """
    leaves = _leaves(raw)
    names = _plain_names(convention, tuple([key for key, _ in leaves]))
    if names is None or next(_modalities(raw), None) is not None:
        return None
    counts: dict[str, Any] = {}
    for name, (_, value) in zip(names, leaves, strict=True):
        if name is None:
            continue
        if type(value) is not int or not 0 <= value <= MOST_TOKENS:
            return None
        if name:
            counts[name] = value
        elif value:
            return None
    if written := counts.get("cache_write_tokens"):
        rest = written - sum(counts[name] for name in _SPLIT_NAMES & counts.keys())
        if rest < 0:
            return None
        counts["cache_write_tokens"] = rest
    return UsageReading(Usage(**counts))


@functools.lru_cache(maxsize=KEYS_REMEMBERED)
def _plain_names(convention: Convention, keys: tuple[str, ...]) -> tuple[str | None, ...] | None:
    """Return which field of a usage each key counts: "" if it must be 0, None if it does not matter.

    Returns None if the keys alone do not show what the counts mean.
    """
    names: list[str | None] = []
    for key in keys:
        meaning = meaning_of(key)
        if meaning in _PLAIN and not canonical(key).startswith("in."):
            names.append(_PLAIN[meaning])
        elif is_search_size(key) or meaning not in (None, Meaning.REPEATED):
            return None
        else:
            is_countable = meaning is None and (piece_of(key) or may_count_more(key))
            names.append("" if is_countable else None)
    fields = [name for name in names if name]
    is_clear = len(set(fields)) == len(fields) and {"uncached_input_tokens", "output_tokens"} <= set(fields)
    return tuple(names) if is_clear and not convention.input_includes_cache else None


_SPLIT_NAMES = frozenset(SPLIT_WRITES.values())

_PLAIN = {
    Meaning.PROMPT: "uncached_input_tokens",
    Meaning.READ: "cache_read_tokens",
    Meaning.WRITE: "cache_write_tokens",
    **SPLIT_WRITES,
    Meaning.OUTPUT: "output_tokens",
}
"""What is counted where the prompt's count leaves the cached part out."""


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
    """Return whether the prompt's count includes the cached part, as its keys or else its source show.

    What stands among the details of the prompt is a part of it. Anthropic's own names leave the cache out,
    and a relay may pass them on as they are.
    """
    cached = [counts.key[meaning] for meaning in CACHED if counts.of(meaning)]
    if cached and all(canonical(key).startswith("in.") for key in cached):
        return True
    prompt = counts.key.get(Meaning.PROMPT, "")
    if canonical(prompt) == "inputtokens" and cached and all(map(_is_anthropics, cached)):
        is_foreign = prompt.rpartition(".")[2] != convention.needs[0].rpartition(".")[2]
        is_impossible = counts.of(Meaning.PROMPT) < sum(counts.of(m) for m in (Meaning.READ, Meaning.WRITE))
        return convention.input_includes_cache and not is_foreign and not is_impossible
    return convention.input_includes_cache


CACHED = (Meaning.READ, Meaning.WRITE, *SPLIT_WRITES)


def _is_anthropics(key: str) -> bool:
    return canonical(key).startswith(
        ("cachereadinputtokens", "cachecreationinputtokens", "cachecreation.ephemeral")
    )


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
    for key, value in _leaves(raw):
        meaning = meaning_of(key)
        if is_search_size(key) and isinstance(value, str):
            counts.fees.append((REQUEST if value == "high" else f"{REQUEST}_{value}", 1))
        elif meaning is Meaning.REPEATED or value is None:
            continue
        elif meaning is not None:
            counts.add(meaning, key, count_of(key, value))
        elif (piece := piece_of(key)) is not None:
            counts.fees.append((piece, count_of(key, value)))
        elif may_count_more(key) and is_count(value) and float(str(value)):
            counts.notes.append(
                f"Usage key '{key}' is not understood, so what it counts may be missing from the bill or "
                "have another price."
            )
    for name, entry in _modalities(raw):
        meaning = MODALITIES.get((name, str(entry.get("modality")).upper()))
        if meaning is not None:
            key = f"{name}.{entry.get('modality')}"
            counts.add(meaning, key, counts.of(meaning) + count_of(key, entry.get("tokenCount") or 0))
    return counts


def _leaves(raw: Wire, prefix: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for key, value in raw.items():
        if type(value) is int or type(value) is str:
            found.append((f"{prefix}{key}", value))
        elif type(value) is dict or isinstance(value, Mapping):
            found += _leaves(value, f"{prefix}{key}.")
        elif not isinstance(value, list | tuple):
            found.append((f"{prefix}{key}", value))
        # Lists hold modalities, or iterations that have usage of their own.
    return found


def _modalities(raw: Wire) -> Iterator[tuple[str, Wire]]:
    for key, value in raw.items():
        if not isinstance(value, list | tuple):
            continue
        side = canonical(f"{key}.x").partition(".")[0]
        if side in ("in", "out"):
            for entry in entries(value):
                yield side, entry

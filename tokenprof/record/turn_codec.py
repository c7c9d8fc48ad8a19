"""Turns, and calls that are missing, to and from the attributes of a span in run.jsonl.

`ROWS` has a row per attribute with the fields of `Turn` that it holds, so a new field of a call is written
and read by one more row. What a row cannot hold is handled in `TurnEncoder` and `TurnDecoder`: blocks, which
are written as deltas, tags, and the times, which are those of the span.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final, get_args

import orjson

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.times import seconds_between, utc_from_ns
from tokenprof.facts.types import Problem, ProblemReason, Turn
from tokenprof.facts.version import __version__
from tokenprof.pricing.selectors import Selectors
from tokenprof.record import names
from tokenprof.record.block_codec import (
    BlockDecoder,
    BlockEncoder,
    decode_breakpoints,
    decode_selectors,
    decode_usage,
    encode_breakpoints,
    encode_selectors,
    encode_usage,
    usage_attributes,
)
from tokenprof.record.exchange import Exchange, model_in
from tokenprof.record.otlp import Attribute, line_head, span_line
from tokenprof.record.wire_values import int_of, text_of


@frozen
class AttributeRow:
    """An attribute and the fields of a turn that it holds.

    `encode` takes the values of the fields and returns the attribute's value; None stands for the value
    itself. Nothing is written for values that equal `unset`. `decode` takes the attribute's value and returns
    those of the fields.
    """

    attribute: str
    fields: tuple[str, ...]
    encode: Callable[..., Attribute] | None
    decode: Callable[[Any], tuple[Any, ...]]
    unset: object


def _row(
    field: str,
    attribute: str,
    encode: Callable[[Any], Attribute] | None = None,
    decode: Callable[[Any], Any] | None = None,
    unset: object = None,
) -> AttributeRow:
    return AttributeRow(
        attribute,
        (field,),
        encode,
        lambda value: (decode(value) if decode is not None else value,),
        unset,
    )


def _encode_settings(settings: Mapping[str, str]) -> str:
    return orjson.dumps(dict(settings)).decode()


def _encode_cache_miss(reason: str | None, tokens: int | None) -> str:
    return orjson.dumps({"reason": reason, "tokens": tokens}).decode()


def _decode_cache_miss(text: str) -> tuple[str | None, int | None]:
    miss = orjson.loads(text)
    return miss.get("reason"), miss.get("tokens")


FLAGS = ("output_incomplete", "compacted", "hidden_prefix", "is_fetched")
"""Fields that are true or false; the attribute lists the true ones."""

ROWS = (
    _row("id", names.RESPONSE_ID),
    _row("context", names.CONTEXT),
    _row("parent", names.PARENT_CONTEXT),
    _row("provider", names.PROVIDER),
    _row("requested_model", names.REQUEST_MODEL),
    _row("model", names.RESPONSE_MODEL),
    _row("agent", names.AGENT),
    _row("status", names.STATUS),
    _row("attempts", names.ATTEMPTS, None, int, unset=1),
    _row("ttft_s", names.TTFT_S),
    _row("usage", names.USAGE, encode_usage, decode_usage),
    _row("selectors", names.SELECTORS, encode_selectors, decode_selectors, unset=Selectors()),
    _row("breakpoints", names.BREAKPOINTS, encode_breakpoints, decode_breakpoints, unset=()),
    _row("settings", names.SETTINGS, _encode_settings, orjson.loads),
    _row("output_rest_in", names.OUTPUT_REST_IN),
    _row("seller", names.SELLER),
    _row("notes", names.NOTES, list, tuple, unset=()),
    _row("raw_usage", names.RAW_USAGE),
    _row("stated_usd", names.STATED_USD, str, Decimal),
    _row("cleared_tool_uses", names.CLEARED_TOOL_USES, None, int),
    AttributeRow(
        names.CACHE_MISS,
        ("cache_miss_reason", "cache_missed_tokens"),
        _encode_cache_miss,
        _decode_cache_miss,
        unset=(None, None),
    ),
    AttributeRow(
        names.FLAGS,
        FLAGS,
        lambda *are_set: [name for name, is_set in zip(FLAGS, are_set, strict=True) if is_set],
        lambda flags: tuple(name in flags for name in FLAGS),
        unset=(False,) * len(FLAGS),
    ),
)

_SINGLE = tuple(row for row in ROWS if len(row.fields) == 1)
_SEVERAL = tuple(row for row in ROWS if len(row.fields) > 1)
_values_of_single = attrgetter(*(row.fields[0] for row in _SINGLE))
_values_of_several = tuple(attrgetter(*row.fields) for row in _SEVERAL)
"""Looking fields up row by row takes several times as long."""

UNKNOWN = {"provider": "", "context": "c1", "requested_model": "", "status": "ok", "usage": None}
"""Fields without a default, for a span that lacks their attribute."""


class TurnEncoder:
    """Writes the turns of one file, in order. `run_tags` are written once for the run, not for each turn."""

    def __init__(self, run_tags: Mapping[str, str] | None = None) -> None:
        self._run_tags = dict(run_tags or {})
        self._blocks = BlockEncoder()

    def attributes(self, turn: Turn, base_span: str | None) -> dict[str, Attribute | None]:
        """Return a turn's attributes. `base_span` is the id of the span of its base."""
        written: dict[str, Attribute | None] = {
            row.attribute: value if row.encode is None else row.encode(value)
            for row, value in zip(_SINGLE, _values_of_single(turn), strict=True)
            if value is not None and (row.unset is None or value != row.unset)
        }
        for row, values_of in zip(_SEVERAL, _values_of_several, strict=True):
            values = values_of(turn)
            if values != row.unset and row.encode is not None:
                written[row.attribute] = row.encode(*values)
        if turn.usage is not None:
            written |= usage_attributes(turn.usage)
        written[names.BASE_SPAN] = base_span
        written[names.KEPT] = turn.kept
        written[names.ADDED] = self._blocks.encode(turn.added, whole=base_span is None)
        written[names.OUTPUT] = self._blocks.encode(turn.output)
        for key, value in turn.tags.items():
            if self._run_tags.get(key) != value:
                written[names.TAG_PREFIX + key] = value
        return written


class TurnDecoder:
    """Reads what `TurnEncoder` wrote; one per run of a file, in the order of its lines.

    `run` goes in front of the names of contexts, so that those of several runs stay apart.
    """

    def __init__(self, run: str = "") -> None:
        self._prefix = f"{run}." if run else ""
        self._blocks = BlockDecoder()

    def turn(
        self,
        attributes: Mapping[str, Any],
        *,
        span_id: str,
        started_ns: int,
        ended_ns: int,
        base: int | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Turn:
        """Return the turn of a span. Raises ValueError, TypeError or KeyError if the span does not hold one.

        `base` is the index of the turn that the span names as its base. Without one, only the blocks in the
        span itself are known. `tags` are those of the run.
        """
        found: dict[str, Any] = {**UNKNOWN, "id": span_id}
        for row in ROWS:
            if attributes.get(row.attribute) is not None:
                found |= zip(row.fields, row.decode(attributes[row.attribute]), strict=True)
        found["context"] = self._prefix + found["context"]
        found["parent"] = self._prefix + found["parent"] if found.get("parent") else None
        found["model"] = found.get("model") or found["requested_model"]
        is_cut_off = base is None and bool(attributes.get(names.BASE_SPAN))
        found["hidden_prefix"] = found.get("hidden_prefix", False) or is_cut_off
        return Turn(
            **found,
            started_at=utc_from_ns(started_ns),
            duration_s=seconds_between(started_ns, ended_ns),
            added=self._blocks.decode(attributes.get(names.ADDED, "[]")),
            output=self._blocks.decode(attributes.get(names.OUTPUT, "[]")),
            base=base,
            kept=0 if base is None else int(attributes.get(names.KEPT, 0)),
            tags={**(tags or {}), **tags_of(attributes)},
        )


def tags_of(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags among the attributes of a span or a resource."""
    return {
        key.removeprefix(names.TAG_PREFIX): str(value)
        for key, value in attributes.items()
        if key.startswith(names.TAG_PREFIX)
    }


REASONS: Final[tuple[ProblemReason, ...]] = get_args(ProblemReason)


def problem_attributes(
    exchange: Exchange | None, reason: ProblemReason, error: str = "", calls: int = 1
) -> dict[str, Attribute | None]:
    """Return the attributes of a problem; `exchange` is the call, if one is known."""
    attributes: dict[str, Attribute | None] = {
        names.RECORD: "problem",
        names.FORMAT: names.RUN_FORMAT,
        names.PROBLEM: reason,
        names.PROBLEM_CALLS: calls,
        names.ERROR_TYPE: error or None,
    }
    if exchange is None:
        return attributes
    return attributes | {
        names.PROVIDER: exchange.provider or None,
        names.CLIENT: exchange.client or None,
        names.REQUEST_MODEL: model_in(exchange.request) or None,
        names.CALL: exchange.call or None,
        names.HTTP_STATUS: exchange.status_code,
    }


def unfinished_lines(resource: Mapping[str, Attribute | None], missing: Sequence[Exchange]) -> bytes:
    """Return lines that say that calls are unfinished; a reader ignores those of calls that are there."""
    head = line_head(resource, (names.SCOPE, __version__))
    return b"".join(
        span_line(
            head,
            name="problem",
            trace_id=exchange.trace_id,
            span_id=exchange.span_id,
            parent_span_id="",
            started_ns=exchange.started_ns,
            ended_ns=exchange.ended_ns,
            attributes=problem_attributes(exchange, "unfinished"),
            failed=True,
        )
        for exchange in missing
    )


def problem_of(attributes: Mapping[str, Any], started_ns: int) -> Problem:
    """Return the problem in a span's attributes, or that of an attempt whose bill is unknown."""
    reason = attributes.get(names.PROBLEM, "unknown_bill")
    return Problem(
        reason=reason if reason in REASONS else "interrupted",
        at=utc_from_ns(started_ns),
        calls=int_of(attributes.get(names.PROBLEM_CALLS)) or 1,
        client=text_of(attributes.get(names.CLIENT)),
        provider=text_of(attributes.get(names.PROVIDER)),
        model=text_of(attributes.get(names.REQUEST_MODEL)),
        error=text_of(attributes.get(names.ERROR_TYPE)),
    )

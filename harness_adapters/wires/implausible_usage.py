"""A call whose usage cannot be right becomes a turn without usage, instead of being lost or free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson

from tokenprof.facts.types import Block, TurnStatus
from tokenprof.pricing.usage import Usage, UsageError
from tokenprof.record.exchange import Call, Exchange
from tokenprof.record.wire_values import Wire

LEAST_PROMPT_BYTES = 10_000
"""A prompt of this size takes thousands of tokens, so that a count of 0 is a placeholder."""

NO_OUTPUT_COUNT = "Its usage counts 0 output tokens, but the answer has content; it is counted as unmeasured."
NO_INPUT_COUNT = "Its usage counts 0 input tokens, but a prompt was sent; it is counted as unmeasured."


def call_or_unmeasured(
    call_of: Callable[[Wire], Call],
    answer: Wire,
    usage_key: str,
    tell: Callable[[str], object] | None = None,
) -> Call:
    """Return the call of an answer. If its counts cannot be right, it has no usage.

    Its notes say why, the counts are kept as they were, and `tell` is called with the reason.
    """
    try:
        return plausible(call_of(answer))
    except UsageError as error:
        if tell is not None:
            tell(f"A turn is counted as unmeasured. {error}")
        call = call_of({key: value for key, value in answer.items() if key != usage_key})
        reason = f"It is counted as unmeasured. {error}"
        return replace(call, notes=(*call.notes, reason), raw_usage=raw_json(answer.get(usage_key)))


def plausible(call: Call) -> Call:
    """Return a call; without its usage if what was sent or written shows that a count is a placeholder."""
    reason = implausibility(call.usage, call.prompt, call.output)
    if reason is None or call.output_incomplete:
        return call
    raw = call.raw_usage or _told(call.usage)
    return replace(call, usage=None, notes=(*call.notes, reason), raw_usage=raw)


def implausibility(usage: Usage | None, prompt: Sequence[Block], output: Sequence[Block]) -> str | None:
    """Return why the counts of a call cannot be right; None if they can."""
    if usage is None:
        return None
    if not usage.all_output_tokens and any(block.features.bytes for block in output):
        return NO_OUTPUT_COUNT
    if not usage.input_tokens:
        sent = sum(block.features.bytes for block in prompt)
        if sent >= LEAST_PROMPT_BYTES or (not usage.all_output_tokens and sent and output):
            return NO_INPUT_COUNT
    return None


def unreadable_call(exchange: Exchange, requested_model: str, status: TurnStatus = "partial") -> Call:
    """Return the call of an answer that was given and cannot be read: it may be billed, so it is a turn."""
    return Call(
        response_id=exchange.span_id,
        requested_model=requested_model,
        model=requested_model,
        status=status,
        usage=None,
        prompt=(),
        output_incomplete=True,
        notes=(
            f"The provider answered with status {exchange.status_code}, but the answer cannot be read; it is "
            "counted as unmeasured.",
        ),
    )


def raw_json(value: object) -> str | None:
    """Return a usage object as JSON, to be kept as it was; None without one."""
    if value is None:
        return None
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return repr(value)


def _told(usage: Usage | None) -> str | None:
    return None if usage is None else raw_json(usage.by_class())

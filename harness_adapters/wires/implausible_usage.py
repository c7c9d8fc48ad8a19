"""A call whose usage cannot be right becomes a turn without usage, instead of being lost or free."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import orjson

from tokenprof.facts.types import Block, TurnStatus
from tokenprof.harness_adapters.wires.framing.server_sent_events import JoinedAnswer
from tokenprof.pricing.usage import Usage, UsageError
from tokenprof.pricing.usage_dialects import may_be_billed
from tokenprof.record.call import Call
from tokenprof.record.exchange import Exchange
from tokenprof.record.wire_values import Wire, is_object

LEAST_PROMPT_BYTES = 10_000
"""A prompt of this size takes thousands of tokens, so that a count of 0 is a placeholder."""

LEAST_OUTPUT_CHARS = 1_000
"""An answer of this length takes more tokens than a relay counts that reports each chunk's own."""

NO_OUTPUT_COUNT = "Its usage counts 0 output tokens, but the answer has content; it is counted as unmeasured."
CUT_SHORT = "Its answer ended before its counts; it is counted as unmeasured."
FEW_OUTPUT_TOKENS = (
    "Its usage counts far fewer output tokens than the text of the answer takes; it is counted as unmeasured."
)
FEW_INPUT_TOKENS = (
    "Its usage counts far fewer input tokens than the prompt takes; it is counted as unmeasured."
)
NO_INPUT_COUNT = "Its usage counts 0 input tokens, but a prompt was sent; it is counted as unmeasured."


def call_or_unmeasured(
    call_of: Callable[[Wire], Call],
    answer: Wire,
    usage_key: str,
    tell: Callable[[str], object] | None = None,
    more_notes: Sequence[str] = (),
    sent_bytes: int | None = None,
) -> Call:
    """Return the call of an answer, with `more_notes`. If its counts cannot be right, it has no usage.

    Its notes say why, the counts are kept as they were, and `tell` is called with the reason. `sent_bytes` is
    the size of the whole request, if it is known.
    """
    raw = answer.get(usage_key)
    more_notes = (*(answer.notes if isinstance(answer, JoinedAnswer) else ()), *more_notes)
    try:
        if raw is not None and not is_object(raw):
            kind = _KINDS.get(type(raw), "something else")
            raise UsageError(f"'{usage_key}' should be an object of counts, but it is {kind}.")
        call = plausible(call_of(answer), sent_bytes)
        notes = (*call.notes, *more_notes) if more_notes else call.notes
        if call.usage is None and not call.notes:
            if call.status != "ok":
                notes = (CUT_SHORT, *notes)
            elif (unknown := _unknown_counts(answer)) is not None:
                notes = (f"Its counts may stand under '{unknown}', which is not understood.", *notes)
                call = replace(call, raw_usage=raw_json(answer[unknown]))
        return call if notes == call.notes else replace(call, notes=notes)
    except UsageError as error:
        if tell is not None:
            tell(f"A turn is counted as unmeasured. {error}")
        call = call_of({key: value for key, value in answer.items() if key != usage_key})
        reason = f"It is counted as unmeasured. {error}"
        return replace(call, notes=(*call.notes, reason, *more_notes), raw_usage=raw_json(raw))


def _unknown_counts(answer: Wire) -> str | None:
    """Return a key of an answer without usage that sounds like one; llama.cpp has its own `timings`."""
    names = (key for key, value in answer.items() if isinstance(value, Mapping | int | float) and value)
    return next((key for key in names if may_be_billed(key) or any(w in key.lower() for w in COUNTING)), None)


COUNTING = ("usage", "timings", "stats", "billed")

_KINDS = {str: "text", list: "a list", bool: "true or false", int: "a number", float: "a number"}


def plausible(call: Call, sent_bytes: int | None = None) -> Call:
    """Return a call; without its usage if what was sent or written shows that a count is a placeholder.

    `sent_bytes` is the size of the whole request, if it is known: its prompt has no more characters.
    """
    usage, prompt = call.usage, call.prompt
    counted_tokens = 0 if usage is None else usage.input_tokens
    if sent_bytes is not None and 0 < sent_bytes <= counted_tokens * MOST_CHARS_PER_TOKEN:
        # The blocks of a long prompt need not be added up.
        prompt = ()
    reason = implausibility(usage, prompt, call.output)
    if reason is None or call.output_incomplete:
        return call
    raw = call.raw_usage or _told(call.usage)
    return replace(call, usage=None, notes=(*call.notes, reason), raw_usage=raw)


def implausibility(usage: Usage | None, prompt: Sequence[Block], output: Sequence[Block]) -> str | None:
    """Return why the counts of a call cannot be right; None if they can."""
    if usage is None:
        return None
    input_tokens, output_tokens = usage.input_tokens, usage.all_output_tokens
    if not output_tokens and any(block.features.bytes for block in output):
        return NO_OUTPUT_COUNT
    if _is_too_few(output_tokens, output, LEAST_OUTPUT_CHARS):
        return FEW_OUTPUT_TOKENS
    if prompt and _is_too_few(input_tokens, prompt, LEAST_PROMPT_BYTES):
        return FEW_INPUT_TOKENS
    if not input_tokens:
        sent = sum(block.features.bytes for block in prompt)
        if sent >= LEAST_PROMPT_BYTES or (not output_tokens and sent and output):
            return NO_INPUT_COUNT
    return None


def _is_too_few(tokens: int, blocks: Sequence[Block], least_chars: int) -> bool:
    """Whether texts of `least_chars` or more are longer than any tokenizer could put into so many tokens.

    What may not be in the prompt as it was sent is left out: thinking, deferred tools, pictures, documents.
    """
    shown = 0
    for block in blocks:
        if block.kind not in NOT_AS_SENT and not block.deferred:
            shown += block.features.chars
    return shown >= least_chars and tokens * MOST_CHARS_PER_TOKEN < shown


NOT_AS_SENT = frozenset({"thinking", "image", "document", "server_state"})

MOST_CHARS_PER_TOKEN = 150
"""Vocabularies have no longer entries but runs of one character; English takes 4 or 5 per token."""


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
    """Return a usage object as JSON, to be kept as it was; None without one.

    A damaged answer may hold a text in the place of a count, and texts are not recorded: numbers stay, also
    those written as text, and so do words of `NAMING` keys. The length stands for any other text.
    """
    return None if value is None else orjson.dumps(_without_texts(value)).decode()


NAMING = frozenset({"type", "model", "service_tier", "inference_geo", "speed", "modality", "currency"})

_NUMBER = re.compile(r"[-+]?[0-9]{1,40}(\.[0-9]{1,40})?")
_WORD = re.compile(r"[\w.:@/-]{1,80}")


def _without_texts(value: object, key: str = "") -> object:
    if isinstance(value, Mapping):
        return {_name(name): _without_texts(held, str(name)) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [_without_texts(held, key) for held in value]
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)[:80]
    text = value if isinstance(value, str) else repr(value)
    is_kept = _NUMBER.fullmatch(text) or (key in NAMING and _WORD.fullmatch(text))
    return text if is_kept else _length(text)


def _name(name: object) -> str:
    return str(name) if _WORD.fullmatch(str(name)) else _length(str(name))


def _length(text: str) -> str:
    return f"({len(text):,} character{'' if len(text) == 1 else 's'})"


def _told(usage: Usage | None) -> str | None:
    return None if usage is None else raw_json(usage.by_class())

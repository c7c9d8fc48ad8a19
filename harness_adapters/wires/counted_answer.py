"""A call of any API that has no adapter of its own, by the counts in its answer.

Legacy completions, embeddings, pictures, speech, Cohere, other makers' models on Bedrock and Vertex, and
whatever a proxy passes on: their prompts and answers are one block each, or laid out like those of the API
whose shape they have. What an answer does not count is unmeasured, with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from tokenprof.facts.types import TurnStatus
from tokenprof.harness_adapters.wires.framing.streamed_answer import StreamedAnswer, answer_in
from tokenprof.harness_adapters.wires.implausible_usage import call_or_unmeasured, raw_json
from tokenprof.harness_adapters.wires.openai_chat import completion_of_stream
from tokenprof.harness_adapters.wires.raw_calls import call_of
from tokenprof.pricing.billed_pieces import stated_usd
from tokenprof.pricing.normalise import merge_cumulative
from tokenprof.pricing.usage_dialects import CONVERSE, OPENAI_CHAT, Convention
from tokenprof.pricing.usage_reader import read_usage
from tokenprof.record.block_facts import Shaper, json_text
from tokenprof.record.call import Call, unanswered_call
from tokenprof.record.content_coding import decoded_body, notes_of_request, request_of
from tokenprof.record.exchange import Exchange, model_in, was_answered
from tokenprof.record.wire_values import Wire, mapping, sequence, text_of

HOLDERS = frozenset(
    {"usage", "usageMetadata", "usage_metadata", "token_usage", "tokenUsage"}
    | {"amazon-bedrock-invocationMetrics", "billed_units"}
)
"""The keys under which answers keep their counts."""

COUNTS_ON_TOP = {
    "prompt_eval_count": "input_tokens",
    "eval_count": "output_tokens",
    "prompt_token_count": "input_tokens",
    "generation_token_count": "output_tokens",
    "inputTextTokenCount": "input_tokens",
    "tokenCount": "output_tokens",
}
"""Counts that stand beside the answer: those of Ollama, Llama and Titan."""

COUNTING_HEADERS = {
    "x-amzn-bedrock-input-token-count": "input_tokens",
    "x-amzn-bedrock-output-token-count": "output_tokens",
}

PROMPTS = ("input", "inputs", "prompt", "contents", "message", "inputText", "query", "text", "messages")
"""Where requests have what the model reads."""

FORM = b"--"
"""How a form begins, in which files are sent."""

DEEPEST = 5
LARGEST_TO_PARSE_BYTES = 2**20
"""Answers beyond this are vectors and pictures, whose counts stand at their end."""

NOT_COUNTED = "Its answer has no counts, so what it costs is not known; it is counted as unmeasured."
IN_RESULTS = (
    "It submitted a batch. What its calls cost stands in the batch's results, a file that `report` reads; it "
    "is counted as unmeasured."
)

_MODEL = re.compile(
    r"/(?:model/(?P<aws>.+)/invoke[\w-]*|models/(?P<google>[^/:]+):\w+|"
    r"serving-endpoints/(?P<databricks>[^/]+)/invocations|run/(?P<cloudflare>@.+))$"
)
_FORM_MODEL = re.compile(rb'name="model"\s{1,9}([\w.:/-]{1,100})\s')
_BATCH = re.compile(r"/batches$|:batchGenerateContent$")


def interpret(exchange: Exchange, shaper: Shaper) -> Call | None:
    """Return the call in an exchange; None if its path does not show a call, and neither does its answer."""
    body = request_of(exchange)
    requested = _requested(exchange, body)
    if not was_answered(exchange):
        return None if exchange.is_guess else unanswered_call(requested)
    answer, status = _answer(exchange)
    counts = _counts_of(exchange, answer)
    if exchange.is_guess and not (counts and isinstance(counts, Mapping)):
        return None
    request = {"model": requested, **body}
    uncounted = {key: value for key, value in answer.items() if key != "usage"}
    call = call_or_unmeasured(
        lambda told: _call(exchange, request, {**uncounted, **told}, status, shaper),
        {"usage": counts} if counts != {} else {},
        "usage",
        more_notes=() if exchange.request.startswith(FORM) else notes_of_request(exchange, body),
    )
    if counts == {}:
        note = IN_RESULTS if _BATCH.search(exchange.target) else NOT_COUNTED
        call = replace(call, notes=(*(each for each in call.notes if "ended before" not in each), note))
    return call


def _requested(exchange: Exchange, body: Wire) -> str:
    in_path = _MODEL.search(unquote(exchange.target))
    told = next(filter(None, in_path.groups()), "") if in_path else ""
    named = text_of(body.get("model")) or told.rpartition("/")[2] or model_in(exchange.request)
    form = _FORM_MODEL.search(exchange.request) if not named else None
    return form.group(1).decode() if form else named


def _call(exchange: Exchange, request: Wire, answer: Wire, status: TurnStatus, shaper: Shaper) -> Call:
    known = call_of(request, answer, shaper, otherwise=exchange.span_id)
    if known is not None:
        return replace(known, status=status, output_incomplete=status != "ok")
    raw = mapping(answer.get("usage"))
    read = read_usage(raw, _convention(raw)) if raw else None
    prompt, output = _said(request, PROMPTS), "\n".join(_written(answer))
    blocks: dict[str, Any] = {"role": "user", "opens_message": True, "text": prompt}
    written: dict[str, Any] = {"role": "assistant", "opens_message": True, "text": output}
    requested = text_of(request.get("model"))
    return Call(
        response_id=text_of(answer.get("id")) or text_of(answer.get("response_id")) or exchange.span_id,
        requested_model=requested,
        model=text_of(answer.get("model")) or requested,
        status=status,
        usage=None if read is None else read.usage,
        notes=() if read is None else read.notes,
        raw_usage=raw_json(raw) if read is not None and read.notes else None,
        stated_usd=stated_usd(raw),
        prompt=(shaper.block("user", "prompt", {"prompt": prompt}, **blocks),) if prompt else (),
        output=(shaper.block("output", "text", {"text": output}, **written),) if output else (),
        output_incomplete=status != "ok",
        content={"request": request, "response": answer},
    )


def _convention(raw: Wire) -> Convention:
    """Return what the spelling of counts shows: AWS's own leave the cached part out."""
    return CONVERSE if "inputTokens" in raw else OPENAI_CHAT


def _answer(exchange: Exchange) -> tuple[dict[str, Any], TurnStatus]:
    """Return an answer as one object; empty if it is of another kind, such as sound."""
    data = decoded_body(exchange)
    if len(data) > LARGEST_TO_PARSE_BYTES:
        return _end_of(data), "ok"
    found = answer_in(exchange)
    if not isinstance(found, StreamedAnswer):
        # Cloudflare wraps the answers of models.
        return dict(mapping(mapping(found).get("result")) or mapping(found)), "ok"
    events = list(found.events)
    if any("choices" in event for event in events):
        completion, status = completion_of_stream(events)
        return completion or {}, status
    joined: dict[str, Any] = {}
    for event in events:
        joined.update(event)
    usages = [dict(usage) for event in events for usage in _usages(event)]
    return {**joined, "usage": merge_cumulative(*usages), "text": "".join(_pieces(events))}, "ok"


def _end_of(data: bytes) -> dict[str, Any]:
    """Return the counts at the end of a long answer, without parsing the rest."""
    at = data.rfind(b'"usage"', -4096)
    end = data[at:].partition(b":")[2].lstrip().decode("utf-8", "replace") if at >= 0 else ""
    try:
        return {"usage": json.JSONDecoder().raw_decode(end)[0]}
    except ValueError:
        return {}


def _counts_of(exchange: Exchange, answer: Wire) -> Any:
    """Return the counts of an answer, wherever it has them; empty if it has none."""
    found = merge_cumulative(*_usages(answer))
    if found or answer.get("usage") is not None:
        return found or answer["usage"]
    for holder in (answer, *sequence(answer.get("results"))):
        found |= {key: holder[name] for name, key in COUNTS_ON_TOP.items() if holder.get(name) is not None}
    said = {key: exchange.headers.get(header) for header, key in COUNTING_HEADERS.items()}
    return found or {key: count for key, count in said.items() if count is not None}


def _usages(value: object, depth: int = 0) -> Iterator[Wire]:
    if depth > DEEPEST or not isinstance(value, Mapping):
        return
    for key, held in value.items():
        if key == "billed_units" and isinstance(held, Mapping):
            yield {"billed_units": held}
        elif key in HOLDERS and isinstance(held, Mapping):
            yield held
        else:
            yield from _usages(held, depth + 1)


def _said(request: Wire, names: tuple[str, ...]) -> str:
    held = next((request[name] for name in names if request.get(name)), "")
    return held if isinstance(held, str) else json_text(held)


WRITTEN = frozenset(
    {"text", "content", "completion", "generation", "response", "outputText", "generated_text"}
)
"""Keys under which answers have what the model wrote."""

HOLDING = frozenset({"choices", "message", "output", "outputs", "results", "generations", "delta", "content"})


def _written(value: object, depth: int = 0) -> Iterator[str]:
    """Yield the texts that a model wrote."""
    for item in value if isinstance(value, list) else [value]:
        for key, held in mapping(item).items():
            if key in WRITTEN and isinstance(held, str):
                yield held
            elif key in HOLDING and depth < DEEPEST:
                yield from _written(held, depth + 1)


def _pieces(events: list[Wire]) -> Iterator[str]:
    for event in events:
        yield from _written(event)

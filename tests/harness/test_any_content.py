"""Whatever stands in a request or an answer: the call is recorded and read again, its bill never guessed at.

A host may send anything, and a provider's next release answers what nobody has seen. Each wire's exchange is
changed at random places; a new wire needs a sample here.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from changes import changed

from tokenprof.costing.ledger import build_ledger
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read
from tokenprof.record.exchange import Exchange
from tokenprof.record.recorder import Recorder
from tokenprof.record.wires import WIRES, interpreter_of, wire_of
from tokenprof.testing import Reply, converse
from tokenprof.testing.openai_replies import chat_chunks, completion_body, response_body, response_events
from tokenprof.testing.replies import events, message_body

CHANGES = 60
REPLY = Reply.calls(("look_up", {"word": "one"}), thinking="First one word.", text="I will look.")
SAID = Reply.calls(("look_up", {"word": "one"}), text="I will look.")
SCHEMA = {"type": "object", "properties": {"word": {"type": "string"}}}
PICTURE = "iVBORw0KGgo="


@dataclass(frozen=True)
class Sample:
    """A request, its whole answer, and the events of its streamed one; `framed` puts those into bytes."""

    request: Any
    answer: Any
    streamed: Callable[[Any], Iterator[Any]]
    stream_type: str = "text/event-stream"


def messages() -> Sample:
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 50,
        "cache_creation_input_tokens": 200,
        "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
        "output_tokens": 30,
        "output_tokens_details": {"thinking_tokens": 10},
        "service_tier": "standard",
        "server_tool_use": {"web_search_requests": 1},
        "iterations": [{"type": "message"}],
    }
    marker = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "found"}]}
    picture = {"type": "base64", "media_type": "image/png", "data": PICTURE}
    request = {
        "model": "claude-opus-4-8",
        "tools": [
            {"name": "look_up", "description": "Looks.", "input_schema": SCHEMA, "defer_loading": True}
        ],
        "system": [{"type": "text", "text": "A clerk.", **marker}],
        "messages": [
            {"role": "user", "content": "Look up."},
            {"role": "assistant", "content": list(REPLY.content)},
            {"role": "user", "content": [result, {"type": "image", "source": picture, **marker}]},
            {
                "role": "system",
                "content": [{"type": "text", "text": "<system-reminder>Go on.</system-reminder>"}],
            },
        ],
    }
    return Sample(request, message_body(REPLY, "msg_1", "claude-opus-4-8", usage), events)


def chat() -> Sample:
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120} | {
        "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    answer = completion_body(SAID, "chatcmpl_1", "gpt-5.4", usage)
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}
    request = {
        "model": "gpt-5.4",
        "messages": [
            {"role": "developer", "content": "A clerk."},
            {"role": "user", "content": [{"type": "text", "text": "Look up."}, picture]},
            answer["choices"][0]["message"],
            {"role": "tool", "tool_call_id": "t1", "content": "found"},
        ],
        "tools": [{"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}}],
    }
    return Sample(request, answer, lambda answer: chat_chunks(answer, with_usage=True))


def responses() -> Sample:
    usage = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120} | {
        "input_tokens_details": {"cached_tokens": 10},
        "output_tokens_details": {"reasoning_tokens": 5},
    }
    answer = response_body(REPLY, "resp_1", "gpt-5.4", usage)
    request = {
        "model": "gpt-5.4",
        "instructions": "A clerk.",
        "previous_response_id": "resp_0",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Look up."}]},
            *answer["output"],
            {"type": "function_call_output", "call_id": "c1", "output": "found"},
        ],
        "tools": [{"type": "function", "name": "look_up", "parameters": SCHEMA}, {"type": "web_search"}],
    }
    return Sample(request, answer, response_events)


def gemini() -> Sample:
    call = {"functionCall": {"name": "look_up", "args": {"word": "one"}}}
    said = {"role": "model", "parts": [{"text": "One word.", "thought": True}, {"text": "I look."}, call]}
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 20,
        "candidatesTokenCount": 10,
        "thoughtsTokenCount": 5,
        "totalTokenCount": 115,
        "trafficType": "ON_DEMAND",
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
    }
    answer = {
        "candidates": [{"content": said, "finishReason": "STOP"}],
        "usageMetadata": usage,
        "modelVersion": "gemini-2.5-flash",
        "responseId": "g_1",
    }
    found = {"functionResponse": {"name": "look_up", "response": {"found": 1}}}
    request = {
        "systemInstruction": {"parts": [{"text": "A clerk."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Look up."}, {"inlineData": {"data": PICTURE}}]},
            said,
            {"role": "user", "parts": [found]},
        ],
        "tools": [{"functionDeclarations": [{"name": "look_up", "parameters": SCHEMA}]}],
        "cachedContent": "cachedContents/1",
    }
    return Sample(request, answer, lambda answer: iter([answer, answer]))


def conversation() -> Sample:
    usage = messages().answer["usage"]
    answer = orjson.loads(converse.answer(message_body(REPLY, "msg_1", "m", usage)))
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    result = {"toolResult": {"toolUseId": "t1", "content": [{"json": {"found": 1}}], "status": "success"}}
    picture = {"image": {"format": "png", "source": {"bytes": PICTURE}}}
    request = {
        "system": [{"text": "A clerk."}, point],
        "messages": [
            {"role": "user", "content": [{"text": "Look up."}, picture]},
            answer["output"]["message"],
            {"role": "user", "content": [result, point]},
        ],
        "toolConfig": {"tools": [{"toolSpec": {"name": "look_up", "inputSchema": {"json": SCHEMA}}}, point]},
    }
    return Sample(request, answer, lambda _: iter([]), "application/vnd.amazon.eventstream")


def counted(answer: dict[str, Any], last_event: dict[str, Any] | None = None) -> Sample:
    request = {"model": "m", "input": "Two words.", "max_tokens": 9}
    return Sample(request, answer, lambda answer: iter([last_event or answer]))


USAGE = {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}
LLAMA = {"prompt_token_count": 12, "generation_token_count": 3}
METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 12, "outputTokenCount": 3}}
SAMPLES = (
    ("/v1/messages", messages()),
    ("/v1/chat/completions", chat()),
    ("/v1/responses", responses()),
    ("/v1beta/models/gemini-2.5-flash:generateContent", gemini()),
    ("/v1beta/tunedModels/mine:generateContent", gemini()),
    ("/v1/projects/p/publishers/google/models/gemini-2.5-flash:generateContent", gemini()),
    ("/v1/projects/p/publishers/anthropic/models/claude-opus-4-8:rawPredict", messages()),
    ("/model/us.anthropic.claude-opus-4-8-v1:0/invoke", messages()),
    ("/model/us.amazon.nova-pro-v1:0/converse", conversation()),
    ("/model/meta.llama4-v1:0/invoke", counted(LLAMA, METRICS)),
    ("/v1/projects/p/publishers/meta/models/llama-4:rawPredict", counted({"id": "v_1", "usage": USAGE})),
    ("/v1beta/models/gemini-embedding-001:batchEmbedContents", counted({"usage": USAGE})),
    ("/v1beta/interactions", counted({"id": "i_1", "usage": USAGE})),
    ("/v2/chat", counted({"id": "c_1", "usage": {"billed_units": USAGE, "tokens": USAGE}})),
    ("/serving-endpoints/mine/invocations", counted({"id": "d_1", "usage": USAGE})),
    ("/v1/messages/batches", counted({"id": "b_1", "usage": USAGE})),
    ("/v1/completions", counted({"id": "o_1", "usage": USAGE})),
)
"""A call for every wire."""

CASES = [(wire_of("POST", target), target, sample) for target, sample in SAMPLES]


def test_every_wire_has_a_sample() -> None:
    assert {wire for wire, _, _ in CASES} == set(WIRES)


def plain(value: Any) -> bytes:
    """Return JSON as a provider writes it, large integers included."""
    return json.dumps(value).encode()


def streamed(sample: Sample, chance: random.Random) -> bytes:
    """Return the bytes of a stream whose events were changed, and which may be cut."""
    if sample.stream_type == "text/event-stream":
        told = [changed(event, chance, chance.choice((0, 0, 1))) for event in sample.streamed(sample.answer)]
        frames = [b"data: " + plain(event) + b"\n\n" for event in told]
    else:
        message = message_body(REPLY, "msg_1", "m", messages().answer["usage"])
        frames = [*converse.frames(message)]
        frames.insert(chance.randrange(len(frames)), converse.framed("contentBlockDelta", {"delta": None}))
    return b"".join(frames[: chance.randrange(len(frames)) if chance.random() < 0.3 else None])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("wire", "target", "sample"), CASES, ids=[target for _, target, _ in CASES])
def test_any_exchange_is_recorded_and_read_again(
    wire: Any, target: str, sample: Sample, stream: bool, tmp_path: Path
) -> None:
    chance = random.Random(f"{target} {stream}")
    recorder = Recorder(tmp_path / "run.jsonl")
    for number in range(CHANGES):
        answer = changed(sample.answer, chance, chance.choice((0, 1, 2)))
        exchange = Exchange(
            interpret=interpreter_of(wire),
            provider=wire.provider,
            request=plain(changed(sample.request, chance, chance.choice((0, 1, 2)))),
            started_ns=1_790_000_000 * 10**9 + number * 10**9,
            call=str(number),
            target=target,
        )
        exchange.trace_id, exchange.span_id = f"{number + 1:032x}", f"{number + 1:016x}"
        exchange.status_code, exchange.complete = 200, True
        exchange.ended_ns = exchange.started_ns + 10**8
        exchange.headers = {"content-type": sample.stream_type if stream else "application/json"}
        exchange.body = streamed(sample, chance) if stream else plain(answer)
        # Every response has an id of its own.
        exchange.body = exchange.body.replace(b'_1"', f'_{number}"'.encode())
        recorder.submit(exchange)
    recorder.close()
    assert recorder.problems == 0
    ledger = build_ledger(read([tmp_path / "run.jsonl"]), default_book())
    ledger.check()
    assert len(ledger.run.turns) > CHANGES / 4
    assert any(turn.usage is not None for turn in ledger.run.turns)

"""Exchanges of every wire, recorded without a network, and the run read again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenprof.facts.types import Run
from tokenprof.reading.files import read
from tokenprof.record.exchange import Exchange
from tokenprof.record.recorder import Recorder
from tokenprof.record.wires import interpreter_of, wire_of
from tokenprof.testing import converse

STARTED_NS = 1_790_000_000 * 10**9
JSON = "application/json"
EVENTS = "text/event-stream"
Json = dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """One exchange: the path, the body of the request (None: a GET), and the answer as it came."""

    path: str
    request: Any
    answer: Any
    content_type: str = ""
    host: str = ""
    status: int = 200

    def exchange(self, number: int) -> Exchange:
        """Return it as the recorder gets it; each is a second after the last one."""
        wire = wire_of("GET" if self.request is None else "POST", self.path)
        assert wire is not None, self.path
        exchange = Exchange(
            interpret=interpreter_of(wire),
            provider=wire.provider,
            request=b"" if self.request is None else as_bytes(self.request),
            started_ns=STARTED_NS + number * 10**9,
            call=f"call {number}",
            target=self.path,
            host=self.host,
        )
        exchange.trace_id, exchange.span_id = f"{number + 1:032x}", f"{number + 1:016x}"
        exchange.status_code, exchange.complete = self.status, True
        exchange.ended_ns = exchange.started_ns + 5 * 10**8
        exchange.body = as_bytes(self.answer)
        exchange.headers = {"content-type": self.content_type or _type_of(exchange.body)}
        return exchange


def _type_of(body: bytes) -> str:
    return EVENTS if body.startswith((b"data:", b"event:", b":")) else JSON


def as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def recorded(folder: Path, *sent: Sent) -> Run:
    """Return the run of some exchanges, written and read again."""
    path = folder / "run.jsonl"
    path.unlink(missing_ok=True)
    recorder = Recorder(path)
    for number, one in enumerate(sent):
        recorder.submit(one.exchange(number))
    recorder.close()
    assert recorder.problems == 0
    return read(path)


def events(*payloads: Any, done: bool = False) -> bytes:
    """Return server-sent events; `done` adds the line that ends an OpenAI stream."""
    framed = [b"data: " + as_bytes(payload) + b"\n\n" for payload in payloads]
    return b"".join([*framed, b"data: [DONE]\n\n" if done else b""])


@dataclass(frozen=True)
class WireSample:
    """A wire: a request, a whole answer with a usage, the key of the usage, and a stream of usages.

    `streamed` takes what the chunks of a stream say about usage, in order.
    """

    path: str
    request: Json
    answer: Callable[[Any], Json]
    usage: Json
    streamed: Callable[[Sequence[Json]], bytes] | None
    stream_type: str = EVENTS
    stream_path: str = ""


def messages_answer(usage: Any) -> Json:
    content = [{"type": "text", "text": "It is 4."}]
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8"}
    return {**message, "content": content, "stop_reason": "end_turn", "usage": usage}


def messages_stream(parts: Sequence[Json]) -> bytes:
    start = {**messages_answer(parts[0]), "content": [], "stop_reason": None}
    text = {"type": "text_delta", "text": "It is 4."}
    told = [
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": part} for part in parts[1:]
    ]
    return events(
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": text},
        {"type": "content_block_stop", "index": 0},
        *(told or [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": parts[0]}]),
        {"type": "message_stop"},
    )


def chat_answer(usage: Any) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", "content": "It is 4."}, "finish_reason": "stop"}
    return {
        "id": "c1",
        "object": "chat.completion",
        "model": "gpt-5.4",
        "choices": [choice],
        "usage": usage,
    }


def chat_stream(parts: Sequence[Json]) -> bytes:
    chunk = {"id": "c1", "object": "chat.completion.chunk", "model": "gpt-5.4"}
    text = {**chunk, "choices": [{"index": 0, "delta": {"content": "It is 4."}}]}
    return events(text, *({**chunk, "choices": [], "usage": part} for part in parts), done=True)


def responses_answer(usage: Any) -> Json:
    text = {"type": "output_text", "text": "It is 4."}
    response = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5.4"}
    return {
        **response,
        "output": [{"type": "message", "role": "assistant", "content": [text]}],
        "usage": usage,
    }


def responses_stream(parts: Sequence[Json]) -> bytes:
    names = ["response.in_progress"] * (len(parts) - 1) + ["response.completed"]
    pairs = zip(names, parts, strict=True)
    return events(*({"type": name, "response": responses_answer(part)} for name, part in pairs))


def gemini_answer(usage: Any) -> Json:
    content = {"role": "model", "parts": [{"text": "It is 4."}]}
    told = {"modelVersion": "gemini-2.5-flash", "responseId": "g1", "usageMetadata": usage}
    return {"candidates": [{"content": content, "finishReason": "STOP"}], **told}


def gemini_stream(parts: Sequence[Json]) -> bytes:
    return events(*(gemini_answer(part) for part in parts))


def converse_answer(usage: Any) -> Json:
    message = {"role": "assistant", "content": [{"text": "It is 4."}]}
    return {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}


def converse_stream(parts: Sequence[Json]) -> bytes:
    frames = [
        converse.framed("messageStart", {"role": "assistant"}),
        converse.framed("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "It is 4."}}),
        converse.framed("messageStop", {"stopReason": "end_turn"}),
        *(converse.framed("metadata", {"usage": part}) for part in parts),
    ]
    return b"".join(frames)


SAID = [{"role": "user", "content": "What is 2 + 2?"}]
MESSAGES = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": SAID}
CHAT = {"model": "gpt-5.4", "messages": SAID}
RESPONSES = {"model": "gpt-5.4", "input": "What is 2 + 2?"}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "What is 2 + 2?"}]}]}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "What is 2 + 2?"}]}]}

CLAUDE_USAGE = {
    "input_tokens": 70,
    "cache_read_input_tokens": 900,
    "cache_creation_input_tokens": 60,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 40},
    "output_tokens": 33,
}
CHAT_USAGE = {
    "prompt_tokens": 700,
    "completion_tokens": 90,
    "total_tokens": 790,
    "prompt_tokens_details": {"cached_tokens": 500},
    "completion_tokens_details": {"reasoning_tokens": 50},
}
RESPONSES_USAGE = {
    "input_tokens": 700,
    "input_tokens_details": {"cached_tokens": 500},
    "output_tokens": 90,
    "output_tokens_details": {"reasoning_tokens": 50},
    "total_tokens": 790,
}
GEMINI_USAGE = {
    "promptTokenCount": 700,
    "cachedContentTokenCount": 500,
    "candidatesTokenCount": 40,
    "thoughtsTokenCount": 50,
    "totalTokenCount": 790,
}
CONVERSE_USAGE = {
    "inputTokens": 70,
    "outputTokens": 33,
    "cacheReadInputTokens": 900,
    "cacheWriteInputTokens": 60,
    "totalTokens": 1063,
}

OWN_COUNTS = {"billed_units": {"input_tokens": 700, "output_tokens": 90}}


def cohere_answer(usage: Any) -> Json:
    message = {"role": "assistant", "content": [{"type": "text", "text": "It is 4."}]}
    return {"id": "co1", "finish_reason": "COMPLETE", "message": message, "usage": usage}


def cohere_stream(parts: Sequence[Json]) -> bytes:
    text = {"message": {"content": {"text": "It is 4."}}}
    return events(
        {"type": "content-delta", "delta": text},
        *({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": part}} for part in parts),
    )


def text_answer(usage: Any) -> Json:
    return {"id": "t1", "model": "m", "choices": [{"text": "It is 4.", "index": 0}], "usage": usage}


def nova_answer(usage: Any) -> Json:
    message = {"role": "assistant", "content": [{"text": "It is 4."}]}
    return {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}


def interaction_answer(usage: Any) -> Json:
    return {"id": "i1", "model": "m", "outputs": [{"type": "text", "text": "It is 4."}], "usage": usage}


PROMPT = {"model": "m", "prompt": "What is 2 + 2?"}
TOTALS = {
    "total_input_tokens": 700,
    "total_cached_tokens": 500,
    "total_output_tokens": 90,
    "total_tokens": 790,
}
GOOGLE = "/models/gemini-2.5-flash:"
VERTEX = "/v1/publishers/anthropic/models/claude-opus-4-8:"
BEDROCK = "/model/us.anthropic.claude-opus-4-8-v1:0/"

WIRE_SAMPLES = {
    "messages": WireSample("/v1/messages", MESSAGES, messages_answer, CLAUDE_USAGE, messages_stream),
    "chat": WireSample("/v1/chat/completions", CHAT, chat_answer, CHAT_USAGE, chat_stream),
    "responses": WireSample("/v1/responses", RESPONSES, responses_answer, RESPONSES_USAGE, responses_stream),
    "gemini": WireSample(
        f"/v1beta{GOOGLE}generateContent",
        GEMINI,
        gemini_answer,
        GEMINI_USAGE,
        gemini_stream,
        stream_path=f"/v1beta{GOOGLE}streamGenerateContent",
    ),
    "gemini on vertex": WireSample(
        f"/v1/publishers/google{GOOGLE}generateContent",
        GEMINI,
        gemini_answer,
        GEMINI_USAGE,
        gemini_stream,
        stream_path=f"/v1/publishers/google{GOOGLE}streamGenerateContent",
    ),
    "claude on vertex": WireSample(
        f"{VERTEX}rawPredict",
        MESSAGES,
        messages_answer,
        CLAUDE_USAGE,
        messages_stream,
        stream_path=f"{VERTEX}streamRawPredict",
    ),
    "claude on bedrock": WireSample(f"{BEDROCK}invoke", MESSAGES, messages_answer, CLAUDE_USAGE, None),
    "converse": WireSample(
        f"{BEDROCK}converse",
        CONVERSE,
        converse_answer,
        CONVERSE_USAGE,
        converse_stream,
        stream_type="application/vnd.amazon.eventstream",
        stream_path=f"{BEDROCK}converse-stream",
    ),
    "a tuned model of gemini": WireSample(
        "/v1beta/tunedModels/mine:generateContent", GEMINI, gemini_answer, GEMINI_USAGE, gemini_stream
    ),
    "cohere": WireSample("/v2/chat", CHAT, cohere_answer, OWN_COUNTS, cohere_stream),
    "legacy completion": WireSample("/v1/completions", PROMPT, text_answer, CHAT_USAGE, None),
    "nova on bedrock": WireSample(
        "/model/amazon.nova-pro-v1:0/invoke", CONVERSE, nova_answer, CONVERSE_USAGE, None
    ),
    "mistral on vertex": WireSample(
        "/v1/projects/p/locations/l/publishers/mistralai/models/m:rawPredict",
        CHAT,
        chat_answer,
        CHAT_USAGE,
        chat_stream,
    ),
    "interactions": WireSample("/v1beta/interactions", PROMPT, interaction_answer, TOTALS, None),
    "databricks": WireSample("/serving-endpoints/e/invocations", CHAT, chat_answer, CHAT_USAGE, chat_stream),
}
"""An exchange of every wire. `test_every_wire_has_a_sample` asks for one of a new wire."""

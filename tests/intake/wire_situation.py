"""Situations on the wire: what went over it, what was billed, and what must be said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wire_exchanges import (
    CHAT,
    GEMINI,
    MESSAGES,
    RESPONSES,
    Sent,
    chat_answer,
    events,
    gemini_answer,
    messages_answer,
    responses_answer,
)

Counts = tuple[int, int, int] | None
"""Input, of which read from the cache, and output with reasoning; None: unmeasured."""

CHAT_PATH, MESSAGES_PATH, RESPONSES_PATH = "/v1/chat/completions", "/v1/messages", "/v1/responses"
GEMINI_PATH = "/v1beta/models/gemini-2.5-flash:generateContent"
CONVERSE_PATH = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1:0/converse"


@dataclass(frozen=True)
class Situation:
    """What went over the wire, what it counts, and what must be said (nothing, if `said` is empty)."""

    name: str
    sent: tuple[Sent, ...]
    counts: tuple[Counts, ...]
    said: str = ""
    seller: str | None = None
    usd: str = ""
    fees: tuple[tuple[str, int], ...] = ()
    stated_usd: str = ""


def one(name: str, sent: Sent, counts: Counts, said: str = "", **more: Any) -> Situation:
    return Situation(name, (sent,), (counts,), said, **more)


def chat(usage: Any, host: str = "", **answer: Any) -> Sent:
    return Sent(CHAT_PATH, CHAT, {**chat_answer(usage), **answer}, host=host)


def chunks(*payloads: Any, done: bool = True) -> Sent:
    return Sent(CHAT_PATH, {**CHAT, "stream": True}, events(*payloads, done=done))


def chunk(text: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if text is None else [{"index": 0, "delta": {"content": text}}]
    return {"id": "c1", "model": "gpt-5.4", "choices": choices, **more}


def messages(usage: Any, host: str = "", request: Any = MESSAGES, **answer: Any) -> Sent:
    return Sent(MESSAGES_PATH, request, {**messages_answer(usage), **answer}, host=host)


def start(usage: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {**messages_answer(usage), "content": []}}


TEXT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "It is 4."}}


def end(counted: Any, **delta: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn", **delta}, "usage": counted}


def message_events(*payloads: Any) -> Sent:
    return Sent(MESSAGES_PATH, MESSAGES, events(*payloads))


def iterations(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"input_tokens": 100, "output_tokens": 10, "iterations": [{"type": "message"}, *entries]}


def responses(usage: Any, *output: dict[str, Any], **answer: Any) -> Sent:
    made = responses_answer(usage)
    return Sent(RESPONSES_PATH, RESPONSES, {**made, "output": [*output, *made["output"]], **answer})


def gemini(usage: Any, model: str = "gemini-2.5-flash", **candidate: Any) -> Sent:
    made = gemini_answer(usage)
    told = {**made["candidates"][0], **candidate}
    return Sent(GEMINI_PATH, GEMINI, {**made, "candidates": [told], "modelVersion": model})


PLAIN = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
CLAUDE = {"input_tokens": 100, "output_tokens": 10}
OPENAI = {"input_tokens": 100, "output_tokens": 10}
GOOGLE = {"promptTokenCount": 100, "candidatesTokenCount": 10, "totalTokenCount": 110}
NAMED = "not understood"
NOT_FINAL = "$"
"""Nothing is said in a warning: the count of the output is not final."""

"""Gemini on this machine: `generateContent`, played by a script written for Claude; and what it billed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

from tokenprof.costing.ledger import build_ledger
from tokenprof.facts.types import Run
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read
from tokenprof.testing import Reply

sys.path.append(str(Path(__file__).parent.parent / "harness"))
from http_answers import serving

MODEL = "gemini-2.5-flash"
CACHES_FROM_TOKENS = 1024
OUTPUT_TOKENS, THOUGHT_TOKENS = 20, 10
# In USD per token: fresh, cached, output (thoughts are billed as output).
RATES = Decimal("0.0000003"), Decimal("0.00000003"), Decimal("0.0000025")

Wire = Mapping[str, Any]
Billed = tuple[Wire, int, int]
"""A request, its prompt's tokens, and those of them that were cached."""


class GeminiLoopback:
    """Counts four bytes of JSON a token, and caches what a prompt shares with the one before it."""

    def __init__(self, script: Callable[[Wire, int], Reply]):
        self._script = script
        self._stack = ExitStack()
        self.billed: list[Billed] = []
        self.url = ""

    def __enter__(self) -> GeminiLoopback:
        self.url = self._stack.enter_context(serving(self._answer))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _answer(self, path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        reply = self._script(as_messages(body), len(self.billed))
        tokens = len(text_of(body)) // 4
        before = text_of(self.billed[-1][0]) if self.billed else ""
        pairs = enumerate(zip(before, text_of(body), strict=False))
        shared = next((at for at, (one, other) in pairs if one != other), 0)
        cached = shared // 4 if shared // 4 >= CACHES_FROM_TOKENS else 0
        self.billed.append((body, tokens, cached))
        usage = {
            "promptTokenCount": tokens,
            "cachedContentTokenCount": cached,
            "candidatesTokenCount": OUTPUT_TOKENS,
            "thoughtsTokenCount": THOUGHT_TOKENS,
            "totalTokenCount": tokens + OUTPUT_TOKENS + THOUGHT_TOKENS,
        }
        content = {"role": "model", "parts": [part_of(block) for block in reply.content]}
        answer = {
            "candidates": [{"content": content, "finishReason": "STOP"}],
            "usageMetadata": usage,
            "modelVersion": MODEL,
            "responseId": f"response-{len(self.billed)}",
        }
        data = json.dumps(answer).encode()
        if "stream" in path:
            return 200, "text/event-stream", b"data: " + data + b"\r\n\r\n"
        return 200, "application/json", data


def text_of(body: Wire) -> str:
    return json.dumps([body.get("tools"), body.get("systemInstruction"), body["contents"]])


def as_messages(body: Wire) -> dict[str, Any]:
    """Return as much of a request as the scripts look at, in the terms of Messages."""
    declared = [tool for entry in body.get("tools", ()) for tool in entry["functionDeclarations"]]
    schema = [tool.get("parametersJsonSchema") or tool.get("parameters") or {} for tool in declared]
    tools = [
        {"name": tool["name"], "input_schema": {"properties": {}, **given}}
        for tool, given in zip(declared, schema, strict=True)
    ]
    roles = [{"model": "assistant"}.get(content["role"], "user") for content in body["contents"]]
    return {"tools": tools, "messages": [{"role": role} for role in roles]}


def part_of(block: Wire) -> dict[str, Any]:
    if block["type"] == "tool_use":
        return {"functionCall": {"name": block["name"], "args": block["input"]}}
    return {"text": block["text"]}


def kinds_sent(body: Wire) -> Iterator[str]:
    for entry in body.get("tools", ()):
        yield from ("tool" for _ in entry["functionDeclarations"])
    yield from ("system" for _ in (body.get("systemInstruction") or {}).get("parts", ()))
    for content in body["contents"]:
        for part in content["parts"]:
            if "functionCall" in part:
                yield "tool_call"
            elif "functionResponse" in part:
                yield "tool_result"
            else:
                yield "assistant" if content["role"] == "model" else "user"


def recorded(path: Path, provider: GeminiLoopback, *, transcript: bool = False) -> Run:
    """Return a recording that agrees with its provider in turns, counts, block kinds and money."""
    run = read([path])
    ledger = build_ledger(run, default_book())
    ledger.check()
    for turn, prompt, (body, tokens, cached) in zip(run.turns, run.prompts(), provider.billed, strict=True):
        assert turn.usage is not None
        assert (turn.usage.input_tokens, turn.usage.cache_read_tokens) == (tokens, cached)
        assert (turn.usage.output_tokens, turn.usage.reasoning_tokens) == (OUTPUT_TOKENS, THOUGHT_TOKENS)
        assert [block.kind for block in prompt] == list(kinds_sent(body))
    assert [turn.id for turn in run.turns] == [f"response-{n + 1}" for n in range(len(provider.billed))]
    assert sum(usd for usd in ledger.billed_usd if usd is not None) == bill_by_hand(provider.billed)
    return run


def bill_by_hand(billed: list[Billed]) -> Decimal:
    fresh, read_, output = RATES
    each = (
        (tokens - cached) * fresh + cached * read_ + (OUTPUT_TOKENS + THOUGHT_TOKENS) * output
        for _, tokens, cached in billed
    )
    return sum(each, Decimal(0))

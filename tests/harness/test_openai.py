"""The openai SDK over real HTTP: both APIs, every way of calling, to the token and the cent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest

import tokenprof
from tokenprof.ledger import Ledger, build_ledger
from tokenprof.pricing.book import default_book
from tokenprof.read import read

BOOK = default_book()
MODEL = "gpt-5.4"
TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "description": f"Do {name} with care.", "parameters": {"type": "object"}},
    }
    for name in ("search", "send")
]


class Server(ThreadingHTTPServer):
    """Answers with tool calls and texts; counts by bytes of JSON and caches in steps of 128 tokens."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[dict[str, Any]] = []
        self.usages: list[dict[str, Any]] = []
        self.cached = 0
        self.without_usage = False
        self.failures: list[int] = []
        self.held: dict[str, str] = {}
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def usage(self, text: str, *, chat: bool) -> dict[str, Any]:
        prompt = len(text) // 4
        read_tokens = min(self.cached, prompt) // 128 * 128
        read_tokens = read_tokens if read_tokens >= 1024 else 0
        self.cached = prompt
        names = ("prompt", "completion") if chat else ("input", "output")
        usage = {
            f"{names[0]}_tokens": prompt,
            f"{names[1]}_tokens": 30,
            "total_tokens": prompt + 30,
            f"{names[0]}_tokens_details": {"cached_tokens": read_tokens},
            f"{names[1]}_tokens_details": {"reasoning_tokens": 10},
        }
        self.usages.append({"prompt": prompt, "read": read_tokens})
        return usage


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        body = orjson.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.server.failures:
            self.answer(self.server.failures.pop(), b'{"error": {"message": "busy"}}')
            return
        self.server.bodies.append(body)
        number = len(self.server.bodies)
        if self.path.endswith("/responses"):
            self.answer_responses(body, number)
        else:
            self.answer_chat(body, number)

    def answer(self, status: int, data: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answer_chat(self, body: dict[str, Any], number: int) -> None:
        usage = self.server.usage(orjson.dumps([body.get("tools"), body["messages"]]).decode(), chat=True)
        call = {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": "search", "arguments": '{"q": "x"}'},
        }
        message: dict[str, Any] = {"role": "assistant", "content": "I will look."}
        if number % 4:
            message["tool_calls"] = [call]
        common = {"id": f"chatcmpl-{number}", "created": 1, "model": MODEL, "service_tier": "default"}
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            whole = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
            self.answer(200, orjson.dumps(whole))
            return
        chunk = {**common, "object": "chat.completion.chunk"}
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "I will "}, {"content": "look."}]
        if number % 4:
            deltas += [{"tool_calls": [{**call, "index": 0}]}]
        events = [{**chunk, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        if not self.server.without_usage:
            events.append({**chunk, "choices": [], "usage": usage})
        data = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
        self.answer(200, data + b"data: [DONE]\n\n", "text/event-stream")

    def answer_responses(self, body: dict[str, Any], number: int) -> None:
        new = orjson.dumps(body["input"]).decode()
        said = self.server.held.get(body.get("previous_response_id") or "", "") + new
        head = orjson.dumps([body.get("tools"), body.get("instructions")]).decode()
        usage = self.server.usage(head + said, chat=False)
        text = {"type": "output_text", "text": "I will look.", "annotations": []}
        item = {
            "type": "message",
            "id": f"m{number}",
            "role": "assistant",
            "status": "completed",
            "content": [text],
        }
        id_ = f"resp_{number}"
        self.server.held[id_] = said + orjson.dumps(item).decode()
        response = {
            "id": id_,
            "object": "response",
            "created_at": 1,
            "model": MODEL,
            "status": "completed",
            "output": [item],
            "usage": usage,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "service_tier": "default",
        }
        if not body.get("stream"):
            self.answer(200, orjson.dumps(response))
            return
        events = [
            {
                "type": "response.created",
                "sequence_number": 0,
                "response": {**response, "usage": None, "output": []},
            },
            {"type": "response.completed", "sequence_number": 1, "response": response},
        ]
        data = b"".join(
            f"event: {e['type']}\n".encode() + b"data: " + orjson.dumps(e) + b"\n\n" for e in events
        )
        self.answer(200, data, "text/event-stream")


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.shutdown()
    started.server_close()


def next_messages(messages: list[Any], message: Any) -> None:
    messages.append(message)
    for call in message.get("tool_calls") or []:
        messages.append(
            {"role": "tool", "tool_call_id": call["id"], "content": "a result of some length " * 40}
        )
    if not message.get("tool_calls"):
        messages.append({"role": "user", "content": "go on"})


def chat_loop(client: openai.OpenAI, turns: int, mode: str) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "You are a clerk. " * 300},
        {"role": "user", "content": "go"},
    ]
    for _ in range(turns):
        request: dict[str, Any] = {"model": MODEL, "messages": messages, "tools": TOOLS}
        if mode == "create":
            message = (
                client.chat.completions.create(**request).choices[0].message.model_dump(exclude_none=True)
            )
        elif mode == "raw":
            raw = client.chat.completions.with_raw_response.create(**request)
            message = raw.parse().choices[0].message.model_dump(exclude_none=True)
        else:
            options = {"include_usage": True}
            with client.chat.completions.stream(**request, stream_options=options) as stream:
                stream.until_done()
                message = stream.get_final_completion().choices[0].message.model_dump(exclude_none=True)
        message.pop("parsed", None)
        for call in message.get("tool_calls", []):
            call["function"].pop("parsed_arguments", None)
            call.pop("index", None)
        next_messages(messages, message)


def ledger_of(path: Path) -> Ledger:
    ledger = build_ledger(read([path]), BOOK)
    ledger.check()
    return ledger


def by_hand(server: Server) -> Decimal:
    """gpt-5.4: 2.50 fresh, 0.25 read, 15.00 output, USD per million."""
    total = Decimal(0)
    for usage in server.usages:
        total += (usage["prompt"] - usage["read"]) * Decimal("0.0000025") + usage["read"] * Decimal(
            "0.00000025"
        )
        total += 30 * Decimal("0.000015")
    return total


@pytest.mark.parametrize("mode", ["create", "raw", "stream"])
def test_a_chat_loop_is_recorded_to_the_token_and_the_cent(server: Server, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "run.jsonl"
    with tokenprof.profile(path), openai.OpenAI(api_key="sk-secret", base_url=server.url) as client:
        chat_loop(client, 20, mode)
    ledger = ledger_of(path)
    assert len(ledger.run.turns) == 20
    for turn, usage in zip(ledger.run.turns, server.usages, strict=True):
        assert turn.usage is not None
        assert (turn.usage.input_tokens, turn.usage.cache_read_tokens) == (usage["prompt"], usage["read"])
        assert (turn.usage.output_tokens, turn.usage.reasoning_tokens) == (20, 10)
    assert {turn.context for turn in ledger.run.turns} == {ledger.run.turns[0].context}
    assert sum((usd for usd in ledger.billed_usd if usd is not None), Decimal(0)) == by_hand(server)
    kinds = {placed.block.kind for placed in ledger.attribution.blocks.values()}
    assert {"tool", "system", "user", "assistant", "tool_call", "tool_result", "output"} <= kinds
    assert "sk-secret" not in path.read_text("utf-8")


def test_async_calls_and_copies_of_a_wrapped_client_are_seen_once(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"

    async def ask() -> None:
        async with openai.AsyncOpenAI(api_key="x", base_url=server.url) as client:
            wrapped = tokenprof.wrap(tokenprof.wrap(client))
            messages: list[Any] = [{"role": "user", "content": "hi"}]
            await wrapped.chat.completions.create(model=MODEL, messages=messages)
            await wrapped.with_options(timeout=30).chat.completions.create(model=MODEL, messages=messages)

    with tokenprof.profile(path):
        asyncio.run(ask())
    assert len(read([path]).turns) == 2


def test_a_retry_is_an_attempt_and_a_stream_without_usage_is_unmeasured(
    server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    server.failures, server.without_usage = [500], True
    with tokenprof.profile(path), openai.OpenAI(api_key="x", base_url=server.url) as client:
        messages: list[Any] = [{"role": "user", "content": "hi"}]
        client.chat.completions.create(model=MODEL, messages=messages)
        for _ in client.chat.completions.create(model=MODEL, messages=messages, stream=True):
            pass
    first, second = read([path]).turns
    assert (first.attempts, first.usage is not None) == (2, True)
    assert (second.status, second.usage) == ("ok", None)


@pytest.mark.parametrize("stream", [False, True])
def test_responses_hold_the_whole_context_though_the_request_sends_only_what_is_new(
    server: Server, tmp_path: Path, stream: bool
) -> None:
    path = tmp_path / "run.jsonl"
    with tokenprof.profile(path), openai.OpenAI(api_key="x", base_url=server.url) as client:
        previous = None
        for number in range(8):
            request: dict[str, Any] = {
                "model": MODEL,
                "instructions": "You are a clerk. " * 300,
                "input": f"question {number}: " + "some words " * 60,
                "previous_response_id": previous,
            }
            if stream:
                with client.responses.stream(**request) as events:
                    previous = events.get_final_response().id
            else:
                previous = client.responses.create(**request).id
    ledger = ledger_of(path)
    assert len(ledger.run.turns) == 8
    last = ledger.run.prompts()[-1]
    assert [block.kind for block in last] == ["system"] + ["user", "assistant"] * 7 + ["user"]
    assert len({turn.context for turn in ledger.run.turns}) == 1
    total = sum((usd for usd in ledger.billed_usd if usd is not None), Decimal(0))
    assert total == by_hand(server)


def test_turns_from_before_the_recording_are_one_block_of_known_size(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with openai.OpenAI(api_key="x", base_url=server.url) as client:
        first = client.responses.create(model=MODEL, input="many words " * 2000)
        with tokenprof.profile(path):
            second = client.responses.create(
                model=MODEL, input="and now " * 200, previous_response_id=first.id
            )
            client.responses.create(model=MODEL, input="more", previous_response_id=second.id)
    ledger = ledger_of(path)
    held = [p for p in ledger.attribution.blocks.values() if p.block.kind == "server_state"]
    assert [placed.block.name for placed in held] == ["earlier turns, held by the provider"]
    # The server counts a quarter of a token per byte of what was said before.
    assert held[0].size.tokens == pytest.approx(len("many words " * 2000) / 4, rel=0.05)
    assert [block.kind for block in ledger.run.prompts()[1]] == ["server_state", "user", "assistant", "user"]

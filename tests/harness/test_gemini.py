"""The google-genai SDK over real HTTP: every way of calling, to the token and the cent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from google import genai
from google.genai import types
from http_answers import serving

import tokenprof
from tokenprof.costing.ledger import build_ledger
from tokenprof.harness_adapters.wires.gemini_exchange import joined_chunks
from tokenprof.pricing.book import default_book
from tokenprof.proxy.observe import Observer
from tokenprof.proxy.server import RecordingProxy
from tokenprof.proxy.upstream import upstream_at
from tokenprof.reading.files import read
from tokenprof.record.recorder import Recorder

MODEL = "gemini-2.5-flash"
# gemini-2.5-flash in USD per token: fresh 0.30, cached 0.03, output 2.50 per million.
FRESH_USD, READ_USD, OUTPUT_USD = Decimal("0.0000003"), Decimal("0.00000003"), Decimal("0.0000025")
TOOL = {
    "name": "look_up",
    "description": "Look a word up.",
    "parameters_json_schema": {"type": "object", "properties": {"word": {"type": "string"}}},
}


class Provider:
    """Calls a tool on odd turns and thinks on every one; caches what it has seen from 1,024 tokens on."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.usages: list[dict[str, int]] = []
        self.seen_tokens = 0
        self.fails = 0

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        if self.fails:
            self.fails -= 1
            return (
                503,
                "application/json",
                b'{"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}',
            )
        self.paths.append(path)
        self.bodies.append(body)
        number = len(self.bodies)
        prompt = len(orjson.dumps([body.get("tools"), body.get("systemInstruction"), body["contents"]])) // 4
        read_tokens = min(self.seen_tokens, prompt) if self.seen_tokens >= 1024 else 0
        self.seen_tokens = prompt
        self.usages.append({"prompt": prompt, "read": read_tokens, "candidates": 20, "thoughts": 10})
        usage = {
            "promptTokenCount": prompt,
            "cachedContentTokenCount": read_tokens,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 10,
            "totalTokenCount": prompt + 30,
        }
        parts: list[dict[str, Any]] = [{"text": "I will look "}, {"text": "it up."}]
        if number % 2:
            parts.append({"functionCall": {"name": "look_up", "args": {"word": f"w{number}"}}})
        common = {"modelVersion": MODEL, "responseId": f"response-{number}"}
        if "stream" in path:
            chunks = [
                {**common, "candidates": [{"content": {"parts": [part], "role": "model"}}]} for part in parts
            ]
            chunks[-1]["candidates"][0]["finishReason"] = "STOP"
            chunks[-1]["usageMetadata"] = usage
            data = b"".join(b"data: " + orjson.dumps(chunk) + b"\r\n\r\n" for chunk in chunks)
            return 200, "text/event-stream", data
        candidate = {"content": {"parts": parts, "role": "model"}, "finishReason": "STOP"}
        return (
            200,
            "application/json",
            orjson.dumps({**common, "candidates": [candidate], "usageMetadata": usage}),
        )

    def bill_usd(self) -> Decimal:
        return sum(
            (
                (usage["prompt"] - usage["read"]) * FRESH_USD + usage["read"] * READ_USD + 30 * OUTPUT_USD
                for usage in self.usages
            ),
            Decimal(0),
        )


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def client(provider: Provider) -> Iterator[genai.Client]:
    with serving(provider.answer) as url:
        options = types.HttpOptions(
            base_url=url, retry_options=types.HttpRetryOptions(attempts=2, initial_delay=0)
        )
        yield genai.Client(api_key="secret-key", http_options=options)


def loop(client: genai.Client, turns: int, *, stream: bool) -> None:
    """Ask, answer the model's calls, ask on."""
    contents: list[Any] = [types.Content(role="user", parts=[types.Part(text="What does it mean?")])]
    config = types.GenerateContentConfig(
        system_instruction="You explain words with great care. " * 60,
        tools=[types.Tool(function_declarations=[types.FunctionDeclaration(**TOOL)])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    for _ in range(turns):
        request: Any = {"model": MODEL, "contents": contents, "config": config}
        parts: list[Any] = []
        if stream:
            for chunk in client.models.generate_content_stream(**request):
                parts += chunk.candidates[0].content.parts  # type: ignore[index,union-attr,operator]
        else:
            parts = client.models.generate_content(**request).candidates[0].content.parts  # type: ignore
        contents.append(types.Content(role="model", parts=parts))
        if any(part.function_call for part in parts):
            result = types.Part.from_function_response(name="look_up", response={"meaning": "a thing " * 30})
            contents.append(types.Content(role="user", parts=[result]))
        else:
            contents.append(types.Content(role="user", parts=[types.Part(text="And another word?")]))


@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_is_recorded_to_the_token_and_the_cent(
    client: genai.Client, provider: Provider, tmp_path: Path, stream: bool
) -> None:
    path = tmp_path / "run.jsonl"
    with tokenprof.profile(path):
        loop(client, 12, stream=stream)
    ledger = build_ledger(read([path]), default_book())
    ledger.check()
    assert len(ledger.run.turns) == 12
    for turn, usage in zip(ledger.run.turns, provider.usages, strict=True):
        assert turn.usage is not None
        assert (turn.usage.input_tokens, turn.usage.cache_read_tokens) == (usage["prompt"], usage["read"])
        assert (turn.usage.output_tokens, turn.usage.reasoning_tokens) == (20, 10)
    assert {(turn.provider, turn.model) for turn in ledger.run.turns} == {("gcp.gemini", MODEL)}
    assert {turn.context for turn in ledger.run.turns} == {ledger.run.turns[0].context}
    assert sum((usd for usd in ledger.billed_usd if usd is not None), Decimal(0)) == provider.bill_usd()
    kinds = [block.kind for block in ledger.run.prompts()[-1]]
    assert kinds[:3] == ["tool", "system", "user"]
    assert {"assistant", "tool_call", "tool_result"} <= set(kinds)
    assert "secret-key" not in path.read_text("utf-8")


def test_wrapped_and_asynchronous_clients_are_seen_once_and_a_retry_is_an_attempt(
    client: genai.Client, provider: Provider, tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    wrapped = tokenprof.wrap(tokenprof.wrap(client))
    provider.fails = 1

    async def ask() -> None:
        await wrapped.aio.models.generate_content(model=MODEL, contents="hello")
        async for chunk in await wrapped.aio.models.generate_content_stream(model=MODEL, contents="hello"):
            assert chunk.response_id == "response-3"
        await wrapped.aio.aclose()

    with tokenprof.profile(path):
        wrapped.models.generate_content(model=MODEL, contents="hello")
        asyncio.run(ask())
    run = read([path])
    assert [(turn.attempts, turn.usage is not None) for turn in run.turns] == [
        (2, True),
        (1, True),
        (1, True),
    ]
    assert not run.warnings


def test_calls_through_the_proxy_are_recorded_alike(provider: Provider, tmp_path: Path) -> None:
    live, proxied = tmp_path / "live.jsonl", tmp_path / "proxied.jsonl"
    recorder = Recorder(proxied)
    with serving(provider.answer) as url:
        proxy = RecordingProxy({"/gcp.gemini": upstream_at(url)}, Observer(recorder))
        with proxy, tokenprof.profile(live):
            options = types.HttpOptions(base_url=proxy.url("/gcp.gemini"))
            client = genai.Client(api_key="secret-key", http_options=options)
            loop(client, 3, stream=True)
            loop(client, 3, stream=False)
    recorder.close()
    seen, passed = read([live]), read([proxied])
    assert len(seen.turns) == 6
    assert [turn.usage for turn in seen.turns] == [turn.usage for turn in passed.turns]
    assert [turn.model for turn in seen.turns] == [turn.model for turn in passed.turns]
    assert seen.prompts() == passed.prompts()
    assert "secret-key" not in proxied.read_text("utf-8")


def test_cached_content_is_a_block_before_everything(
    client: genai.Client, provider: Provider, tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    with tokenprof.profile(path):
        config = types.GenerateContentConfig(cached_content="cachedContents/abc")
        client.models.generate_content(model=MODEL, contents="hello", config=config)
    (prompt,) = read([path]).prompts()
    assert (prompt[0].kind, prompt[0].name) == ("server_state", "cached content")


def test_a_client_of_another_library_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"google\.genai\.Client, not google\.genai\.types\.Part"):
        tokenprof.wrap(types.Part(text="no client"))


def test_a_stream_without_a_reason_to_finish_is_partial_and_a_list_is_a_stream_too() -> None:
    text = {
        "candidates": [{"content": {"parts": [{"text": "so "}]}}],
        "usageMetadata": {"promptTokenCount": 3},
    }
    end = {"candidates": [{"content": {"parts": [{"text": "far"}]}, "finishReason": "STOP"}]}
    assert joined_chunks([text])[1] == "partial"
    answer, status = joined_chunks([text, end])
    assert status == "ok"
    assert answer is not None
    assert answer["candidates"] == [{"content": {"role": "model", "parts": [{"text": "so far"}]}}]
    assert joined_chunks([]) == (None, "error")
    blocked, status = joined_chunks([{"promptFeedback": {"blockReason": "SAFETY"}}])
    assert (blocked is not None, status) == (True, "ok")

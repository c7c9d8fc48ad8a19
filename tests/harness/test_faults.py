"""What goes wrong on the way: the client sees just what it would have seen without us, by each live path."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import boto3
import httpx
import httpx2
import openai
import pytest
from botocore.config import Config
from botocore.retries.standard import ExponentialBackoff

import tokenprof
from tokenprof.proxy.observe import Observer
from tokenprof.proxy.server import RecordingProxy
from tokenprof.proxy.upstream import upstream_at
from tokenprof.reading.files import read
from tokenprof.record.recorder import Recorder
from tokenprof.testing import LoopbackProvider, OpenAILoopback, Reply

pytestmark = pytest.mark.slow

TEXT = Reply.text("So it is written, a little at a time, until it has all been said. " * 3)
FAULTS: dict[str, list[Reply]] = {
    "429": [Reply.error(429)] * 2,
    "529": [Reply.error(529)] * 2,
    "500, then an answer": [Reply.error(500), TEXT],
    "400": [Reply.error(400)],
    "cut at once": [TEXT.cut(0)] * 2,
    "cut before a word": [TEXT.cut(2)] * 2,
    "cut": [TEXT.cut(4)] * 2,
    "an error in the stream": [replace(TEXT, error_after_events=4)] * 2,
    "no usage": [replace(TEXT, without_usage=True)],
    "slow": [replace(TEXT, delay_s=0.2)],
}

Seen = list[Any]
MESSAGES: Any = [{"role": "user", "content": "hello"}]
IDS = re.compile(r"\d{5,}|127\.0\.0\.1:\d+|0x[0-9a-f]+")


def told(value: object) -> str:
    """Return what a value shows, less the numbers that differ from one run to the next."""
    dump = getattr(value, "model_dump_json", None)
    return IDS.sub("N", dump() if dump else str(value))


def outcome(call: Callable[[Seen], None]) -> Seen:
    """Return all that a call yields, and how it ends."""
    seen: Seen = []
    try:
        call(seen)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the client sees
        # The cause may be of the HTTP library; it belongs to what the client can see.
        seen.append((type(error), getattr(error, "status_code", None), told(error), type(error.__cause__)))
    return seen


def anthropic_whole(url: str, seen: Seen) -> None:
    with anthropic.Anthropic(api_key="x", base_url=url, max_retries=1) as client:
        seen.append(told(client.messages.create(model="claude-opus-4-8", max_tokens=9, messages=MESSAGES)))


def anthropic_stream(url: str, seen: Seen) -> None:
    with anthropic.Anthropic(api_key="x", base_url=url, max_retries=1) as client:
        for event in client.messages.create(
            model="claude-opus-4-8", max_tokens=9, messages=MESSAGES, stream=True
        ):
            seen.append(told(event))


def anthropic_async(url: str, seen: Seen) -> None:
    async def ask() -> None:
        client = anthropic.AsyncAnthropic(api_key="x", base_url=url, max_retries=1)
        request = client.messages.stream(model="claude-opus-4-8", max_tokens=9, messages=MESSAGES)
        async with client, request as stream:
            async for event in stream:
                seen.append(told(event))

    asyncio.run(ask())


def by_hand(library: Any) -> Callable[[str, Seen], None]:
    def ask(url: str, seen: Seen) -> None:
        body = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": MESSAGES, "stream": True}
        with library.Client() as client, client.stream("POST", f"{url}/v1/messages", json=body) as response:
            seen.append((response.status_code, response.headers.get("content-type")))
            pieces = []
            try:
                for piece in response.iter_bytes():
                    pieces.append(piece)
            finally:
                seen.append(told(b"".join(pieces).decode()))

    return ask


def openai_chat(url: str, seen: Seen) -> None:
    with openai.OpenAI(api_key="x", base_url=url, max_retries=1) as client:
        seen.append(told(client.chat.completions.create(model="gpt-5.4", messages=MESSAGES)))


def openai_chat_stream(url: str, seen: Seen) -> None:
    with openai.OpenAI(api_key="x", base_url=url, max_retries=1) as client:
        for event in client.chat.completions.create(model="gpt-5.4", messages=MESSAGES, stream=True):
            seen.append(told(event))


def openai_responses_async(url: str, seen: Seen) -> None:
    async def ask() -> None:
        async with openai.AsyncOpenAI(api_key="x", base_url=url, max_retries=1) as client:
            async for event in await client.responses.create(model="gpt-5.4", input="hello", stream=True):
                seen.append(told(event))

    asyncio.run(ask())


Client = tuple[Callable[[str, Seen], None], type[LoopbackProvider] | type[OpenAILoopback]]


def aiohttp_by_hand(url: str, seen: Seen) -> None:
    async def ask() -> None:
        body = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": MESSAGES, "stream": True}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}/v1/messages", json=body) as response,
        ):
            seen.append((response.status, response.headers.get("content-type")))
            pieces = []
            try:
                async for piece in response.content.iter_any():
                    pieces.append(piece)
            finally:
                seen.append(told(b"".join(pieces).decode()))

    asyncio.run(ask())


def bedrock(url: str) -> Any:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    retries = Config(retries={"max_attempts": 2, "mode": "standard"})
    return boto3.client("bedrock-runtime", endpoint_url=url, config=retries, **keys)


CONVERSATION = {"modelId": "claude-opus-4-8", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}


def converse(url: str, seen: Seen) -> None:
    seen.append(bedrock(url).converse(**CONVERSATION)["output"])


def converse_stream(url: str, seen: Seen) -> None:
    with closing(bedrock(url).converse_stream(**CONVERSATION)["stream"]) as stream:
        seen.extend(stream)


CLIENTS: dict[str, Client] = {
    "anthropic": (anthropic_whole, LoopbackProvider),
    "anthropic, streamed": (anthropic_stream, LoopbackProvider),
    "anthropic, asynchronous": (anthropic_async, LoopbackProvider),
    "httpx": (by_hand(httpx), LoopbackProvider),
    "httpx2": (by_hand(httpx2), LoopbackProvider),
    "aiohttp": (aiohttp_by_hand, LoopbackProvider),
    "boto3": (converse, LoopbackProvider),
    "boto3, streamed": (converse_stream, LoopbackProvider),
    "openai, chat": (openai_chat, OpenAILoopback),
    "openai, chat streamed": (openai_chat_stream, OpenAILoopback),
    "openai, responses, asynchronous": (openai_responses_async, OpenAILoopback),
}


@contextmanager
def profiled(url: str, path: Path) -> Iterator[str]:
    with tokenprof.profile(path):
        yield url


@contextmanager
def through_the_proxy(url: str, path: Path) -> Iterator[str]:
    recorder = Recorder(path)
    with RecordingProxy({"": upstream_at(url)}, Observer(recorder)) as proxy:
        yield proxy.url()
    recorder.close()
    assert recorder.problems == 0


@pytest.fixture(autouse=True)
def _try_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No client pauses before it tries again."""
    for library in (anthropic, openai):
        monkeypatch.setattr(library._base_client, "INITIAL_RETRY_DELAY", 0.0)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda backoff, context: 0.0)


@functools.cache
def bare(client: str, fault: str) -> tuple[Seen, int]:
    """Return what a client sees of a fault without us, and how often it asks."""
    ask, provider_class = CLIENTS[client]
    with provider_class(FAULTS[fault]) as provider:
        return outcome(lambda found: ask(provider.url, found)), len(provider.log)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("way", [profiled, through_the_proxy])
def test_a_fault_looks_to_the_client_as_it_would_without_us(
    way: Any, client: str, fault: str, tmp_path: Path
) -> None:
    ask, provider_class = CLIENTS[client]
    with provider_class(FAULTS[fault]) as provider, way(provider.url, tmp_path / "run.jsonl") as url:
        seen = outcome(lambda found: ask(url, found))
    assert seen
    assert (seen, len(provider.log)) == bare(client, fault)
    run = read([tmp_path / "run.jsonl"])
    turns = {turn.id: turn for turn in run.turns}
    # What was cut before its first event has shown no response to bill.
    shown = {call.response_id: call for call in provider.billed if call.response_id in turns}
    assert turns.keys() == shown.keys()
    if "cut at once" not in fault:
        assert len(shown) == len(provider.billed)
    for id_, call in shown.items():
        assert turns[str(id_)].status == {"ok": "ok", "cut": "partial", "error": "error"}[call.status]

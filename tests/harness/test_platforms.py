"""Claude on Bedrock and Vertex through the SDK's own clients: counts, classes, blocks, the seller's price."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import boto3
import httpx2
import orjson
import pytest
from http_answers import serving

import tokenprof
from tokenprof.costing.ledger import build_ledger
from tokenprof.harness_adapters.clients.anthropic_sdk import seller_of
from tokenprof.harness_adapters.wires.framing.aws_eventstream import eventstream_payloads
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider, Reply
from tokenprof.testing.converse import framed
from tokenprof.testing.replies import events, frame, message_body

BEDROCK_MODEL = "us.anthropic.claude-opus-4-8-v1:0"
VERTEX_MODEL = "claude-opus-4-8"
SYSTEM = [{"type": "text", "text": "You are a clerk. " * 900, "cache_control": {"type": "ephemeral"}}]


def message_of_stream(data: bytes) -> bytes:
    """Frame an event of a Messages stream as InvokeModel sends it."""
    return framed("chunk", {"bytes": b64encode(data).decode(), "p": "abc"})


class Platform:
    """A loopback provider with the paths of a cloud."""

    def __init__(self) -> None:
        self.provider = LoopbackProvider([Reply.text(f"answer {n}") for n in range(20)])
        self.paths: list[str] = []
        self.usages: list[dict[str, Any]] = []

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        self.paths.append(path)
        reply = self.provider.next_reply(body)
        response_id, usage, _ = self.provider.bill({**body, "model": VERTEX_MODEL}, reply)
        self.usages.append(usage)
        message = message_body(reply, response_id, VERTEX_MODEL, usage)
        if path.endswith("invoke-with-response-stream"):
            data = b"".join(message_of_stream(orjson.dumps(event)) for event in events(message))
            return 200, "application/vnd.amazon.eventstream", data
        if body.get("stream") or "stream" in path:
            return 200, "text/event-stream", b"".join(frame(event) for event in events(message))
        return 200, "application/json", orjson.dumps(message)


def bedrock(url: str) -> Any:
    return anthropic.AnthropicBedrock(
        aws_access_key="a", aws_secret_key="b", aws_region="us-east-1", base_url=url, max_retries=0
    )


def vertex(url: str) -> Any:
    return anthropic.AnthropicVertex(
        access_token="a", project_id="p", region="global", base_url=f"{url}/v1", max_retries=0
    )


@contextmanager
def running() -> Iterator[tuple[Platform, str]]:
    platform = Platform()
    with serving(platform.answer) as url:
        yield platform, url


def talk(client: Any, model: str, *, stream: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": "hello"}]
    for _ in range(4):
        request: dict[str, Any] = {
            "model": model,
            "max_tokens": 100,
            "system": SYSTEM,
            "messages": messages,
        }
        if stream:
            with client.messages.stream(**request) as said:
                message = said.get_final_message()
        else:
            message = client.messages.create(**request)
        messages.append({"role": "assistant", "content": message.content[0].text})
        messages.append({"role": "user", "content": "go on"})


# Opus 4.8 in USD per token: fresh 5, read 0.5, 5-minute write 6.25, output 25 per million, on Bedrock in a
# region a tenth more.
PRICES = [Decimal("0.000005"), Decimal("0.0000005"), Decimal("0.00000625"), Decimal("0.000025")]
COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("make", "model", "seller", "factor"),
    [
        (bedrock, BEDROCK_MODEL, "aws.bedrock", Decimal("1.1")),
        (vertex, VERTEX_MODEL, "gcp.vertex_ai", Decimal(1)),
    ],
)
def test_a_platforms_calls_are_billed_at_its_price(
    make: Callable[[str], Any], model: str, seller: str, factor: Decimal, stream: bool, tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    with running() as (platform, url), tokenprof.profile(path):
        talk(make(url), model, stream=stream)
    ledger = build_ledger(read([path]), default_book())
    ledger.check()
    turns = ledger.run.turns
    assert {(turn.provider, turn.model, turn.requested_model) for turn in turns} == {(seller, model, model)}
    by_hand = sum(
        (usage[name] * usd for usage in platform.usages for name, usd in zip(COUNTS, PRICES, strict=True)),
        Decimal(0),
    )
    assert sum((usd for usd in ledger.billed_usd if usd is not None), Decimal(0)) == by_hand * factor
    assert sum(turn.usage.cache_read_tokens for turn in turns if turn.usage) > 0
    assert {block.kind for block in ledger.run.prompts()[-1]} == {"system", "user", "assistant"}


SDK_CLIENTS = [
    getattr(anthropic, name) for name in dir(anthropic) if "Anthropic" in name and not name.endswith("Error")
]


@pytest.mark.parametrize("client_class", SDK_CLIENTS)
def test_who_sells_a_clients_calls_is_what_the_sdk_says_itself(client_class: type) -> None:
    assert seller_of(client_class) == getattr(client_class, "_gen_ai_provider_name", seller_of(client_class))
    assert seller_of(type("OurClient", (client_class,), {})) == seller_of(client_class)


@pytest.mark.parametrize(
    ("path", "seller", "model"),
    [
        ("/model/us.anthropic.claude-opus-4-8-v1%3A0/invoke", "aws.bedrock", BEDROCK_MODEL),
        (
            "/v1/projects/p/locations/global/publishers/anthropic/models/claude-opus-4-8:streamRawPredict",
            "gcp.vertex_ai",
            VERTEX_MODEL,
        ),
    ],
)
def test_a_platforms_calls_by_hand_are_seen_where_their_bytes_pass(
    path: str, seller: str, model: str, tmp_path: Path
) -> None:
    body = {"anthropic_version": "x", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
    recording = tmp_path / "run.jsonl"
    with running() as (_, url), tokenprof.profile(recording), httpx2.Client() as client:
        assert client.post(url + path, json=body).status_code == 200
    (turn,) = read([recording]).turns
    assert (turn.provider, turn.model, turn.usage is not None) == (seller, model, True)


@pytest.mark.parametrize("stream", [False, True])
def test_invoke_model_of_boto3_is_seen_however_its_body_is_read(stream: bool, tmp_path: Path) -> None:
    body = {"anthropic_version": "x", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
    request = {"modelId": BEDROCK_MODEL, "body": orjson.dumps(body)}
    readings: list[Callable[[Any], Any]] = [
        lambda body: body.read(),
        lambda body: b"".join(body.iter_chunks(7)),
        lambda body: b"".join(body.iter_lines()),
        lambda body: b"".join(body.readlines()),
        lambda body: body.readinto(bytearray(10_000)),
    ]
    with running() as (_, url), tokenprof.profile(tmp_path / "run.jsonl"):
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
        client = boto3.client("bedrock-runtime", endpoint_url=url, **keys)
        if stream:
            answer = client.invoke_model_with_response_stream(**request)
            assert all("bytes" in event["chunk"] for event in answer["body"])
        else:
            for reading in readings:
                reading(client.invoke_model(**request)["body"])
    turns = read([tmp_path / "run.jsonl"]).turns
    assert [turn.status for turn in turns] == ["ok"] * (1 if stream else len(readings))
    assert all(turn.usage is not None for turn in turns)


def test_a_half_message_of_an_event_stream_is_left_out() -> None:
    whole = message_of_stream(b'{"type": "ping"}')
    assert list(eventstream_payloads(whole + whole[:-3])) == [{"type": "ping"}]
    assert list(eventstream_payloads(b"\0" * 40)) == []

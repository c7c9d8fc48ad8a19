"""Bedrock through boto3 over real HTTP: Converse and InvokeModel, streamed or not, to the token and cent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest
from aws_frames import framed
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from http_answers import serving
from test_platforms import BEDROCK_MODEL, COUNTS, PRICES, Platform

import tokenprof
from tokenprof.harness_adapters.converse_shapes import as_message, as_messages_request
from tokenprof.ledger import build_ledger
from tokenprof.pricing.book import default_book
from tokenprof.read import read
from tokenprof.testing import LoopbackProvider, Reply

POINT = {"cachePoint": {"type": "default", "ttl": "1h"}}
TOOL = {"name": "look_up", "description": "Look a word up.", "inputSchema": {"json": {"type": "object"}}}
REPLIES = [
    Reply.calls(("look_up", {"word": "one"}), thinking="One word first.", text="I will look."),
    Reply.calls(("look_up", {"word": "two"})),
    Reply.text("Both are found."),
]


class ConversePlatform:
    """A loopback Bedrock: Claude behind Converse, billed as the Messages request that it stands for."""

    def __init__(self) -> None:
        self.provider = LoopbackProvider(list(REPLIES))
        self.usages: list[dict[str, Any]] = []
        self.fault = ""

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        if self.fault == "throttled":
            self.fault = ""
            return 429, "application/json", b'{"message": "Too many requests"}'
        reply = self.provider.next_reply(body)
        _, usage, _ = self.provider.bill(self.as_claude_is_asked(body), reply)
        self.usages.append(usage)
        content = [self.as_converse(block) for block in reply.content]
        counts = {
            "inputTokens": usage["input_tokens"],
            "outputTokens": usage["output_tokens"],
            "cacheReadInputTokens": usage["cache_read_input_tokens"],
            "cacheWriteInputTokens": usage["cache_creation_input_tokens"],
            "totalTokens": sum(usage[name] for name in COUNTS),
            "cacheDetails": [{"ttl": "1h", "inputTokens": usage["cache_creation_input_tokens"]}],
        }
        if path.endswith("converse-stream"):
            return 200, "application/vnd.amazon.eventstream", b"".join(self.streamed(content, counts))
        answer = {"output": {"message": {"role": "assistant", "content": content}}, "usage": counts}
        return 200, "application/json", orjson.dumps({**answer, "stopReason": "end_turn", "metrics": {}})

    def streamed(self, content: list[dict[str, Any]], counts: dict[str, Any]) -> Iterator[bytes]:
        yield framed("messageStart", {"role": "assistant"})
        for index, block in enumerate(content):
            at = {"contentBlockIndex": index}
            if "toolUse" in block:
                start = {key: block["toolUse"][key] for key in ("toolUseId", "name")}
                yield framed("contentBlockStart", {**at, "start": {"toolUse": start}})
                arguments = orjson.dumps(block["toolUse"]["input"]).decode()
                for part in (arguments[:5], arguments[5:]):
                    yield framed("contentBlockDelta", {**at, "delta": {"toolUse": {"input": part}}})
            elif "reasoningContent" in block:
                thought = block["reasoningContent"]["reasoningText"]
                for key in ("text", "signature"):
                    yield framed(
                        "contentBlockDelta", {**at, "delta": {"reasoningContent": {key: thought[key]}}}
                    )
            else:
                for part in (block["text"][:4], block["text"][4:]):
                    yield framed("contentBlockDelta", {**at, "delta": {"text": part}})
            yield framed("contentBlockStop", at)
        if self.fault == "cut":
            return
        if self.fault == "broken":
            yield framed("modelStreamErrorException", {"message": "It broke"}, "exception")
            return
        yield framed("messageStop", {"stopReason": "end_turn"})
        yield framed("metadata", {"usage": counts, "metrics": {"latencyMs": 1}})

    @staticmethod
    def as_converse(block: Any) -> dict[str, Any]:
        if block["type"] == "tool_use":
            return {"toolUse": {"toolUseId": block["id"], "name": block["name"], "input": block["input"]}}
        if block["type"] == "thinking":
            thought = {"text": block["thinking"], "signature": block["signature"]}
            return {"reasoningContent": {"reasoningText": thought}}
        return {"text": block["text"]}

    @staticmethod
    def as_claude_is_asked(body: dict[str, Any]) -> dict[str, Any]:
        """Only what this test sends; written apart from what it tests."""
        cached = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
        messages: list[dict[str, Any]] = []
        for message in body["messages"]:
            content: list[dict[str, Any]] = []
            for block in message["content"]:
                if "cachePoint" in block:
                    content[-1] |= cached
                else:
                    content.append({"type": "text", "text": orjson.dumps(block).decode()})
            messages.append({"role": message["role"], "content": content})
        return {
            "model": "claude-opus-4-8",
            "system": [{"type": "text", "text": body["system"][0]["text"], **cached}],
            "tools": [{"name": "look_up", "input_schema": {"type": "object"}}],
            "messages": messages,
        }


def bedrock(url: str) -> Any:
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret-key",
        config=Config(retries={"max_attempts": 2, "mode": "standard"}),
    )


def whole(client: Any, request: dict[str, Any]) -> list[Any]:
    return list(client.converse(**request)["output"]["message"]["content"])


def streamed(client: Any, request: dict[str, Any]) -> list[Any]:
    blocks: dict[int, dict[str, Any]] = {}
    for event in client.converse_stream(**request)["stream"]:
        if "contentBlockStart" in event:
            start = event["contentBlockStart"]
            blocks[start["contentBlockIndex"]] = {"toolUse": {**start["start"]["toolUse"], "input": ""}}
        if "contentBlockDelta" in event:
            index, delta = (
                event["contentBlockDelta"]["contentBlockIndex"],
                event["contentBlockDelta"]["delta"],
            )
            block = blocks.setdefault(index, {})
            if "text" in delta:
                block["text"] = block.get("text", "") + delta["text"]
            elif "toolUse" in delta:
                block["toolUse"]["input"] += delta["toolUse"]["input"]
            else:
                block.setdefault("reasoningContent", {"reasoningText": {}})["reasoningText"] |= delta[
                    "reasoningContent"
                ]
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = orjson.loads(block["toolUse"]["input"])
    return [blocks[index] for index in sorted(blocks)]


def loop(client: Any, ask: Callable[[Any, dict[str, Any]], list[Any]], model: str = BEDROCK_MODEL) -> None:
    messages: list[Any] = [{"role": "user", "content": [{"text": "Look two words up."}]}]
    while True:
        request = {
            "modelId": model,
            "system": [{"text": "You are a clerk. " * 900}, POINT],
            "toolConfig": {"tools": [{"toolSpec": TOOL}]},
            "inferenceConfig": {"maxTokens": 100},
            "messages": [*messages[:-1], {**messages[-1], "content": [*messages[-1]["content"], POINT]}],
        }
        content = ask(client, request)
        uses = [block["toolUse"] for block in content if "toolUse" in block]
        if not uses:
            return
        results = [
            {"toolResult": {"toolUseId": use["toolUseId"], "content": [{"json": {"found": "it " * 40}}]}}
            for use in uses
        ]
        messages += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]


@pytest.fixture
def platform() -> ConversePlatform:
    return ConversePlatform()


@pytest.fixture
def url(platform: ConversePlatform) -> Iterator[str]:
    with serving(platform.answer) as address:
        yield address


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("ask", [whole, streamed])
def test_a_conversation_is_recorded_to_the_token_and_the_cent(
    ask: Any, wrapped: bool, platform: ConversePlatform, url: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    client = tokenprof.wrap(tokenprof.wrap(bedrock(url))) if wrapped else bedrock(url)
    with tokenprof.profile(path), tokenprof.agent("clerk"):
        loop(client, ask)
    ledger = build_ledger(read([path]), default_book())
    ledger.check()
    turns = ledger.run.turns
    assert [turn.id for turn in turns] == ["request-1", "request-2", "request-3"]
    assert {(turn.provider, turn.model, turn.agent, turn.status) for turn in turns} == {
        ("aws.bedrock", BEDROCK_MODEL, "clerk", "ok")
    }
    for turn, usage in zip(turns, platform.usages, strict=True):
        assert turn.usage is not None
        assert (turn.usage.uncached_input_tokens, turn.usage.cache_read_tokens) == (
            usage["input_tokens"],
            usage["cache_read_input_tokens"],
        )
        assert turn.usage.cache_write_1h_tokens == usage["cache_creation_input_tokens"]
    assert turns[-1].usage is not None
    assert turns[-1].usage.cache_read_tokens > 0
    # In a region a tenth more; a write that lasts an hour at twice the fresh price.
    prices = [PRICES[0], PRICES[1], PRICES[0] * 2, PRICES[3]]
    by_hand = sum(
        (usage[name] * usd for usage in platform.usages for name, usd in zip(COUNTS, prices, strict=True)),
        Decimal(0),
    )
    assert sum((usd for usd in ledger.billed_usd if usd is not None), Decimal(0)) == by_hand * Decimal("1.1")
    assert [block.kind for block in ledger.run.prompts()[-1]] == [
        *("tool", "system", "user", "thinking", "assistant", "tool_call", "tool_result"),
        *("tool_call", "tool_result"),
    ]
    assert b"secret-key" not in path.read_bytes()
    assert b"AKIA" not in path.read_bytes()


def test_what_was_answered_stands_in_the_next_prompt_as_the_same_blocks(
    platform: ConversePlatform, url: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    with tokenprof.profile(path):
        loop(bedrock(url), streamed)
    run = read([path])
    first, second = run.prompts()[:2]
    answered = [block.digest for block in run.turns[0].output]
    assert [block.digest for block in second][len(first) : len(first) + 3] == answered


def test_an_attempt_that_was_throttled_is_an_attempt_at_the_same_call(
    platform: ConversePlatform, url: str, tmp_path: Path
) -> None:
    platform.fault = "throttled"
    with tokenprof.profile(tmp_path / "run.jsonl"):
        loop(bedrock(url), whole)
    turns = read([tmp_path / "run.jsonl"]).turns
    assert [turn.attempts for turn in turns] == [2, 1, 1]


def test_a_stream_that_breaks_raises_what_it_would_and_its_turn_has_no_bill(
    platform: ConversePlatform, url: str, tmp_path: Path
) -> None:
    platform.fault = "broken"
    with tokenprof.profile(tmp_path / "run.jsonl"), pytest.raises(EventStreamError):
        loop(bedrock(url), streamed)
    (turn,) = read([tmp_path / "run.jsonl"]).turns
    assert (turn.status, turn.usage) == ("error", None)


def test_a_stream_that_is_cut_yields_what_it_would_and_its_turn_is_partial(tmp_path: Path) -> None:
    seen = []
    for recorded in (False, True):
        platform = ConversePlatform()
        platform.fault = "cut"
        with serving(platform.answer) as url, ExitStack() as stack:
            if recorded:
                stack.enter_context(tokenprof.profile(tmp_path / "run.jsonl"))
            request = {"modelId": BEDROCK_MODEL, "system": [{"text": "Hi"}], "messages": []}
            seen.append(list(bedrock(url).converse_stream(**request)["stream"]))
    assert seen[0] == seen[1]
    (turn,) = read([tmp_path / "run.jsonl"]).turns
    assert (turn.status, turn.usage, len(turn.output)) == ("partial", None, 3)


def test_a_refused_call_is_no_turn(tmp_path: Path) -> None:
    refusal = (400, "application/json", b'{"message": "no such model"}')
    with (
        serving(lambda path, body: refusal) as url,
        tokenprof.profile(tmp_path / "run.jsonl"),
        pytest.raises(ClientError),
    ):
        loop(bedrock(url), whole)
    assert read([tmp_path / "run.jsonl"]).turns == ()


def test_an_arn_is_known_by_the_profile_it_ends_in(
    platform: ConversePlatform, url: str, tmp_path: Path
) -> None:
    arn = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{BEDROCK_MODEL}"
    with tokenprof.profile(tmp_path / "run.jsonl"):
        loop(bedrock(url), whole, model=arn)
    assert {turn.model for turn in read([tmp_path / "run.jsonl"]).turns} == {BEDROCK_MODEL}
    assert b"123456789012" not in (tmp_path / "run.jsonl").read_bytes()


@pytest.mark.parametrize("stream", [False, True])
def test_invoke_model_is_seen_however_its_body_is_read(stream: bool, tmp_path: Path) -> None:
    platform = Platform()
    body = {"anthropic_version": "x", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
    request = {"modelId": BEDROCK_MODEL, "body": orjson.dumps(body)}
    readings: list[Callable[[Any], Any]] = [
        lambda body: body.read(),
        lambda body: b"".join(body.iter_chunks(7)),
        lambda body: b"".join(body.iter_lines()),
        lambda body: b"".join(body.readlines()),
        lambda body: body.readinto(bytearray(10_000)),
    ]
    with serving(platform.answer) as url, tokenprof.profile(tmp_path / "run.jsonl"):
        client = bedrock(url)
        if stream:
            answer = client.invoke_model_with_response_stream(**request)
            assert all("bytes" in event["chunk"] for event in answer["body"])
        else:
            for reading in readings:
                reading(client.invoke_model(**request)["body"])
    turns = read([tmp_path / "run.jsonl"]).turns
    assert [turn.status for turn in turns] == ["ok"] * (1 if stream else len(readings))
    assert all(turn.usage is not None for turn in turns)


def test_every_kind_of_content_keeps_its_place_and_its_cache_point() -> None:
    png = {"image": {"format": "png", "source": {"bytes": "aGk="}}}
    message = {
        "role": "user",
        "content": [
            png,
            {"document": {"name": "a", "format": "txt", "source": {"text": "words"}}},
            {"document": {"name": "b", "format": "txt", "source": {"content": [{"text": "more words"}]}}},
            {"guardContent": {"text": {"text": "guarded"}}},
            {"searchResult": {"title": "t", "source": "s", "content": [{"text": "found"}]}},
            {"toolResult": {"toolUseId": "t1", "status": "error", "content": [png, {"text": "no"}]}},
            {"video": {"format": "mp4", "source": {"bytes": "aGk="}}},
            {"cachePoint": {"type": "default"}},
        ],
    }
    content = as_message(message)["content"]
    assert [block["type"] for block in content] == [
        *("image", "document", "document", "text", "search_result", "tool_result", "video")
    ]
    assert content[0]["source"] == {"type": "base64", "media_type": "image/png", "data": "aGk="}
    assert (content[5]["is_error"], content[5]["tool_use_id"]) == (True, "t1")
    assert [block.get("cache_control") for block in content[-2:]] == [None, {"type": "ephemeral"}]
    answered = {
        "role": "assistant",
        "content": [
            {"reasoningContent": {"redactedContent": "xyz"}},
            {"citationsContent": {"content": [{"text": "as "}, {"text": "said"}], "citations": []}},
        ],
    }
    assert [block["type"] for block in as_message(answered)["content"]] == ["redacted_thinking", "text"]
    request = as_messages_request(
        {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}], "toolChoice": {"auto": {}}}},
        "m",
    )
    assert (request["tools"][0]["type"], request["tool_choice"]) == ("nova_grounding", {"auto": {}})

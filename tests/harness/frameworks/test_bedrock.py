"""Bedrock's Converse through boto3 over real HTTP, streamed or not: to the token and the cent."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest
from agreement import recorded
from botocore.config import Config
from botocore.exceptions import ClientError

import tokenprof
from tokenprof.costing.ledger import build_ledger
from tokenprof.harness_adapters.wires.converse_shapes import as_message, as_messages_request
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider, Reply

pytestmark = pytest.mark.slow

MODEL = "global.anthropic.claude-opus-4-8-v1:0"
POINT = {"cachePoint": {"type": "default", "ttl": "1h"}}
TOOL = {"name": "look_up", "description": "Look a word up.", "inputSchema": {"json": {"type": "object"}}}
REPLIES = [
    Reply.calls(("look_up", {"word": "one"}), thinking="One word first.", text="I will look."),
    Reply.calls(("look_up", {"word": "two"})),
    Reply.text("Both are found."),
]


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
                thought = block.setdefault("reasoningContent", {"reasoningText": {}})["reasoningText"]
                for key, value in delta["reasoningContent"].items():
                    thought[key] = thought.get(key, "") + value
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = orjson.loads(block["toolUse"]["input"])
    return [blocks[index] for index in sorted(blocks)]


def loop(client: Any, ask: Callable[[Any, dict[str, Any]], list[Any]], model: str = MODEL) -> None:
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
        found = [{"json": {"found": "it " * 40}}]
        results = [{"toolResult": {"toolUseId": use["toolUseId"], "content": found}} for use in uses]
        messages += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("ask", [whole, streamed])
def test_a_conversation_is_recorded_to_the_token_and_the_cent(
    ask: Any, wrapped: bool, run_path: Path
) -> None:
    with LoopbackProvider(REPLIES) as provider:
        client = bedrock(provider.url)
        if wrapped:
            client = tokenprof.wrap(tokenprof.wrap(client))
        with tokenprof.profile(run_path), tokenprof.agent("clerk"):
            loop(client, ask)
    run = recorded(run_path, provider)
    assert {(turn.provider, turn.model, turn.agent, turn.status) for turn in run.turns} == {
        ("aws.bedrock", MODEL, "clerk", "ok")
    }
    last = run.turns[-1].usage
    assert last is not None
    assert last.cache_read_tokens > 2000
    assert last.cache_write_1h_tokens > 0
    assert [block.kind for block in run.prompts()[-1]] == [
        *("tool", "system", "user", "thinking", "assistant", "tool_call", "tool_result"),
        *("tool_call", "tool_result"),
    ]
    assert not [secret for secret in (b"secret-key", b"AKIA") if secret in run_path.read_bytes()]


def test_what_was_answered_stands_in_the_next_prompt_as_the_same_blocks(run_path: Path) -> None:
    with LoopbackProvider(REPLIES) as provider, tokenprof.profile(run_path):
        loop(bedrock(provider.url), streamed)
    run = read([run_path])
    first, second = run.prompts()[:2]
    answered = [block.digest for block in run.turns[0].output]
    assert [block.digest for block in second][len(first) : len(first) + 3] == answered


def test_a_region_costs_a_tenth_more(tmp_path: Path) -> None:
    billed = []
    for model in (MODEL, MODEL.replace("global", "eu")):
        path = tmp_path / f"{len(billed)}.jsonl"
        with LoopbackProvider(REPLIES) as provider, tokenprof.profile(path):
            loop(bedrock(provider.url), whole, model=model)
        usd = build_ledger(read([path]), default_book()).billed_usd
        billed.append(sum((turn or Decimal("NaN") for turn in usd), Decimal(0)))
    assert billed[1] == billed[0] * Decimal("1.1")


def test_an_attempt_that_was_throttled_is_an_attempt_at_the_same_call(run_path: Path) -> None:
    with LoopbackProvider([Reply.error(429), *REPLIES]) as provider, tokenprof.profile(run_path):
        loop(bedrock(provider.url), whole)
    assert [turn.attempts for turn in recorded(run_path, provider).turns] == [2, 1, 1]


def test_a_refused_call_is_not_a_turn(run_path: Path) -> None:
    with (
        LoopbackProvider([Reply.error(400)]) as provider,
        tokenprof.profile(run_path),
        pytest.raises(ClientError),
    ):
        loop(bedrock(provider.url), whole)
    assert read([run_path]).turns == ()


def test_an_arn_is_known_by_the_profile_it_ends_in(run_path: Path) -> None:
    arn = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{MODEL}"
    with LoopbackProvider(REPLIES) as provider, tokenprof.profile(run_path):
        loop(bedrock(provider.url), whole, model=arn)
    assert {turn.model for turn in recorded(run_path, provider).turns} == {MODEL}
    assert b"123456789012" not in run_path.read_bytes()


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

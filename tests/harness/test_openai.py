"""The openai SDK over real HTTP: both APIs, every way of calling, to the token and the cent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest

import tokenprof
from tokenprof.costing.ledger import Ledger, build_ledger
from tokenprof.harness_adapters.wires.openai_exchange import call_of_response
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read
from tokenprof.record.block_facts import Shaper
from tokenprof.testing import OpenAILoopback, Reply

BOOK = default_book()
MODEL = "gpt-5.4"
THOUGHT, SAID = "Where to look is the question.", "I will look."
TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "description": f"Do {name} with care.", "parameters": {"type": "object"}},
    }
    for name in ("search", "send")
]


def answer(body: Mapping[str, Any], attempt: int) -> Reply:
    """Play the model: it searches three times of four; Responses only talk."""
    if "input" in body:
        return Reply.text(SAID)
    if attempt % 4 == 3:
        return Reply(content=[{"type": "thinking", "thinking": THOUGHT}, *Reply.text(SAID).content])
    return Reply.calls(("search", {"q": "x"}), text=SAID, thinking=THOUGHT)


@pytest.fixture
def server() -> Iterator[OpenAILoopback]:
    with OpenAILoopback(answer) as started:
        yield started


def billed(server: OpenAILoopback) -> list[tuple[int, int, int, int]]:
    """What each call was billed: the prompt's tokens, those read, the output's, the reasoning among them."""
    return [
        (
            usage[f"{first}_tokens"],
            usage[f"{first}_tokens_details"]["cached_tokens"],
            usage[f"{second}_tokens"],
            usage[f"{second}_tokens_details"]["reasoning_tokens"],
        )
        for usage in (call.usage for call in server.billed if call.usage is not None)
        for first, second in [("prompt", "completion") if "prompt_tokens" in usage else ("input", "output")]
    ]


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


def by_hand(server: OpenAILoopback) -> Decimal:
    """gpt-5.4: 2.50 fresh, 0.25 read, 15.00 output, USD per million."""
    fresh, read, output = Decimal("0.0000025"), Decimal("0.00000025"), Decimal("0.000015")
    bills = billed(server)
    return sum(
        ((prompt - seen) * fresh + seen * read + said * output for prompt, seen, said, _ in bills), Decimal(0)
    )


@pytest.mark.parametrize("mode", ["create", "raw", "stream"])
def test_a_chat_loop_is_recorded_to_the_token_and_the_cent(
    server: OpenAILoopback, tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "run.jsonl"
    with tokenprof.profile(path), openai.OpenAI(api_key="sk-secret", base_url=server.url) as client:
        chat_loop(client, 20, mode)
    ledger = ledger_of(path)
    assert len(ledger.run.turns) == 20
    for turn, (prompt, seen, said, reasoning) in zip(ledger.run.turns, billed(server), strict=True):
        assert turn.usage is not None
        assert (turn.usage.input_tokens, turn.usage.cache_read_tokens) == (prompt, seen)
        assert (turn.usage.all_output_tokens, turn.usage.reasoning_tokens) == (said, reasoning)
        assert reasoning > 0
    assert sum(seen > 0 for _, seen, _, _ in billed(server)) == 19
    assert {turn.context for turn in ledger.run.turns} == {ledger.run.turns[0].context}
    assert sum((usd for usd in ledger.billed_usd if usd is not None), Decimal(0)) == by_hand(server)
    kinds = {placed.block.kind for placed in ledger.attribution.blocks.values()}
    assert {"tool", "system", "user", "assistant", "tool_call", "tool_result", "output"} <= kinds
    assert "sk-secret" not in path.read_text("utf-8")


def test_async_calls_and_copies_of_a_wrapped_client_are_seen_once(
    server: OpenAILoopback, tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"

    async def ask() -> None:
        async with openai.AsyncOpenAI(api_key="x", base_url=server.url) as client:
            wrapped = tokenprof.wrap(tokenprof.wrap(client))
            messages: list[Any] = [{"role": "user", "content": "hi"}]
            await wrapped.chat.completions.create(model=MODEL, messages=messages)
            await wrapped.with_options(timeout=600).chat.completions.create(model=MODEL, messages=messages)

    with tokenprof.profile(path):
        asyncio.run(ask())
    assert len(read([path]).turns) == 2


def test_a_retry_is_an_attempt_and_a_stream_without_usage_is_unmeasured(
    server: OpenAILoopback, tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    server.script = [Reply.error(500), Reply.text(SAID), Reply.text(SAID)]
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
    server: OpenAILoopback, tmp_path: Path, stream: bool
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


def test_turns_from_before_the_recording_are_one_block_of_known_size(
    server: OpenAILoopback, tmp_path: Path
) -> None:
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
    before = server.billed[1].blocks[:-1]
    assert held[0].size.tokens == pytest.approx(sum(block.tokens for block in before), rel=0.05)
    assert [block.kind for block in ledger.run.prompts()[1]] == ["server_state", "user", "assistant", "user"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_profile_may_ask_for_the_usage_of_streams_that_do_not(tmp_path: Path, asynchronous: bool) -> None:
    path = tmp_path / "run.jsonl"
    request: dict[str, Any] = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
    }

    async def ask(url: str) -> None:
        async with openai.AsyncOpenAI(api_key="x", base_url=url) as client:
            async for _ in await client.chat.completions.create(**request):
                pass
            async for _ in await client.chat.completions.create(
                **request, stream_options={"include_usage": False}
            ):
                pass

    provider = OpenAILoopback([Reply.text("yes"), Reply.text("no")])
    with provider, tokenprof.profile(path, request_usage=True):
        if asynchronous:
            asyncio.run(ask(provider.url))
        else:
            with openai.OpenAI(api_key="x", base_url=provider.url) as client:
                for options in ({}, {"stream_options": {"include_usage": False}}):
                    list(client.chat.completions.create(**request, **options))
    asked = [call.body.get("stream_options") for call in provider.log]
    assert asked == [{"include_usage": True}, {"include_usage": False}]
    first, second = read([path]).turns
    assert (first.usage is None, second.usage is None) == (False, True)


def test_an_answer_of_several_items_is_sized_as_one(tmp_path: Path) -> None:
    """A text and two calls of a response are items of their own; the bill counts them together."""
    path = tmp_path / "run.jsonl"
    replies = [
        Reply.calls(
            ("search", {"q": f"all of the mails {n}"}), ("send", {"to": "me"}), text="I will look. " * 9
        )
        for n in range(4)
    ]
    provider = OpenAILoopback(replies)
    with provider, tokenprof.profile(path), openai.OpenAI(api_key="x", base_url=provider.url) as client:
        items: list[Any] = [{"role": "user", "content": "go"}]
        for _ in replies:
            response = client.responses.create(model=MODEL, input=items)
            output = [item.model_dump(exclude_none=True) for item in response.output]
            calls = [item for item in output if item["type"] == "function_call"]
            results = [{"call_id": call["call_id"], "output": "found it " * 50} for call in calls]
            items += [*output, *({"type": "function_call_output", **result} for result in results)]
    ledger = ledger_of(path)
    sizes = {place.block.digest: place.size for place in ledger.attribution.blocks.values()}
    for block, truth in zip(ledger.run.prompts()[-1], provider.billed[-1].blocks, strict=True):
        size = sizes[block.digest]
        assert size.low <= truth.tokens <= size.high, (block.name, truth.tokens, size)


def test_a_compaction_is_billed_as_the_call_that_it_is_and_the_history_goes_on_from_it(
    tmp_path: Path,
) -> None:
    """openai/openai-agents-python#4434: the turns were counted, and the compaction between them was not."""
    path = tmp_path / "run.jsonl"
    provider = OpenAILoopback([Reply.text("found it " * 20)] * 6)
    with provider, tokenprof.profile(path), openai.OpenAI(api_key="x", base_url=provider.url) as client:
        items: list[Any] = []

        def ask(number: int) -> None:
            items.append({"role": "user", "content": f"question {number}: " + "some words " * 60})
            answer = client.responses.create(model=MODEL, instructions="You are a clerk.", input=items)
            items.extend(item.model_dump(exclude_none=True) for item in answer.output)

        for number in range(3):
            ask(number)
        asked = {"model": MODEL, "input": items, "instructions": "You are a clerk."}
        items = client.post("/responses/compact", body=asked, cast_to=dict[str, Any])["output"]
        for number in range(3, 5):
            ask(number)
    ledger = ledger_of(path)
    assert len(provider.billed) == 6
    assert [turn.id for turn in ledger.run.turns] == [call.response_id for call in provider.billed]
    total = sum((usd for usd in ledger.billed_usd if usd is not None), Decimal(0))
    assert total == by_hand(provider)
    compaction, after = ledger.run.turns[3], ledger.run.prompts()[4]
    assert [block.kind for block in compaction.output] == ["output"]
    assert [block.kind for block in after] == ["system", "user", "user", "user", "summary", "user"]
    assert {turn.context for turn in ledger.run.turns} == {compaction.context}
    assert [turn.compacted for turn in ledger.run.turns] == [False] * 4 + [True, False]


def test_tools_that_a_search_brings_in_stand_where_it_brought_them_and_cost_nothing_before(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run.jsonl"
    deferred = {
        "type": "function",
        "name": "send",
        "description": "Send a mail. " * 40,
        "defer_loading": True,
    }
    tools: Any = [{"type": "tool_search"}, {**deferred, "parameters": {}}]
    loaded = {key: value for key, value in tools[1].items() if key != "defer_loading"}
    found: Any = [
        {
            "type": "tool_search_call",
            "call_id": "call_1",
            "arguments": {"query": "mail"},
            "status": "completed",
        },
        {"type": "tool_search_output", "call_id": "call_1", "tools": [loaded], "status": "completed"},
    ]
    question: Any = {"role": "user", "content": "send it"}
    with OpenAILoopback([Reply.text("yes")] * 2) as provider, tokenprof.profile(path):
        client = openai.OpenAI(api_key="x", base_url=provider.url)
        client.responses.create(model=MODEL, input=[question], tools=tools)
        client.responses.create(model=MODEL, input=[question, *found], tools=tools)
        client.close()
    before, after = read([path]).prompts()
    assert [(block.name, block.deferred, block.section) for block in before if block.kind == "tool"] == [
        ("tool_search", False, "tools"),
        ("send", True, "tools"),
    ]
    assert [(block.name, block.deferred, block.section) for block in after if block.kind == "tool"] == [
        ("tool_search", False, "tools"),
        ("send", False, "messages"),
    ]


def test_a_conversation_gives_back_what_was_said_in_it(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with OpenAILoopback([Reply.text("yes")] * 2) as provider, tokenprof.profile(path):
        client = openai.OpenAI(api_key="x", base_url=provider.url)
        for said in ("one", "two"):
            named = {"conversation": "conv_1"}
            client.responses.create(model=MODEL, instructions="Be brief.", input=said, extra_body=named)
        client.close()
    first, second = read([path]).prompts()
    assert [block.kind for block in first] == ["system", "user"]
    assert [block.kind for block in second] == ["system", "user", "assistant", "user"]


def test_the_providers_own_reason_for_a_miss_is_kept(tmp_path: Path) -> None:
    shaper = Shaper()
    miss = {"type": "cache_miss", "reason": "tools_changed", "cache_missed_tokens": 1200}
    answer = {
        "id": "resp_1",
        "object": "response",
        "model": MODEL,
        "output": [],
        "prompt_cache_diagnostics": miss,
    }
    call = call_of_response({"model": MODEL, "input": "hello"}, answer, "ok", shaper, otherwise="")
    assert (call.cache_miss_reason, call.cache_missed_tokens) == ("tools_changed", 1200)
    hit = {**answer, "prompt_cache_diagnostics": {"type": "cache_hit"}}
    call = call_of_response({"model": MODEL, "input": "hello"}, hit, "ok", shaper, otherwise="")
    assert (call.cache_miss_reason, call.cache_missed_tokens) == (None, None)

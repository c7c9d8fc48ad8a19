"""The OpenAI provider on this machine, as the openai SDK meets it: answers, streams, bills, failures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tokenprof.testing import OpenAILoopback, Reply
from tokenprof.testing.billing import toktok_count

MODEL = "gpt-5.4"
THOUGHT, SAID = "Where to look is the question.", "I will look in all of the places."
CALLS = Reply.calls(("search", {"query": "a mail of today"}), ("count", {}), text=SAID, thinking=THOUGHT)
LONG = "You are a clerk. " * 400
TOOL = {"type": "function", "name": "search", "parameters": {"type": "object", "properties": {}}}
COUNT = toktok_count()
OUTPUT_TOKENS = sum(map(COUNT, (THOUGHT, SAID, 'search{"query":"a mail of today"}', "count{}")))


@pytest.fixture
def provider() -> Iterator[OpenAILoopback]:
    with OpenAILoopback([CALLS, CALLS, Reply.text("Done.")]) as started:
        yield started


@pytest.fixture
def client(provider: OpenAILoopback) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="unused", base_url=provider.url) as connected:
        yield connected


def messages() -> list[Any]:
    return [{"role": "system", "content": LONG}, {"role": "user", "content": "go"}]


def test_a_chat_completion_is_the_same_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=messages())
    options: Any = {"include_usage": True}
    with client.chat.completions.stream(model=MODEL, messages=messages(), stream_options=options) as stream:
        stream.until_done()
        streamed = stream.get_final_completion()
    for answer in (whole, streamed):
        (choice,) = answer.choices
        assert (choice.finish_reason, choice.message.content) == ("tool_calls", SAID)
        calls = [(call.function.name, call.function.arguments) for call in choice.message.tool_calls or []]
        assert calls == [("search", '{"query":"a mail of today"}'), ("count", "{}")]
        assert answer.usage is not None
        assert answer.usage.prompt_tokens == COUNT(LONG) + COUNT("go")
        assert answer.usage.completion_tokens == OUTPUT_TOKENS
        assert answer.usage.completion_tokens_details.reasoning_tokens == COUNT(THOUGHT)


def test_a_streamed_chat_tells_its_usage_only_to_who_asks(
    client: openai.OpenAI, provider: OpenAILoopback
) -> None:
    chunks = list(client.chat.completions.create(model=MODEL, messages=messages(), stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    options: Any = {"include_usage": True}
    stream = client.chat.completions.create(
        model=MODEL, messages=messages(), stream=True, stream_options=options
    )
    *_, last = stream
    assert not last.choices
    assert last.usage is not None
    assert [call.usage is not None for call in provider.log] == [True, True]
    assert provider.log[1].usage == last.usage.model_dump(exclude_none=True)


def test_a_response_is_the_same_whole_and_streamed(client: openai.OpenAI) -> None:
    request: dict[str, Any] = {"model": MODEL, "instructions": LONG, "input": "go", "tools": [TOOL]}
    whole = client.responses.create(**request)
    with client.responses.stream(**request) as stream:
        types = [event.type for event in stream]
        streamed = stream.get_final_response()
    assert types[:2] == ["response.created", "response.in_progress"]
    assert types[-1] == "response.completed"
    assert types.count("response.output_item.added") == types.count("response.output_item.done") == 4
    for answer in (whole, streamed):
        kinds = [item.type for item in answer.output]
        assert kinds == ["reasoning", "message", "function_call", "function_call"]
        assert answer.output_text == SAID
        assert answer.usage is not None
        assert answer.usage.output_tokens == OUTPUT_TOKENS
        assert answer.usage.output_tokens_details.reasoning_tokens == COUNT(THOUGHT)
        assert answer.usage.total_tokens == answer.usage.input_tokens + OUTPUT_TOKENS


def test_the_deltas_of_a_stream_are_what_its_items_hold(client: openai.OpenAI) -> None:
    texts: dict[str, str] = {}
    items: dict[str, Any] = {}
    for event in client.responses.create(model=MODEL, input="go", stream=True):
        if event.type.endswith(".delta"):
            texts[event.item_id] = texts.get(event.item_id, "") + event.delta
        if event.type == "response.output_item.done":
            items[event.item.id] = event.item
    reasoning, message, *calls = items.values()
    assert texts[reasoning.id] == reasoning.summary[0].text == THOUGHT
    assert texts[message.id] == message.content[0].text == SAID
    assert [texts[call.id] for call in calls] == [call.arguments for call in calls]


def test_a_prefix_seen_before_is_cached_in_steps(client: openai.OpenAI, provider: OpenAILoopback) -> None:
    first = client.chat.completions.create(model=MODEL, messages=messages())
    said = first.choices[0].message.model_dump(exclude_none=True)
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": "nothing"} for call in said["tool_calls"]
    ]
    client.chat.completions.create(model=MODEL, messages=[*messages(), said, *results])
    short: Any = [{"role": "user", "content": "go"}]
    client.chat.completions.create(model=MODEL, messages=short)
    seen = COUNT(LONG) + COUNT("go")
    reads = [call.usage["prompt_tokens_details"]["cached_tokens"] for call in provider.billed if call.usage]
    assert reads == [0, seen - seen % 128, 0]
    prompts = [call.usage["prompt_tokens"] for call in provider.billed if call.usage]
    assert prompts == [sum(block.tokens for block in call.blocks) for call in provider.billed]


def test_a_response_goes_on_from_what_is_held_and_from_nothing_else(
    client: openai.OpenAI, provider: OpenAILoopback
) -> None:
    provider.script = [CALLS] * 4
    first = client.responses.create(model=MODEL, input=LONG, instructions="Be brief.")
    client.responses.create(model=MODEL, input="and?", previous_response_id=first.id)
    unheld = client.responses.create(model=MODEL, input="go", store=False)
    with pytest.raises(openai.BadRequestError, match=r"resp_\d+' not found"):
        client.responses.create(model=MODEL, input="and?", previous_response_id=unheld.id)
    before, after = (call.blocks for call in provider.billed[:2])
    assert [block.kind for block in before] == ["instructions", "user"]
    # The instructions are not carried over; the answer is, and is as long as it was billed for.
    held = ["user", "reasoning", "assistant", "function_call", "function_call", "user"]
    assert [block.kind for block in after] == held
    assert sum(block.tokens for block in after[1:-1]) == OUTPUT_TOKENS


def test_a_held_context_and_the_same_one_sent_in_full_are_one_prefix(
    client: openai.OpenAI, provider: OpenAILoopback
) -> None:
    first = client.responses.create(model=MODEL, input=LONG)
    items: Any = [item.model_dump(exclude_none=True) for item in first.output]
    new: Any = {"role": "user", "content": "and?"}
    client.responses.create(model=MODEL, input=[new], previous_response_id=first.id)
    client.responses.create(model=MODEL, input=[{"role": "user", "content": LONG}, *items, new])
    held, full = provider.billed[1:]
    assert [block.digest for block in held.blocks] == [block.digest for block in full.blocks]
    assert full.usage is not None
    total = full.usage["input_tokens"]
    assert full.usage["input_tokens_details"]["cached_tokens"] == total - total % 128


def test_failures_are_retried_and_are_not_billed(provider: OpenAILoopback, client: openai.OpenAI) -> None:
    provider.script = [Reply.error(429), Reply.error(500), Reply.text("Done.")]
    assert client.responses.create(model=MODEL, input="go").output_text == "Done."
    assert [call.status for call in provider.log] == ["429", "500", "ok"]
    assert len(provider.billed) == 1
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model=MODEL, input="the script is at its end")


def test_streams_break_where_the_script_says(provider: OpenAILoopback, client: openai.OpenAI) -> None:
    cut = Reply.text("A longer text, in pieces. " * 4).cut(after_events=5)
    failing = Reply(content=cut.content, error_after_events=5)
    provider.script = [cut, failing, cut, failing]
    with pytest.raises(openai.APIConnectionError):
        list(client.chat.completions.create(model=MODEL, messages=messages(), stream=True))
    with pytest.raises(openai.APIError, match="scripted failure"):
        list(client.chat.completions.create(model=MODEL, messages=messages(), stream=True))
    with pytest.raises(openai.APIConnectionError):
        list(client.responses.create(model=MODEL, input="go", stream=True))
    # The SDK hands this one on as an event.
    *before, last = client.responses.create(model=MODEL, input="go", stream=True)
    assert (last.type, last.sequence_number, len(before)) == ("error", 5, 5)
    assert [call.status for call in provider.log] == ["cut", "error"] * 2


def test_a_call_whose_input_is_a_text_is_one_of_a_custom_tool(
    provider: OpenAILoopback, client: openai.OpenAI
) -> None:
    script = "text(await tools.list())"
    call = {"type": "tool_use", "id": "call_1", "name": "exec", "input": script}
    provider.script = [Reply(content=[call])] * 3
    with client.responses.stream(model=MODEL, input="go") as stream:
        pieces = [event.delta for event in stream if event.type == "response.custom_tool_call_input.delta"]
        (item,) = stream.get_final_response().output
    assert item.type == "custom_tool_call"
    assert (item.name, item.input, "".join(pieces)) == ("exec", script, script)
    result: Any = {"type": "custom_tool_call_output", "call_id": "call_1", "output": "a.txt"}
    client.responses.create(model=MODEL, input=[result, item.model_dump(exclude_none=True)])
    sizes = [(block.kind, block.tokens) for block in provider.log[-1].blocks]
    assert sizes == [
        ("custom_tool_call_output", COUNT("a.txt")),
        ("custom_tool_call", COUNT(f"exec{script}")),
    ]


def test_an_answer_that_ran_out_of_room_is_incomplete(
    provider: OpenAILoopback, client: openai.OpenAI
) -> None:
    provider.script = [Reply(content=[{"type": "text", "text": "And"}], stop_reason="max_tokens")] * 3
    chat = client.chat.completions.create(model=MODEL, messages=messages())
    assert chat.choices[0].finish_reason == "length"
    assert client.responses.create(model=MODEL, input="go").status == "incomplete"
    *_, last = client.responses.create(model=MODEL, input="go", stream=True)
    assert last.type == "response.incomplete"


def test_there_are_no_models_and_no_address_before_it_runs(client: openai.OpenAI) -> None:
    assert list(client.models.list()) == []
    with pytest.raises(RuntimeError, match="not running"):
        _ = OpenAILoopback([]).url


def test_from_gpt_5_6_on_the_newest_message_is_written_and_read_exactly(
    client: openai.OpenAI, provider: OpenAILoopback
) -> None:
    first: list[Any] = messages()
    client.chat.completions.create(model="gpt-5.6", messages=first)
    longer = [*first, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "go on then"}]
    client.chat.completions.create(model="gpt-5.6", messages=longer)
    head, more = COUNT(LONG) + COUNT("go"), COUNT("yes") + COUNT("go on then")
    details = [dict((call.usage or {})["prompt_tokens_details"]) for call in provider.billed]
    assert details == [
        {
            "cached_tokens": 0,
            "cache_write_tokens": head,
            "cache_write_tokens_details": {"ttl_30m_tokens": head, "ttl_12h_tokens": 0},
        },
        {
            "cached_tokens": head,
            "cache_write_tokens": more,
            "cache_write_tokens_details": {"ttl_30m_tokens": more, "ttl_12h_tokens": 0},
        },
    ]


def test_an_explicit_breakpoint_is_written_for_its_own_time_and_nothing_else_without_the_implicit_one(
    client: openai.OpenAI, provider: OpenAILoopback
) -> None:
    marked: Any = [
        {
            "role": "system",
            "content": [{"type": "text", "text": LONG, "prompt_cache_breakpoint": {"ttl": "12h"}}],
        },
        {"role": "user", "content": "go"},
    ]
    options = {"prompt_cache_options": {"mode": "explicit"}}
    for said in ("go", "another thing"):
        marked[1]["content"] = said
        client.chat.completions.create(model="gpt-6.1-sol", messages=marked, extra_body=options)
    first, second = ((call.usage or {})["prompt_tokens_details"] for call in provider.billed)
    assert first["cache_write_tokens_details"] == {"ttl_30m_tokens": 0, "ttl_12h_tokens": COUNT(LONG)}
    assert second == {"cached_tokens": COUNT(LONG), "cache_write_tokens": 0}


def test_before_gpt_5_6_a_prefix_is_read_in_steps_and_nothing_is_written(
    client: openai.OpenAI, provider: OpenAILoopback
) -> None:
    for _ in range(2):
        client.chat.completions.create(model="gpt-5.5", messages=messages())
    second = (provider.billed[1].usage or {})["prompt_tokens_details"]
    whole = COUNT(LONG) + COUNT("go")
    assert second == {"cached_tokens": whole - whole % 128, "cache_write_tokens": 0}

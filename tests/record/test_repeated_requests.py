"""A request that repeats an earlier one is read in part, and reads the same as a whole one."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tokenprof import label
from tokenprof.facts.labels import forget_labels
from tokenprof.harness_adapters.wires.anthropic_messages import prompt_of
from tokenprof.harness_adapters.wires.openai_chat import prompt_of_chat
from tokenprof.harness_adapters.wires.openai_responses import prompt_of_responses
from tokenprof.record.background.repeated_json import SMALLEST_BYTES, RepeatedBodies
from tokenprof.record.block_facts import Shaper

Body = dict[str, Any]

STYLES: dict[str, Callable[[Body], bytes]] = {
    "compact": orjson.dumps,
    "spaced": lambda body: json.dumps(body, ensure_ascii=False).encode(),
    "escaped": lambda body: json.dumps(body).encode(),
    "indented": lambda body: json.dumps(body, indent=2).encode(),
}


def _text(random_: random.Random) -> str:
    return random_.choice(["plain ", 'quoted "\\ ', "zwölf 中文 ", "\n\t\x01 ", '"messages":[']) * 60


def _messages(random_: random.Random, count: int) -> list[Body]:
    found: list[Body] = []
    for number in range(count):
        call = {"type": "tool_use", "id": f"t{number}", "name": "read", "input": {"path": _text(random_)}}
        answer = {"type": "tool_result", "tool_use_id": f"t{number}", "content": _text(random_)}
        found.append({"role": "assistant", "content": [{"type": "text", "text": _text(random_)}, call]})
        found.append({"role": "user", "content": [answer]})
    return found


def _anthropic(messages: list[Body], **changed: object) -> Body:
    """Return a body with its cache marker on the last message, as agents move it."""
    last = messages[-1]
    marked = {**last["content"][-1], "cache_control": {"type": "ephemeral"}}
    tools = [
        {"name": "read", "description": "reads", "input_schema": {"type": "object"}},
        {"name": "later", "description": "x" * 400, "input_schema": {}, "defer_loading": True},
    ]
    system = [{"type": "text", "text": "You are careful. " * 50}]
    return {
        "max_tokens": 100,
        "messages": [*messages[:-1], {**last, "content": [*last["content"][:-1], marked]}],
        "model": "claude-opus-4-8",
        "system": system,
        "tools": tools,
        **changed,
    }


def _chat(messages: list[Body], **changed: object) -> Body:
    texts = [{"role": m["role"], "content": json.dumps(m["content"])} for m in messages]
    leading = [{"role": "system", "content": "You are careful."}]
    tools = [{"type": "function", "function": {"name": "read", "parameters": {}}}]
    return {"messages": leading + texts, "model": "gpt-5", "tools": tools, **changed}


def _responses(messages: list[Body], **changed: object) -> Body:
    given = [{"role": m["role"], "content": json.dumps(m["content"])} for m in messages]
    return {"input": given, "instructions": "careful " * 20, "model": "gpt-5", "tools": [], **changed}


APIS: dict[str, tuple[Callable[..., Body], Callable[[Body, Shaper], Any]]] = {
    "anthropic": (_anthropic, prompt_of),
    "chat": (_chat, prompt_of_chat),
    "responses": (_responses, prompt_of_responses),
}


def _histories(random_: random.Random) -> list[list[Body]]:
    """Return the messages of calls that grow, branch, lose their middle, are edited and start over."""
    whole = _messages(random_, 14)
    edited = [*whole[:6], {**whole[6], "content": [{"type": "text", "text": "edited"}]}, *whole[7:]]
    loads = {"type": "tool_reference", "tool_name": "later"}
    searched = {"type": "tool_result", "tool_use_id": "t13", "content": [loads]}
    return [
        *[whole[:count] for count in range(6, 25)],
        whole[:10] + whole[20:],
        edited,
        whole,
        whole[:4],
        [*whole, {"role": "user", "content": [searched]}],
        whole,
        _messages(random_, 9),
        [*whole, *_messages(random_, 2)],
    ]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("api", APIS)
def test_what_is_read_in_part_is_what_a_whole_reading_gives(api: str, style: str) -> None:
    body_of, prompt = APIS[api]
    bodies, shaper = RepeatedBodies(), Shaper(key=b"k" * 16, count=lambda texts: [{} for _ in texts])
    for number, messages in enumerate(_histories(random.Random(f"{api}{style}"))):
        body = body_of(messages, **({"temperature": number} if number % 5 == 0 else {}))
        data = STYLES[style](body)
        read = bodies.loads(data)
        assert read == orjson.loads(data)
        assert list(read) == list(orjson.loads(data))
        fresh = Shaper(key=b"k" * 16, count=lambda texts: [{} for _ in texts])
        assert prompt(read, shaper) == prompt(orjson.loads(data), fresh)


@pytest.mark.parametrize("style", ["compact", "spaced", "escaped"])
def test_what_has_not_changed_is_the_same_object(style: str) -> None:
    messages = [{"role": "user", "content": f"message {number} " * 100} for number in range(20)]
    bodies = RepeatedBodies()
    first = bodies.loads(STYLES[style](_chat(messages[:15])))
    second = bodies.loads(STYLES[style](_chat(messages)))
    assert all(a is b for a, b in zip(first["messages"], second["messages"], strict=False))
    assert second["tools"] is first["tools"]
    assert len(second["messages"]) == 21


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[{"a":1}],"messages":[{"b":2}]}',
        b'{"x":{"messages":[{"a":1}]},"messages":[{"b":2}]}',
        b'{"messages":[1,2,{"a":1}]}',
        b'{"messages":[]}',
        b'{"messages":"[{"}',
        b'[{"messages":[{"a":1}]}]',
        b'{"messages":[{"a":' + b"[" * 300 + b"]" * 300 + b"}]}",
    ],
)
def test_bodies_of_another_shape_are_read_as_they_are(body: bytes) -> None:
    padded = body[:-1] + b" " * SMALLEST_BYTES + body[-1:]
    bodies = RepeatedBodies()
    for data in (padded, padded, padded.replace(b"1", b"3")):
        assert bodies.loads(data) == orjson.loads(data)


def test_one_and_true_are_not_the_same() -> None:
    filler = [{"role": "user", "content": "x" * SMALLEST_BYTES}]
    bodies = RepeatedBodies()
    bodies.loads(orjson.dumps({"messages": filler, "tools": [{"strict": 1}]}))
    read = bodies.loads(orjson.dumps({"messages": filler, "tools": [{"strict": True}]}))
    assert read["tools"][0]["strict"] is True


def test_a_body_that_is_not_json_is_refused_after_one_that_it_repeats() -> None:
    messages = [{"role": "user", "content": "x" * SMALLEST_BYTES}, {"role": "user", "content": "y"}]
    data = orjson.dumps({"messages": messages})
    bodies = RepeatedBodies()
    bodies.loads(data)
    with pytest.raises(ValueError, match="unexpected end"):
        bodies.loads(data[:-4])


def test_a_label_given_between_two_calls_names_the_block_of_the_second() -> None:
    messages = _messages(random.Random(1), 5)
    shaper, bodies = Shaper(key=b"k" * 16, count=lambda texts: [{} for _ in texts]), RepeatedBodies()
    prompt_of(bodies.loads(orjson.dumps(_anthropic(messages))), shaper)
    try:
        label(messages[0]["content"][0]["text"], "the plan")
        again = prompt_of(bodies.loads(orjson.dumps(_anthropic(messages))), shaper)
    finally:
        forget_labels()
    assert "the plan" in [block.name for block in again.blocks]


def _body(*contents: str, key: str = "messages", **more: object) -> bytes:
    return orjson.dumps({"model": "m", key: [{"role": "user", "content": text} for text in contents], **more})


LONG = "x" * SMALLEST_BYTES


def test_only_the_last_bodies_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenprof.record.background.repeated_json.MOST_BODIES", 2)
    bodies = RepeatedBodies()
    first, second, third = (bodies.loads(_body(letter + LONG)) for letter in "abc")
    assert len(bodies._known) == 2
    assert bodies.loads(_body("c" + LONG, "more"))["messages"][0] is third["messages"][0]
    assert bodies.loads(_body("b" + LONG, "more"))["messages"][0] is second["messages"][0]
    again = bodies.loads(_body("a" + LONG, "more"))
    assert again["messages"][0] == first["messages"][0]
    assert again["messages"][0] is not first["messages"][0]


@pytest.mark.parametrize(
    "changed",
    [
        # What follows is not an object, is written in another way, or says something twice.
        lambda data: data[:-2] + b',7],"top_p":1}',
        lambda data: data[:-2] + b',{"role":"user"}],"model":"other"}',
        lambda data: data[:-2] + b'],"x":{"messages":[]}}',
        lambda data: data[:-2] + b'],"messages":[{"role":"user"}]}',
        lambda data: data[:-2] + b',{"role":"user","content":"y"}]  ,  "top_p" : 1 }',
        lambda data: data[:-2] + b',\n {"role":"user","content":"y"}\n]\n}',
        lambda data: data[:-2] + b',"text"]}',
        lambda data: data.replace(b"[", b"[ "),
        lambda data: data.replace(b'"messages"', b'"contents"'),
    ],
)
def test_what_follows_the_repeated_part_may_be_anything(changed: Callable[[bytes], bytes]) -> None:
    bodies, data = RepeatedBodies(), _body("first", LONG)
    for sent in (data, changed(data), changed(data), data):
        read = bodies.loads(sent)
        assert read == orjson.loads(sent)
        assert orjson.dumps(read) == orjson.dumps(orjson.loads(sent))

"""A tool loop of twenty turns to record and check: tools, skill loads, cache breakpoints, varied results.

The agent is an ordinary one that can use every way of calling the client. The model is a script, so the
requests depend only on the seed.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.imported import imported
from tokenprof.testing import texts
from tokenprof.testing.replies import Reply

MODEL = "claude-opus-4-8"
TURNS = 20
MODES = ("create", "create_stream", "stream", "raw", "streaming_response", "beta", "beta_stream")
"""The ways to make the same call."""

_HOUR = {"type": "ephemeral", "ttl": "1h"}
_FIVE_MINUTES = {"type": "ephemeral"}
_SKILL_TURNS = (3, 9)


@frozen
class Workload:
    """What one loop sends and receives: the fixed parts of the request, the script, the tools' results."""

    tools: list[dict[str, Any]]
    system: list[dict[str, Any]]
    task: str
    replies: list[Reply]
    results: list[list[str]]


def workload(seed: int = 0, *, turns: int = TURNS, tools: int = 10) -> Workload:
    """Return a loop with two skill loads, results of code, JSON and prose, and some turns with two calls.

    Its system blocks are the prompt, cached for 1 h, and a 100-line skills index, cached for 5 m.
    """
    rng = random.Random(seed)
    names = ["search_mail", "read_mail", "list_files", "read_file", "run_query", "send_mail", "calendar"]
    names = [*(names + [f"tool_{i}" for i in range(tools)])[: tools - 1], "read_skill"]
    replies, results = [], []
    for turn in range(turns - 1):
        if turn in _SKILL_TURNS:
            calls: list[tuple[str, dict[str, Any]]] = [("read_skill", {"name": f"skill-{turn}"})]
            bodies = [f"---\nname: skill-{turn}\ndescription: how to\n---\n" + texts.prose(rng, 60)]
        else:
            count = 2 if turn % 5 == 4 else 1
            calls = [(rng.choice(names[:-1]), {"query": texts.prose(rng, 1)}) for _ in range(count)]
            bodies = [_result(rng, turn + i) for i in range(count)]
        thinking = texts.prose(rng, 3) if turn % 4 == 1 else ""
        replies.append(Reply.calls(*calls, text=texts.prose(rng, 1 + turn % 3), thinking=thinking))
        results.append(bodies)
    replies.append(Reply.text(texts.prose(rng, 12)))
    return Workload(
        tools=[_tool(rng, name) for name in names],
        system=[
            {"type": "text", "text": texts.prose(rng, 120), "cache_control": _HOUR},
            {"type": "text", "text": texts.one_liners(rng, 100), "cache_control": _FIVE_MINUTES},
        ],
        task=texts.prose(rng, 4),
        replies=replies,
        results=results,
    )


def _result(rng: random.Random, turn: int) -> str:
    makers: tuple[Callable[[], str], ...] = (
        lambda: texts.code(rng, rng.randint(2, 14)),
        lambda: texts.records(rng, rng.randint(2, 20)),
        lambda: texts.prose(rng, rng.randint(3, 60)),
    )
    return makers[turn % 3]()


def _tool(rng: random.Random, name: str) -> dict[str, Any]:
    fields = {
        f"field_{i}": {"type": "string", "description": texts.prose(rng, 1)} for i in range(rng.randint(1, 6))
    }
    return {
        "name": name,
        "description": texts.prose(rng, rng.randint(1, 8)),
        "input_schema": {"type": "object", "properties": fields, "required": []},
    }


def run_loop(client: Any, work: Workload, *, mode: str = "create") -> list[Any]:
    """Run the loop with a synchronous client and return the final messages, one per turn.

    If a stream breaks off, the request is sent again.
    """
    messages = _opening(work)
    answers: list[Any] = []
    while len(answers) < len(work.replies):
        try:
            answer = _call(client, _request(work, messages), mode)
        except BrokenStreamError:
            continue
        answers.append(answer)
        if not _continue(work, messages, answer, len(answers)):
            break
    return answers


async def run_loop_async(client: Any, work: Workload, *, mode: str = "create") -> list[Any]:
    """Run the loop with an asynchronous client."""
    messages = _opening(work)
    answers: list[Any] = []
    while len(answers) < len(work.replies):
        try:
            answer = await _call_async(client, _request(work, messages), mode)
        except BrokenStreamError:
            continue
        answers.append(answer)
        if not _continue(work, messages, answer, len(answers)):
            break
    return answers


class BrokenStreamError(Exception):
    """A response ended before its message was complete."""


def _opening(work: Workload) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": work.task}]}]


def _request(work: Workload, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the arguments of the call, with a breakpoint on the last block of the last message."""
    sent = copy.deepcopy(messages)
    sent[-1]["content"][-1]["cache_control"] = _FIVE_MINUTES
    return {
        "model": MODEL,
        "max_tokens": 2000,
        "tools": work.tools,
        "system": work.system,
        "messages": sent,
    }


def _continue(work: Workload, messages: list[dict[str, Any]], answer: Any, turn: int) -> bool:
    """Append the answer and the results of its tool calls. Returns False when the model is done."""
    if answer.stop_reason != "tool_use":
        return False
    content = [block.model_dump(mode="json", exclude_none=True) for block in answer.content]
    messages.append({"role": "assistant", "content": content})
    calls = [block for block in content if block["type"] == "tool_use"]
    messages.append(
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": call["id"], "content": result}
                for call, result in zip(calls, work.results[turn - 1], strict=True)
            ],
        }
    )
    return True


def _call(client: Any, request: dict[str, Any], mode: str) -> Any:
    messages = client.beta.messages if mode.startswith("beta") else client.messages
    if mode in ("create", "beta"):
        return messages.create(**request)
    if mode == "create_stream":
        return _read_events(list(_unless_broken(client.messages.create(**request, stream=True))), request)
    if mode in ("stream", "beta_stream"):
        with messages.stream(**request) as stream:
            for _ in _unless_broken(stream):
                pass
            return stream.get_final_message()
    if mode == "raw":
        return client.messages.with_raw_response.create(**request).parse()
    if mode == "streaming_response":
        with client.messages.with_streaming_response.create(**request) as response:
            return response.parse()
    raise ValueError(f"There is no mode '{mode}'; the modes are {', '.join(MODES)}.")


async def _call_async(client: Any, request: dict[str, Any], mode: str) -> Any:
    messages = client.beta.messages if mode.startswith("beta") else client.messages
    if mode in ("create", "beta"):
        return await messages.create(**request)
    if mode == "create_stream":
        stream = await client.messages.create(**request, stream=True)
        return _read_events([event async for event in _unless_broken_async(stream)], request)
    if mode in ("stream", "beta_stream"):
        async with messages.stream(**request) as stream:
            async for _ in _unless_broken_async(stream):
                pass
            return await stream.get_final_message()
    if mode == "raw":
        response = await client.messages.with_raw_response.create(**request)
        return await _maybe(response.parse())
    if mode == "streaming_response":
        async with client.messages.with_streaming_response.create(**request) as response:
            return await _maybe(response.parse())
    raise ValueError(f"There is no mode '{mode}'; the modes are {', '.join(MODES)}.")


async def _maybe(value: Any) -> Any:
    return await value if isinstance(value, Awaitable) else value


def _unless_broken(stream: Any) -> Any:
    """Yield the events of a stream; a broken connection becomes the agent's own error."""
    try:
        yield from stream
    except _transport_errors() as error:
        raise BrokenStreamError from error


async def _unless_broken_async(stream: Any) -> Any:
    try:
        async for event in stream:
            yield event
    except _transport_errors() as error:
        raise BrokenStreamError from error


def _transport_errors() -> tuple[type[Exception], ...]:
    """Return the errors of a broken connection: `anthropic` before 1.0 uses `httpx`, later ones `httpx2`."""
    return tuple(found.TransportError for found in map(imported, ("httpx", "httpx2")) if found is not None)


def _read_events(events: list[Any], request: dict[str, Any]) -> Any:
    """Assemble a message from raw events, as an agent does that handles streams itself."""
    from anthropic.types import Message

    message: dict[str, Any] = {}
    blocks: list[dict[str, Any]] = []
    arguments = ""
    for event in events:
        if event.type == "message_start":
            message = event.message.model_dump()
        elif event.type == "content_block_start":
            blocks.append(event.content_block.model_dump(exclude_none=True))
            arguments = ""
        elif event.type == "content_block_delta":
            delta = event.delta.model_dump(exclude={"type"})
            arguments += delta.pop("partial_json", "")
            for name, piece in delta.items():
                blocks[-1][name] = (blocks[-1].get(name) or "") + (piece or "")
        elif event.type == "content_block_stop" and blocks[-1]["type"] == "tool_use":
            blocks[-1]["input"] = orjson.loads(arguments or "{}")
        elif event.type == "message_delta":
            message["stop_reason"] = event.delta.stop_reason
            message["usage"]["output_tokens"] = event.usage.output_tokens
    if not message.get("stop_reason"):
        raise BrokenStreamError(f"The stream of a call to {request['model']} ended before its message did.")
    return Message.model_validate({**message, "content": blocks})

"""One conversation in the shape of every wire's request."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tokenprof.facts.types import Block
from tokenprof.harness_adapters.wires.anthropic_messages import prompt_of
from tokenprof.harness_adapters.wires.converse_shapes import as_messages_request
from tokenprof.harness_adapters.wires.gemini_blocks import prompt_of_generation
from tokenprof.harness_adapters.wires.openai_chat import prompt_of_chat
from tokenprof.harness_adapters.wires.openai_responses import prompt_of_responses
from tokenprof.record.block_facts import Shaper

SCHEMA = {"type": "object", "properties": {}}


@dataclass(frozen=True)
class Step:
    """What a user said; or a call of a tool, with its result."""

    said: str = ""
    tool: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    result: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Conversation:
    """Tools by name, instructions, and steps."""

    steps: Sequence[Step]
    tools: Sequence[str] = ()
    system: Sequence[str] = ()


def messages_body(talk: Conversation) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    for number, step in enumerate(talk.steps):
        if step.said:
            messages.append({"role": "user", "content": [{"type": "text", "text": step.said}]})
            continue
        call = {"type": "tool_use", "id": f"t{number}", "name": step.tool, "input": step.arguments}
        result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": step.result}
        messages.append({"role": "assistant", "content": [call]})
        messages.append({"role": "user", "content": [{**result, "is_error": step.failed}]})
    return {
        "tools": [{"name": name, "input_schema": SCHEMA} for name in talk.tools],
        "system": [{"type": "text", "text": text} for text in talk.system],
        "messages": messages,
    }


def converse_body(talk: Conversation) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    for number, step in enumerate(talk.steps):
        if step.said:
            messages.append({"role": "user", "content": [{"text": step.said}]})
            continue
        call = {"toolUseId": f"t{number}", "name": step.tool, "input": step.arguments}
        result: dict[str, Any] = {"toolUseId": f"t{number}", "content": [{"text": step.result}]}
        if step.failed:
            result["status"] = "error"
        messages.append({"role": "assistant", "content": [{"toolUse": call}]})
        messages.append({"role": "user", "content": [{"toolResult": result}]})
    tools = [{"toolSpec": {"name": name, "inputSchema": {"json": SCHEMA}}} for name in talk.tools]
    return {
        "toolConfig": {"tools": tools},
        "system": [{"text": t} for t in talk.system],
        "messages": messages,
    }


def chat_body(talk: Conversation) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "system", "content": text} for text in talk.system]
    for number, step in enumerate(talk.steps):
        if step.said:
            messages.append({"role": "user", "content": step.said})
            continue
        function = {"name": step.tool, "arguments": json.dumps(step.arguments)}
        call = {"id": f"t{number}", "type": "function", "function": function}
        messages.append({"role": "assistant", "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"t{number}", "content": step.result})
    tools = [{"type": "function", "function": {"name": n, "parameters": SCHEMA}} for n in talk.tools]
    return {"tools": tools, "messages": messages}


def responses_body(talk: Conversation) -> dict[str, Any]:
    items: list[dict[str, Any]] = [{"role": "developer", "content": text} for text in talk.system]
    for number, step in enumerate(talk.steps):
        if step.said:
            items.append({"role": "user", "content": [{"type": "input_text", "text": step.said}]})
            continue
        call = {"name": step.tool, "arguments": json.dumps(step.arguments), "call_id": f"t{number}"}
        items.append({"type": "function_call", **call})
        items.append({"type": "function_call_output", "call_id": f"t{number}", "output": step.result})
    tools = [{"type": "function", "name": name, "parameters": SCHEMA} for name in talk.tools]
    return {"tools": tools, "input": items}


def gemini_body(talk: Conversation) -> dict[str, Any]:
    contents: list[dict[str, Any]] = []
    for number, step in enumerate(talk.steps):
        if step.said:
            contents.append({"role": "user", "parts": [{"text": step.said}]})
            continue
        call = {"id": f"t{number}", "name": step.tool, "args": step.arguments}
        response = {"error" if step.failed else "output": step.result}
        if step.result.startswith("{"):
            response = json.loads(step.result)
        answer = {"id": f"t{number}", "name": step.tool, "response": response}
        contents.append({"role": "model", "parts": [{"functionCall": call}]})
        contents.append({"role": "user", "parts": [{"functionResponse": answer}]})
    declared = [{"name": name, "parameters": SCHEMA} for name in talk.tools]
    return {
        "tools": [{"functionDeclarations": declared}] if declared else [],
        "systemInstruction": {"parts": [{"text": text} for text in talk.system]},
        "contents": contents,
    }


WIRES: dict[str, Callable[[Conversation, Shaper], tuple[Block, ...]]] = {
    "messages": lambda talk, shaper: prompt_of(messages_body(talk), shaper).blocks,
    "converse": lambda talk, shaper: prompt_of(as_messages_request(converse_body(talk), "m"), shaper).blocks,
    "chat": lambda talk, shaper: prompt_of_chat(chat_body(talk), shaper).blocks,
    "responses": lambda talk, shaper: prompt_of_responses(responses_body(talk), shaper).blocks,
    "gemini": lambda talk, shaper: prompt_of_generation(gemini_body(talk), shaper).blocks,
}
"""Each wire's layout of a conversation."""

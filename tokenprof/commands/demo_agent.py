"""The agent of the demo: it works through a mailbox in three turns and loads a skill on demand.

It is a real loop around the real `anthropic` client over real HTTP; only the provider is a loopback one, so
it needs no key and no network. One request of the user becomes three model calls (search_emails,
read_skill, answer), and each call sends everything before it again.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from tokenprof.live.profile import profile
from tokenprof.testing import LoopbackProvider, Overheads, Reply, texts

MODEL = "claude-opus-4-8"
SKILLS = 103
TOKENS_PER_S = 60.0
"""About the speed of hosted models of this class, so that the run's clock is one that a server could have."""
_HOUR = {"type": "ephemeral", "ttl": "1h"}
_FIVE_MINUTES = {"type": "ephemeral"}


def run_agent(client: Any, task: str, *, tools: list[dict[str, Any]], system: list[dict[str, Any]]) -> str:
    """Run an ordinary tool loop until the model answers; returns the answer's text."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": task}]}]
    while True:
        answer = client.messages.create(
            model=MODEL, max_tokens=1000, system=system, tools=tools, messages=_marked(messages)
        )
        messages.append({"role": "assistant", "content": answer.content})
        if answer.stop_reason != "tool_use":
            return "".join(block.text for block in answer.content if block.type == "text")
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": call_tool(block.name, block.input)}
            for block in answer.content
            if block.type == "tool_use"
        ]
        messages.append({"role": "user", "content": results})


def _marked(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages with a cache breakpoint on the last block."""
    *before, last = messages
    *blocks, final = last["content"]
    return [*before, {**last, "content": [*blocks, {**final, "cache_control": _FIVE_MINUTES}]}]


def call_tool(name: str, arguments: dict[str, Any]) -> str:
    """Return what the demo's tools return."""
    if name == "read_skill":
        guide = texts.prose(random.Random(f"skill {arguments}"), 127)
        return f"---\nname: {arguments['name']}\ndescription: how to sort a mailbox\n---\n{guide}"
    return texts.records(random.Random(f"mail {arguments}"), 6)


def tool_schemas() -> list[dict[str, Any]]:
    """Return the agent's tools: two of its own, and the one that loads a skill."""

    def tool(name: str, description: str, /, **fields: str) -> dict[str, Any]:
        properties = {field: {"type": "string", "description": text} for field, text in fields.items()}
        schema = {"type": "object", "properties": properties, "required": sorted(fields)}
        return {"name": name, "description": description, "input_schema": schema}

    return [
        tool(
            "search_emails",
            "Search the user's mailbox and return matching messages with sender, subject and size.",
            query="Words to look for in sender, subject and body.",
            folder="The folder to search in, `inbox` if nothing else is asked for.",
        ),
        tool(
            "send_email",
            "Send a message in the user's name. Ask before sending anything to somebody new.",
            to="Address of the recipient.",
            subject="A short subject line.",
            body="The message as plain text.",
        ),
        tool("read_skill", "Load the instructions of a skill of the index by its name.", name="The skill."),
    ]


def system_prompt() -> list[dict[str, Any]]:
    """Return the instructions (about 2,500 tokens) and the skills index, each before a cache breakpoint."""
    instructions = "You are an assistant for a busy office. " + texts.prose(
        random.Random("instructions"), 213
    )
    index = texts.one_liners(random.Random("skills"), SKILLS)
    return [
        {"type": "text", "text": instructions, "cache_control": _HOUR},
        {"type": "text", "text": index, "cache_control": _FIVE_MINUTES},
    ]


def script() -> list[Reply]:
    """Return what the model says: it searches, loads a skill, answers."""
    answer = texts.prose(random.Random("answer"), 9)
    return [
        Reply.calls(("search_emails", {"query": "unpaid invoice", "folder": "inbox"}), text="I will look."),
        Reply.calls(("read_skill", {"name": "triage-inbox"}), text="This calls for the triage skill."),
        Reply.text(f"Six messages need an answer. {answer}"),
    ]


def record_demo(path: Path) -> None:
    """Run the agent and record it to `path`."""
    import anthropic

    overheads = Overheads(
        tools_preamble=346, per_message=4, per_tool_use=20, per_tool_result=10, prompt_end=3
    )
    with (
        LoopbackProvider(script(), overheads=overheads, tokens_per_s=TOKENS_PER_S) as provider,
        profile(path, tags={"demo": "email"}),
        anthropic.Anthropic(api_key="no key needed", base_url=provider.url) as client,
    ):
        run_agent(client, "Which invoices are unpaid?", tools=tool_schemas(), system=system_prompt())

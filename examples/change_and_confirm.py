"""An agent that reads files, with the one change that its report suggests: predict it, make it, confirm it.

python examples/change_and_confirm.py before.jsonl
python examples/change_and_confirm.py after.jsonl --cap 500

The model is a loopback provider on this machine, with the prompt cache and the prices of the real one.
"""

import argparse
import random

import anthropic

import tokenprof
from tokenprof.testing import LoopbackProvider, Reply, texts

FILES = 8
LINES_OF_A_FILE = 90
CACHED = {"type": "ephemeral"}
TOOLS = [
    {
        "name": "read_file",
        "description": "Read a text file of the project and return what it holds.",
        "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
        "cache_control": CACHED,
    }
]


def read_file(number: int, cap: int | None) -> str:
    """Return a file's text, at most about `cap` tokens of it: the change that the report suggests."""
    words = texts.prose(random.Random(number), LINES_OF_A_FILE).split(" ")
    return " ".join(words if cap is None else words[: cap * 7 // 8])


def agent(client: anthropic.Anthropic, cap: int | None) -> None:
    """Read the files one after another, each result in the prompt of every later call."""
    messages = [{"role": "user", "content": "What do these files have in common?"}]
    for number in range(FILES + 1):
        sent = [*messages[:-1], _marked(messages[-1])]
        answer = client.messages.create(
            model="claude-opus-4-8",
            max_tokens=400,
            tools=TOOLS,
            system=texts.prose(random.Random(99), 60),
            messages=sent,
        )
        calls = [block for block in answer.content if block.type == "tool_use"]
        if not calls:
            return
        result = {"type": "tool_result", "tool_use_id": calls[0].id, "content": read_file(number, cap)}
        messages += [
            {"role": "assistant", "content": [block.model_dump() for block in answer.content]},
            {"role": "user", "content": [result]},
        ]


def _marked(message: dict) -> dict:
    """Return a message with a cache breakpoint at its end."""
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {**message, "content": [*parts[:-1], {**parts[-1], "cache_control": CACHED}]}


def main(path: str, cap: int | None = None) -> None:
    """Record one run of the agent to `path`."""
    replies = [Reply.calls(("read_file", {"path": f"src/part_{number}.py"})) for number in range(FILES)]
    with LoopbackProvider([*replies, Reply.text("They all parse the same log.")]) as provider:
        client = anthropic.Anthropic(api_key="none", base_url=provider.url)
        with tokenprof.profile(path):
            agent(client, cap)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Record the agent, with or without the change.")
    parser.add_argument("path")
    parser.add_argument("--cap", type=int, help="return at most about so many tokens of a file")
    given = parser.parse_args()
    main(given.path, given.cap)

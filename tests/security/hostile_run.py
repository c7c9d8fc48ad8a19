"""A recording in which everything that others may name has a hostile name."""

from __future__ import annotations

from pathlib import Path

import anthropic

import tokenprof
from tokenprof.testing import LoopbackProvider, Reply

HOSTILE = (
    "=1+n\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\u200b\ufeff\u2028\x00\r\n</text></svg><script>alert(1)</script>"
    "<img src=x onerror=alert(1)>|`x`\n```\n</details>@octocat #1 [x](https://evil.example) "
    "![p](//evil.example) www.evil.example =cmd|'/c calc'!A1 ]]>&amp;\n::error::x\n"
)

MARKUP = ("<script", "<img", "</details>", "</text>")


def record_hostile_run(path: Path) -> Path:
    """Record three calls whose model, tools, agent, tags and labels are hostile."""
    question = tokenprof.label("What is the secret plan? " * 40, f"label {HOSTILE}")
    tool = {"name": f"tool {HOSTILE}", "description": "d " * 200, "input_schema": {"type": "object"}}
    with (
        LoopbackProvider([Reply.text("Hello there.")] * 3) as provider,
        tokenprof.profile(path, tags={"task": HOSTILE, f"key {HOSTILE}": "v"}),
        anthropic.Anthropic(api_key="x", base_url=provider.url) as client,
    ):
        for model, agent in (("claude-opus-4-8", "a"), (f"model {HOSTILE}", "b"), ("claude-opus-4-8", "c")):
            with tokenprof.agent(f"{agent} {HOSTILE}"):
                client.messages.create(
                    model=model,
                    max_tokens=9,
                    tools=[tool],  # type: ignore[list-item]
                    messages=[{"role": "user", "content": question}],
                )
    return path


def unprintable(text: str) -> set[str]:
    """The characters that a terminal would obey or not show, apart from line ends."""
    return {char for char in text if not char.isprintable()} - {"\n"}

"""Every way of calling LiteLLM: at once and streamed, in threads and in tasks, with a failure on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import inbox
import litellm

import tokenprof
from tokenprof.harness_adapters.hooks import litellm as litellm_hook
from tokenprof.testing import Reply

WAYS = ("completion", "completion, streamed", "acompletion", "acompletion, streamed")
AGENTS = WAYS
TOOL = {
    "name": "read_mail",
    "description": "Read a mail.",
    "parameters": {"type": "object", "properties": {}},
}


def answer(body: Mapping[str, Any], attempt: int) -> Reply:
    """Refuse the first attempt, then say the same to all."""
    return Reply.error(400) if attempt == 0 else Reply.text(inbox.ANSWER)


def main(path: str, api_key: str, base_url: str) -> str:
    """Ask in every way; returns the answer, if all ways had the same."""
    return ask(path, {"model": f"anthropic/{inbox.MODEL}", "api_key": api_key, "base_url": base_url})


def ask(path: str, model: Mapping[str, Any]) -> str:
    """Ask a model in every way; returns the answer, if all ways had the same."""
    undo = litellm_hook.install()
    request = {
        **model,
        "messages": [{"role": "system", "content": inbox.TRIAGE}, {"role": "user", "content": inbox.TASK}],
        "tools": [{"type": "function", "function": TOOL}],
    }
    with tokenprof.profile(path):
        try:
            litellm.completion(**request)
        except litellm.BadRequestError:
            pass
        else:
            raise AssertionError("the refusal did not reach the caller")
        answers = [at_once(request), streamed(request), *asyncio.run(in_tasks(request))]
    undo()
    (same,) = set(answers)
    return same


def at_once(request: dict[str, Any]) -> str:
    with tokenprof.agent(WAYS[0]):
        return str(litellm.completion(**request).choices[0].message.content)


def streamed(request: dict[str, Any]) -> str:
    with tokenprof.agent(WAYS[1]):
        return "".join(
            piece.choices[0].delta.content or "" for piece in litellm.completion(stream=True, **request)
        )


async def in_tasks(request: dict[str, Any]) -> list[str]:
    """Both at once: the names must not mix."""

    async def whole() -> str:
        with tokenprof.agent(WAYS[2]):
            return str((await litellm.acompletion(**request)).choices[0].message.content)

    async def pieces() -> str:
        with tokenprof.agent(WAYS[3]):
            stream = await litellm.acompletion(stream=True, **request)
            return "".join([piece.choices[0].delta.content or "" async for piece in stream])

    return await asyncio.gather(whole(), pieces())

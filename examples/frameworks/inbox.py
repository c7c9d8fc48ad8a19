"""The work that every example here gives its framework: two agents, their tools, and a model to answer them.

`triage` searches the inbox and asks `researcher`, who reads a mail. Where no `ANTHROPIC_API_KEY` is set,
the model is a provider on this machine that plays both parts; its answers depend only on what it is sent.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tokenprof.testing import LoopbackProvider, Reply

Script = Callable[[Mapping[str, Any], int], Reply]

MODEL = "claude-opus-4-8"
TASK = "Which of today's mails needs an answer before noon?"
TRIAGE = "You sort an inbox. Search it, then let the researcher read what looks urgent. " * 80
RESEARCHER = "You read one mail and say in a sentence what it asks for. " * 100
AGENTS = ("triage", "triage", "researcher", "researcher", "triage")
"""Who makes the calls, in order."""
ANSWER = "The mail from the landlord needs an answer before noon: he asks for the key."


def search_mail(query: str) -> str:
    """Search the inbox.

    Args:
        query: Words that the mails should hold.
    """
    return "\n".join(f"{number}. about {query}, from sender {number}" for number in range(1, 40))


def read_mail(number: int) -> str:
    """Read a mail.

    Args:
        number: Its number in the search result.
    """
    return f"Mail {number}: please send the key before noon. " * 30


def answer(body: Mapping[str, Any], attempt: int) -> Reply:
    """Play the model: `triage` searches, asks and answers; `researcher` reads and reports."""
    tools = {tool["name"]: tool for tool in body.get("tools", ())}
    answered = sum(message["role"] == "assistant" for message in body["messages"])
    if "read_mail" in tools:
        return _say("It asks for the key.", tools) if answered else Reply.calls(("read_mail", {"number": 7}))
    if answered == 0:
        return Reply.calls(("search_mail", {"query": "noon"}), text="I search first.")
    researcher = next((tools[name] for name in RESEARCHERS if name in tools), None)
    if answered == 1 and researcher is not None:
        return Reply.calls((researcher["name"], _request_to(researcher)))
    return _say(ANSWER, tools)


RESEARCHERS = ("ask_researcher", "researcher", "task")
"""The frameworks' names for the tool that hands over to the other agent."""


def _request_to(tool: Mapping[str, Any]) -> dict[str, str]:
    fields = tool["input_schema"]["properties"]
    return {name: "researcher" if name == "subagent_type" else "What does mail 7 ask for?" for name in fields}


def _say(text: str, tools: Mapping[str, Any]) -> Reply:
    return Reply.calls(("final_answer", {"answer": text})) if "final_answer" in tools else Reply.text(text)


@contextlib.contextmanager
def model_address(script: Script = answer) -> Iterator[dict[str, str]]:
    """Yield the key and address of the model: Anthropic's own, or a provider on this machine."""
    key = os.environ.get("ANTHROPIC_API_KEY")
    if key:
        yield {"api_key": key, "base_url": os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com")}
        return
    with LoopbackProvider(script) as provider:
        yield {"api_key": "none", "base_url": provider.url}

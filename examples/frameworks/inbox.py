"""The work that every example here gives its framework: two agents, their tools, and a model to answer them.

`triage` searches the inbox and asks `researcher`, who reads a mail. Where no `ANTHROPIC_API_KEY` is set,
the model is a provider on this machine that plays both parts; its answers depend only on what it is sent.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from tokenprof.testing import LoopbackProvider, Reply

MODEL = "claude-opus-4-8"
TASK = "Which of today's mails needs an answer before noon?"
TRIAGE = "You sort an inbox. Search it, then let the researcher read what looks urgent. " * 80
RESEARCHER = "You read one mail and say in a sentence what it asks for. " * 100
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
    tools = [tool["name"] for tool in body.get("tools", ())]
    done = sum(
        block["type"] == "tool_result"
        for message in body["messages"]
        if not isinstance(message["content"], str)
        for block in message["content"]
    )
    if "read_mail" in tools:
        return Reply.calls(("read_mail", {"number": 7})) if not done else Reply.text("It asks for the key.")
    delegate = next((name for name in tools if name != "search_mail"), None)
    if done == 0:
        return Reply.calls(("search_mail", {"query": "noon"}), text="I search first.")
    if done == 1 and delegate is not None:
        return Reply.calls((delegate, {"request": "What does mail 7 ask for?"}))
    return Reply.text(ANSWER)


@contextlib.contextmanager
def model_address() -> Iterator[dict[str, str]]:
    """Yield the key and address of the model: Anthropic's own, or a provider on this machine."""
    key = os.environ.get("ANTHROPIC_API_KEY")
    if key:
        yield {"api_key": key, "base_url": os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com")}
        return
    with LoopbackProvider(answer) as provider:
        yield {"api_key": "none", "base_url": provider.url}

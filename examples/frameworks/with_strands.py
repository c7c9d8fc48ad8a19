"""Strands agents, by name: one argument each, `hooks=[StrandsAgentNames()]`.

python examples/frameworks/with_strands.py && tokenprof report run.jsonl
"""

from collections.abc import Callable
from typing import Any

import inbox
from strands import Agent, tool

import tokenprof
from tokenprof.harness_adapters.hooks import litellm as litellm_hook
from tokenprof.harness_adapters.hooks.strands import StrandsAgentNames


def main(path: str, api_key: str, base_url: str) -> str:
    """Let two agents sort the inbox over LiteLLM; returns their answer."""
    from strands.models.litellm import LiteLLMModel

    undo = litellm_hook.install()
    with tokenprof.profile(path, tags={"framework": "strands"}):
        client = {"api_key": api_key, "base_url": base_url}
        said = sort(lambda: LiteLLMModel(client_args=client, model_id=f"anthropic/{inbox.MODEL}"))
    undo()
    return said


def sort(make_model: Callable[[], Any]) -> str:
    """Let two agents sort the inbox, each with a model of its own; returns their answer.

    An agent that is called by another's tool runs in a loop of its own, where the connections of a shared
    asynchronous client break: the client tries again, and the provider is asked twice.
    """
    researcher = Agent(
        model=make_model(),
        name="researcher",
        system_prompt=inbox.RESEARCHER,
        tools=[tool(inbox.read_mail)],
        hooks=[StrandsAgentNames()],
        callback_handler=None,
    )

    @tool
    def ask_researcher(request: str) -> str:
        """Let the researcher read mails and report."""
        return str(researcher(request))

    triage = Agent(
        model=make_model(),
        name="triage",
        system_prompt=inbox.TRIAGE,
        tools=[tool(inbox.search_mail), ask_researcher],
        hooks=[StrandsAgentNames()],
        callback_handler=None,
    )
    return str(triage(inbox.TASK)).strip()


if __name__ == "__main__":
    with inbox.model_address() as address:
        print(main("run.jsonl", **address))

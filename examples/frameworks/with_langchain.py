"""LangChain agents, by name: one line, `langchain_hook.install()`.

python examples/frameworks/with_langchain.py && tokenprof report run.jsonl
"""

from collections.abc import Sequence
from typing import Any

import inbox
from langchain.agents import create_agent
from langchain_core.tools import tool

import tokenprof
from tokenprof.harness_adapters.hooks import langchain as langchain_hook


def main(path: str, api_key: str, base_url: str) -> str:
    """Let two agents sort the inbox over Claude, with prompt caching; returns their answer."""
    from langchain_anthropic import ChatAnthropic
    from langchain_anthropic.middleware import AnthropicPromptCachingMiddleware

    undo = langchain_hook.install()
    with tokenprof.profile(path, tags={"framework": "langchain"}):
        model = ChatAnthropic(model=inbox.MODEL, api_key=api_key, base_url=base_url)
        said = sort(model, [AnthropicPromptCachingMiddleware(ttl="5m")])
    undo()
    return said


def sort(model: Any, middleware: Sequence[Any] = ()) -> str:
    """Let two agents sort the inbox; returns their answer."""
    researcher = create_agent(
        model,
        [tool(inbox.read_mail)],
        system_prompt=inbox.RESEARCHER,
        middleware=middleware,
        name="researcher",
    )

    @tool
    def ask_researcher(request: str) -> str:
        """Let the researcher read mails and report."""
        said = researcher.invoke({"messages": [("user", request)]})
        return str(said["messages"][-1].text)

    triage = create_agent(
        model,
        [tool(inbox.search_mail), ask_researcher],
        system_prompt=inbox.TRIAGE,
        middleware=middleware,
        name="triage",
    )
    said = triage.invoke({"messages": [("user", inbox.TASK)]})
    return str(said["messages"][-1].text)


if __name__ == "__main__":
    with inbox.model_address() as address:
        print(main("run.jsonl", **address))

"""LangChain agents over OpenAI's Chat Completions, by name: one line, `langchain_hook.install()`.

python examples/frameworks/with_langchain_openai.py && tokenprof report run.jsonl

The model is a provider on this machine.
"""

from collections.abc import Mapping
from typing import Any

import inbox
from langchain_openai import ChatOpenAI
from with_langchain import sort

import tokenprof
from tokenprof.harness_adapters.hooks import langchain as langchain_hook
from tokenprof.testing import OpenAILoopback, Reply

MODEL = "gpt-5.4"
PROVIDER = OpenAILoopback


def answer(body: Mapping[str, Any], attempt: int) -> Reply:
    """Play the model of the inbox, asked in the terms of Chat Completions."""
    functions = [entry["function"] for entry in body["tools"]]
    tools = [{**function, "input_schema": function["parameters"]} for function in functions]
    return inbox.answer({"tools": tools, "messages": body["messages"]}, attempt)


def main(path: str, api_key: str, base_url: str) -> str:
    """Let two agents sort the inbox; returns their answer."""
    undo = langchain_hook.install()
    with tokenprof.profile(path, tags={"framework": "langchain"}):
        said = sort(ChatOpenAI(model=MODEL, api_key=api_key, base_url=base_url))
    undo()
    return said


if __name__ == "__main__":
    with OpenAILoopback(answer) as provider:
        print(main("run.jsonl", api_key="none", base_url=provider.url))

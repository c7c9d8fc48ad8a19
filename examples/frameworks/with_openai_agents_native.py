"""OpenAI Agents SDK over OpenAI's own client and the Responses API: one line, `openai_agents_hook.install()`.

python examples/frameworks/with_openai_agents_native.py && tokenprof report run.jsonl

The model is a provider on this machine. `with_openai_agents.py` has the same agents over LiteLLM.
"""

from collections.abc import Mapping
from typing import Any

import inbox
from agents import Agent, OpenAIResponsesModel, Runner, function_tool, set_trace_processors
from openai import AsyncOpenAI

import tokenprof
from tokenprof.harness_adapters.hooks import openai_agents as openai_agents_hook
from tokenprof.testing import OpenAILoopback, Reply

MODEL = "gpt-5.4"
PROVIDER = OpenAILoopback


def answer(body: Mapping[str, Any], attempt: int) -> Reply:
    """Play the model of the inbox, asked in the terms of Responses."""
    tools = [{**tool, "input_schema": tool["parameters"]} for tool in body["tools"]]
    called = [{"role": "assistant"} for item in body["input"] if item.get("type") == "function_call"]
    return inbox.answer({"tools": tools, "messages": called}, attempt)


def main(path: str, api_key: str, base_url: str) -> str:
    """Let two agents sort the inbox; returns their answer."""
    set_trace_processors([])  # without an OpenAI key there is nowhere to send traces to
    undo = openai_agents_hook.install()
    with tokenprof.profile(path, tags={"framework": "openai-agents"}):
        model = OpenAIResponsesModel(MODEL, AsyncOpenAI(api_key=api_key, base_url=base_url))
        researcher = Agent(
            "researcher", instructions=inbox.RESEARCHER, tools=[function_tool(inbox.read_mail)], model=model
        )
        ask = researcher.as_tool("ask_researcher", "Let the researcher read mails and report.")
        triage = Agent(
            "triage", instructions=inbox.TRIAGE, tools=[function_tool(inbox.search_mail), ask], model=model
        )
        said = Runner.run_sync(triage, inbox.TASK).final_output
    undo()
    return str(said)


if __name__ == "__main__":
    with OpenAILoopback(answer) as provider:
        print(main("run.jsonl", api_key="none", base_url=provider.url))

"""OpenAI Agents SDK, by name: one line, `openai_agents_hook.install()`. Over LiteLLM it also needs that hook.

python examples/frameworks/with_openai_agents.py && tokenprof report run.jsonl
"""

import inbox
from agents import Agent, Runner, function_tool, set_trace_processors
from agents.extensions.models.litellm_model import LitellmModel

import tokenprof
from tokenprof.harness_adapters.hooks import litellm as litellm_hook
from tokenprof.harness_adapters.hooks import openai_agents as openai_agents_hook


def main(path: str, api_key: str, base_url: str) -> str:
    """Let two agents sort the inbox; returns their answer."""
    set_trace_processors([])  # without an OpenAI key there is nowhere to send traces to
    undo_names, undo = openai_agents_hook.install(), litellm_hook.install()
    with tokenprof.profile(path, tags={"framework": "openai-agents"}):
        model = LitellmModel(f"anthropic/{inbox.MODEL}", api_key=api_key, base_url=base_url)
        researcher = Agent(
            "researcher", instructions=inbox.RESEARCHER, tools=[function_tool(inbox.read_mail)], model=model
        )
        ask = researcher.as_tool("ask_researcher", "Let the researcher read mails and report.")
        triage = Agent(
            "triage", instructions=inbox.TRIAGE, tools=[function_tool(inbox.search_mail), ask], model=model
        )
        said = Runner.run_sync(triage, inbox.TASK).final_output
    undo()
    undo_names()
    return str(said)


if __name__ == "__main__":
    with inbox.model_address() as address:
        print(main("run.jsonl", **address))

"""Strands agents, by name: one argument each, `hooks=[AgentNames()]`.

python examples/frameworks/with_strands.py && tokenprof report run.jsonl
"""

import inbox
from strands import Agent, tool
from strands.models.litellm import LiteLLMModel

import tokenprof
from tokenprof.harness_adapters import litellm_hook
from tokenprof.harness_adapters.strands_hook import AgentNames


def main(path: str, api_key: str, base_url: str) -> str:
    """Let two agents sort the inbox; returns their answer."""
    undo = litellm_hook.install()
    with tokenprof.profile(path, tags={"framework": "strands"}):
        client = {"api_key": api_key, "base_url": base_url}
        model = LiteLLMModel(client_args=client, model_id=f"anthropic/{inbox.MODEL}")
        researcher = Agent(
            model=model,
            name="researcher",
            system_prompt=inbox.RESEARCHER,
            tools=[tool(inbox.read_mail)],
            hooks=[AgentNames()],
            callback_handler=None,
        )

        @tool
        def ask_researcher(request: str) -> str:
            """Let the researcher read mails and report."""
            return str(researcher(request))

        triage = Agent(
            model=model,
            name="triage",
            system_prompt=inbox.TRIAGE,
            tools=[tool(inbox.search_mail), ask_researcher],
            hooks=[AgentNames()],
            callback_handler=None,
        )
        said = str(triage(inbox.TASK))
    undo()
    return said.strip()


if __name__ == "__main__":
    with inbox.model_address() as address:
        print(main("run.jsonl", **address))

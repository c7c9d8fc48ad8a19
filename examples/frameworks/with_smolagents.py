"""smolagents over LiteLLM: one line, `litellm_hook.install()`; each agent's run is named by hand.

python examples/frameworks/with_smolagents.py && tokenprof report run.jsonl
"""

import inbox
from smolagents import LiteLLMModel, ToolCallingAgent, tool

import tokenprof
from tokenprof.harness_adapters.hooks import litellm as litellm_hook


def main(path: str, api_key: str, base_url: str) -> str:
    """Let two agents sort the inbox; returns their answer."""
    undo = litellm_hook.install()
    with tokenprof.profile(path, tags={"framework": "smolagents"}):
        model = LiteLLMModel(f"anthropic/{inbox.MODEL}", api_key=api_key, api_base=base_url)
        researcher = ToolCallingAgent(
            [tool(inbox.read_mail)], model, name="researcher", description=inbox.RESEARCHER, verbosity_level=0
        )

        @tool
        def ask_researcher(request: str) -> str:
            """Let the researcher read mails and report.

            Args:
                request: What to find out.
            """
            with tokenprof.agent("researcher"):
                return str(researcher.run(request))

        triage = ToolCallingAgent(
            [tool(inbox.search_mail), ask_researcher], model, name="triage", verbosity_level=0
        )
        with tokenprof.agent("triage"):
            said = str(triage.run(inbox.TASK))
    undo()
    return said


if __name__ == "__main__":
    with inbox.model_address() as address:
        print(main("run.jsonl", **address))

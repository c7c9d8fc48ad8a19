"""deepagents, a main agent and a subagent by name: one line, `langchain_hook.install()`.

python examples/frameworks/with_deepagents.py && tokenprof report run.jsonl
"""

import inbox
from deepagents import create_deep_agent
from langchain_anthropic import ChatAnthropic

import tokenprof
from tokenprof.harness_adapters.hooks import langchain as langchain_hook


def main(path: str, api_key: str, base_url: str) -> str:
    """Let two agents sort the inbox; returns their answer."""
    undo = langchain_hook.install()
    with tokenprof.profile(path, tags={"framework": "deepagents"}):
        researcher = {
            "name": "researcher",
            "description": "Reads mails and reports.",
            "system_prompt": inbox.RESEARCHER,
            "tools": [inbox.read_mail],
        }
        triage = create_deep_agent(
            model=ChatAnthropic(model=inbox.MODEL, api_key=api_key, base_url=base_url),
            tools=[inbox.search_mail],
            system_prompt=inbox.TRIAGE,
            subagents=[researcher],
            name="triage",
        )
        said = triage.invoke({"messages": [("user", inbox.TASK)]})
    undo()
    return str(said["messages"][-1].text)


if __name__ == "__main__":
    with inbox.model_address() as address:
        print(main("run.jsonl", **address))

"""mini-swe-agent over LiteLLM: one line, `litellm_hook.install()`; its single agent is named by hand.

python examples/frameworks/with_mini_swe_agent.py && tokenprof report run.jsonl
"""

from collections.abc import Mapping
from typing import Any

import inbox
from minisweagent.agents.default import DefaultAgent
from minisweagent.environments.local import LocalEnvironment
from minisweagent.models.litellm_model import LitellmModel

import tokenprof
from tokenprof.harness_adapters.hooks import litellm as litellm_hook
from tokenprof.testing import Reply

AGENTS = ("triage", "triage")
"""Who makes the calls, in order."""


def answer(body: Mapping[str, Any], attempt: int) -> Reply:
    """Play the model: look once, then submit."""
    if not any(message["role"] == "assistant" for message in body["messages"]):
        return Reply.calls(("bash", {"command": "seq 1 200"}), text="I look first.")
    submit = f"echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT; echo '{inbox.ANSWER}'"
    return Reply.calls(("bash", {"command": submit}))


def main(path: str, api_key: str, base_url: str) -> str:
    """Let the agent work in a shell; returns what it submits."""
    undo = litellm_hook.install()
    with tokenprof.profile(path, tags={"framework": "mini-swe-agent"}), tokenprof.agent("triage"):
        model = LitellmModel(
            model_name=f"anthropic/{inbox.MODEL}",
            model_kwargs={"api_key": api_key, "api_base": base_url},
            set_cache_control="default_end",
        )
        agent = DefaultAgent(
            model, LocalEnvironment(), system_template=inbox.TRIAGE, instance_template="{{task}}"
        )
        said = agent.run(inbox.TASK)
    undo()
    return str(said["submission"]).strip()


if __name__ == "__main__":
    with inbox.model_address(answer) as address:
        print(main("run.jsonl", **address))

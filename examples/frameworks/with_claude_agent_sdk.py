"""The Claude Agent SDK, a main agent and a subagent: the session that Claude Code writes is the recording.

python examples/frameworks/with_claude_agent_sdk.py && tokenprof report run/
"""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import inbox
from claude_agent_sdk import AgentDefinition, ClaudeAgentOptions, ResultMessage, query

from tokenprof.testing import Reply

AGENTS = (None, None, "researcher", "researcher", None)
"""Who makes the calls: the session's main agent has no name."""
RECORDING = "claude"


def answer(body: Mapping[str, Any], attempt: int) -> Reply:
    """Play the model: the main agent asks the researcher, who reads a file."""
    tools = [tool["name"] for tool in body.get("tools", ())]
    answered = any(message["role"] == "assistant" for message in body["messages"])
    if "Agent" in tools:
        task = {"description": "read", "prompt": "What do they ask?", "subagent_type": "researcher"}
        return Reply.text(inbox.ANSWER) if answered else Reply.calls(("Agent", task), text="I ask.")
    return Reply.text("For the key.") if answered else Reply.calls(("Read", {"file_path": "mail.txt"}))


async def run(config: Path, api_key: str, base_url: str) -> str:
    """Let two agents sort the inbox; returns their answer."""
    researcher = AgentDefinition(description="Reads mails.", prompt=inbox.RESEARCHER, tools=["Read"])
    with tempfile.TemporaryDirectory() as inbox_folder:
        Path(inbox_folder, "mail.txt").write_text(inbox.read_mail(7))
        options = ClaudeAgentOptions(
            model=inbox.MODEL,
            cwd=inbox_folder,
            system_prompt=inbox.TRIAGE,
            agents={"researcher": researcher},
            allowed_tools=["Agent", "Read"],
            env={
                "ANTHROPIC_API_KEY": api_key,
                "ANTHROPIC_BASE_URL": base_url,
                "CLAUDE_CONFIG_DIR": str(config),
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            },
        )
        said = ""
        async for message in query(prompt=inbox.TASK, options=options):
            if isinstance(message, ResultMessage):
                said = message.result or ""
    return said


def main(path: str, api_key: str, base_url: str) -> str:
    """Keep the session's files in the folder `path`; returns the agents' answer."""
    return asyncio.run(run(Path(path).absolute(), api_key, base_url))


if __name__ == "__main__":
    with inbox.model_address(answer) as address:
        print(main("run", **address))

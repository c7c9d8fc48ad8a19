"""Claude Code with a skill and a subagent, its calls recorded as they pass: `tokenprof run -- claude …`.

python examples/frameworks/with_claude_code.py && tokenprof report claude/run.jsonl

Claude Code records the same calls in two more places: its session files (`tokenprof report
claude/config/projects`) and, asked for it, its output (`tokenprof report claude/output.jsonl`).
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import inbox

from tokenprof.testing import Reply

RECORDING = "claude"
SKILL = """---
name: mail-triage
description: Sort mails by how soon they need an answer.
---
Read each mail. Say which one needs an answer before noon, and why.
"""


def answer(body: Mapping[str, Any], attempt: int) -> Reply:
    """Play the model: load the skill, let a subagent read the mail, answer."""
    tools = [tool["name"] for tool in body.get("tools", ())]
    answered = sum(message["role"] == "assistant" for message in body["messages"])
    delegate = next((name for name in ("Task", "Agent") if name in tools), None)
    if delegate is None:
        return Reply.text("For the key.") if answered else Reply.calls(("Read", {"file_path": "mail.txt"}))
    if answered == 0:
        return Reply.calls(("Skill", {"skill": "mail-triage"}))
    if answered == 1:
        # Of the kinds of subagent that Claude Code comes with, this one cannot delegate in turn.
        task = {"description": "read", "prompt": "What do they ask?", "subagent_type": "Explore"}
        return Reply.calls((delegate, task), text="I have it read.")
    return Reply.text(inbox.ANSWER)


def program() -> str:
    """Return the `claude` on the path, else the one that the Agent SDK brings."""
    found = shutil.which("claude")
    sdk = importlib.util.find_spec("claude_agent_sdk")
    if found or sdk is None or sdk.origin is None:
        return found or "claude"
    return str(Path(sdk.origin).parent / "_bundled" / "claude")


def main(path: str, api_key: str, base_url: str) -> str:
    """Keep the recording, Claude Code's own files and its output in the folder `path`; returns its answer."""
    folder = Path(path).absolute()
    work = folder / "work"
    (work / ".claude" / "skills" / "mail-triage").mkdir(parents=True)
    (work / ".claude" / "skills" / "mail-triage" / "SKILL.md").write_text(SKILL)
    (work / "mail.txt").write_text(inbox.read_mail(7))
    recorder = [sys.executable, "-m", "tokenprof", "run", "--record", folder / "run.jsonl", "--no-report"]
    claude = [program(), "-p", inbox.TASK, "--model", inbox.MODEL, "--allowedTools", "Skill,Read,Task,Agent"]
    told = {
        "ANTHROPIC_API_KEY": api_key,
        "ANTHROPIC_BASE_URL": base_url,
        "CLAUDE_CONFIG_DIR": str(folder / "config"),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    done = subprocess.run(
        [*recorder, "--", *claude, "--output-format", "stream-json", "--verbose"],
        check=True,
        cwd=work,
        env=os.environ | told,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    (folder / "output.jsonl").write_text(done.stdout)
    return str(json.loads(done.stdout.splitlines()[-1])["result"])


def recordings(path: Path) -> list[Path]:
    """Return the recording of `tokenprof run`, and the sessions that Claude Code wrote of the same calls."""
    return [path / "run.jsonl", path / "config" / "projects"]


if __name__ == "__main__":
    with inbox.model_address(answer) as address:
        print(main("claude", **address))

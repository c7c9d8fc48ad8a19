"""Codex, its calls recorded as they pass: `tokenprof run` stands in front of the program, which is unchanged.

python examples/frameworks/with_codex.py && tokenprof report codex/run.jsonl

Codex keeps its own session file, too: `tokenprof report codex/home/sessions` reads the same calls from there.
The model is a provider on this machine; it has Codex list a folder and read the mail in it.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import inbox

from tokenprof.testing import OpenAILoopback, Reply

MODEL = "gpt-6.1-sol"
PROVIDER = OpenAILoopback
AGENTS = (None, None, None)
"""Who makes the calls: the session's main agent has no name."""
RECORDING = "codex"
SOURCES = 2
"""How many records there are of the calls: the recording, and Codex's own session."""
COMMANDS = ("ls", "cat mail.txt")
SETTINGS = "check_for_update_on_startup = false\n[analytics]\nenabled = false\n"


def answer(body: Mapping[str, Any], attempt: int) -> Reply:
    """Play the model: run the commands one by one, then answer."""
    done = sum(item.get("type") in ("custom_tool_call", "function_call") for item in body["input"])
    if done == len(COMMANDS):
        return Reply.text(inbox.ANSWER)
    command = COMMANDS[done]
    if any(tool.get("name") == "exec_command" for tool in body.get("tools") or ()):
        return Reply.calls(("exec_command", {"cmd": command}), thinking="I look at what is there.")
    # Newer models are given one tool, which runs scripts that call the others.
    script = f"text((await tools.exec_command({{cmd: {command!r}}})).output)"
    call = {"type": "tool_use", "id": f"call_{done}", "name": "exec", "input": script}
    return Reply(content=[{"type": "thinking", "thinking": "I look at what is there."}, call])


def main(path: str, api_key: str, base_url: str) -> str:
    """Keep the recording and Codex's own files in the folder `path`; returns its answer."""
    folder = Path(path).absolute()
    home, work = folder / "home", folder / "work"
    for made in (home, work):
        made.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text(SETTINGS)
    (work / "mail.txt").write_text(inbox.read_mail(7))
    recorder = [sys.executable, "-m", "tokenprof", "run", "--record", folder / "run.jsonl", "--no-report"]
    codex = ["codex", "exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", "--model", MODEL]
    told = {"OPENAI_API_KEY": api_key, "OPENAI_BASE_URL": base_url, "CODEX_HOME": str(home)}
    done = subprocess.run(
        [*recorder, "--", *codex, inbox.TASK],
        check=True,
        cwd=work,
        env=os.environ | told,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    return done.stdout.strip()


def recordings(path: Path) -> list[Path]:
    """Return the recording of `tokenprof run`, and the session file that Codex wrote of the same calls."""
    return [path / "run.jsonl", *(path / "home" / "sessions").rglob("rollout-*.jsonl")]


if __name__ == "__main__":
    with OpenAILoopback(answer) as provider:
        print(main("codex", api_key="sk-fake", base_url=provider.url))

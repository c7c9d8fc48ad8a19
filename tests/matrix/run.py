"""Every client at its current release, unmodified, in an environment of its own: `make harness-matrix`.

python tests/matrix/run.py [CLIENT …]

Each client's package is installed without regard to ours, then what a recording needs beside it; its example
runs against a loopback provider, and the recording must be what the provider did. A client that cannot be
installed has failed. A program of npm's is installed beside a Python that drives it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tomllib
import venv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENTS = ROOT / ".venv" / "matrix"
SDKS = ("anthropic", "openai")
"""What the client itself decides on: several need other releases than our own tests do."""

AT_ONCE = 2
"""Clients that are installed and driven side by side: one waits for the network while another computes."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client: the distribution whose release is shown, what is installed, the examples that drive it.

    `npm` is the package of a client that is not written in Python; its release is the one shown.
    """

    name: str
    packages: tuple[str, ...]
    examples: tuple[str, ...]
    npm: str | None = None


CLIENTS = (
    # It brings a Claude Code of its own.
    Client("claude-agent-sdk", ("claude-agent-sdk",), ("with_claude_agent_sdk", "claude_code_ways")),
    Client("claude-code", (), ("claude_code_ways",), npm="@anthropic-ai/claude-code"),
    Client("codex", (), ("with_codex",), npm="@openai/codex"),
    Client("langchain", ("langchain", "langchain-anthropic"), ("with_langchain",)),
    Client("langchain-openai", ("langchain", "langchain-openai"), ("with_langchain_openai",)),
    Client("langchain-aws", ("langchain", "langchain-aws"), ("langchain_bedrock",)),
    Client("deepagents", ("deepagents", "langchain-anthropic"), ("with_deepagents",)),
    Client("pydantic-ai-slim", ("pydantic-ai-slim[anthropic]",), ("with_pydantic_ai",)),
    Client(
        "openai-agents",
        ("openai-agents[litellm]", "mcp"),
        ("with_openai_agents", "with_openai_agents_native"),
    ),
    # LiteLLM imports `mcp` as soon as a call has tools, `boto3` to sign for AWS, and asks for neither.
    Client("litellm", ("litellm", "mcp", "boto3"), ("with_litellm", "litellm_ways", "litellm_bedrock")),
    Client("smolagents", ("smolagents[litellm]", "mcp"), ("with_smolagents",)),
    Client("mini-swe-agent", ("mini-swe-agent", "mcp"), ("with_mini_swe_agent", "mini_swe_ways")),
    Client(
        "strands-agents",
        ("strands-agents[litellm,anthropic]", "mcp"),
        ("with_strands", "strands_anthropic", "strands_bedrock"),
    ),
    Client("google-adk", ("google-adk", "litellm", "mcp"), ("with_google_adk", "adk_gemini")),
)

ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    # On the slowest machine, a recording is whole when its block ends.
    "TOKENPROF_CLOSE_WAIT_S": "120",
    # Packages are compiled when they are first imported, and not again.
    "PYTHONDONTWRITEBYTECODE": "",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "MSWEA_SILENT_STARTUP": "1",
    "OTEL_SDK_DISABLED": "true",
}


def our_needs() -> list[str]:
    """Return what a recording and its report need beside the client's own SDKs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ours = [need for need in project["dependencies"] if not need.startswith(SDKS)]
    # The HTTP library of the current `anthropic`; it decodes response bodies for the recording.
    return [*ours, "httpx2"]


def python_of(client: Client) -> Path:
    """Return the interpreter of a client's environment, which is made if it is not there."""
    folder = ENVIRONMENTS / client.name
    python = folder / "bin" / "python"
    asked = "\n".join((*client.packages, *our_needs(), *filter(None, [client.npm])))
    stamp = folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != asked:
        venv.create(folder, with_pip=True, clear=True)
        install(python, client.packages)
        install(python, our_needs())
        if client.npm:
            npm = ["npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run([*npm, client.npm], check=True, capture_output=True, text=True)
        stamp.write_text(asked)
    return python


def install(python: Path, packages: Sequence[str]) -> None:
    """Install packages, if there are any. Raises CalledProcessError with pip's own words."""
    if not packages:
        return
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    subprocess.run([*pip, *packages], check=True, capture_output=True, text=True)


def version_of(client: Client, python: Path) -> str:
    """Return the release of the client that its environment holds."""
    if client.npm:
        package = ENVIRONMENTS / client.name / "node_modules" / client.npm / "package.json"
        return str(json.loads(package.read_text())["version"])
    show = f"import importlib.metadata as m; print(m.version({client.name!r}))"
    shown = subprocess.run([python, "-c", show], check=True, capture_output=True, text=True)
    return shown.stdout.strip()


def timed_run(client: Client) -> tuple[bool, str, float]:
    """Return what `run` returns, and how many seconds it took."""
    started_s = time.monotonic()
    return *run(client), time.monotonic() - started_s


def run(client: Client) -> tuple[bool, str]:
    """Return whether a client's record is its bill, and what there is to say about it."""
    try:
        python = python_of(client)
        version = version_of(client, python)
        told = [drive(python, example) for example in client.examples]
    except subprocess.CalledProcessError as error:
        return False, f"failed:\n{error.stdout[-500:]}{error.stderr[-3000:]}"
    except FileNotFoundError as error:
        return False, f"failed: there is no {error.filename} here"
    except subprocess.TimeoutExpired as error:
        return False, f"took longer than {error.timeout} s"
    return True, f"{version:>10}  {' '.join(told)}"


def drive(python: Path, example: str) -> str:
    """Return what a run of one example reports. Raises CalledProcessError with the disagreement."""
    command = [python, ROOT / "tests" / "matrix" / "drive.py", example]
    programs = python.parent.parent / "node_modules" / ".bin"
    environment = os.environ | ENVIRONMENT | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300, env=environment)
    return done.stdout.strip().splitlines()[-1]


def main(names: Sequence[str]) -> int:
    """Run the named clients, or all; returns how many failed."""
    chosen = [client for client in CLIENTS if not names or client.name in names]
    unknown = set(names) - {client.name for client in CLIENTS}
    if unknown:
        print(f"There is no client {', '.join(sorted(unknown))}; see CLIENTS in {__file__}.")
        return 1
    failed = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for client, (agrees, words, took_s) in zip(chosen, pool.map(timed_run, chosen), strict=True):
            failed += not agrees
            mark = "ok  " if agrees else "FAIL"
            print(f"{mark} {client.name:<18} {words}  ({took_s:.0f} s)", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)

"""Harnesses that take the address of the proxy not from the environment but as an argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

KEYS = ("OPENAI_API_KEY", "CODEX_API_KEY")


def told_the_address(
    command: Sequence[str], environment: Mapping[str, str], addresses: Mapping[str, str]
) -> list[str]:
    """Return a command with the argument that points it at the proxy; as it is where it needs none.

    Codex reads only its own settings. Logged in to a plan, without a key, it talks to another service
    than the API, which it must be left to.
    """
    program, *arguments = command
    if Path(program).stem == "codex" and any(environment.get(key) for key in KEYS):
        return [program, "-c", f'openai_base_url="{addresses["OPENAI_BASE_URL"]}"', *arguments]
    return list(command)

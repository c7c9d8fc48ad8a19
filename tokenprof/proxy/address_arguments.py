"""Harnesses that take the address of the proxy as an argument instead of from the environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

KEYS = ("OPENAI_API_KEY", "CODEX_API_KEY")


def told_the_address(
    command: Sequence[str], environment: Mapping[str, str], addresses: Mapping[str, str]
) -> list[str]:
    """Return a command with the argument that points it at the proxy, or unchanged if it needs none.

    Codex reads only its own settings. If it is logged in to a plan and has no key, it talks to a service
    other than the API, and must be left alone.
    """
    program, *arguments = command
    if Path(program).stem == "codex" and any(environment.get(key) for key in KEYS):
        return [program, "-c", f'openai_base_url="{addresses["OPENAI_BASE_URL"]}"', *arguments]
    return list(command)

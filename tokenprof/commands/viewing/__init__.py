"""The commands that show a run in pictures, while it grows or afterwards: one file per command."""

from __future__ import annotations

import importlib
from typing import Any, Final

COMMANDS: Final = ("open", "figure", "live", "statusline")


def add_commands(commands: Any) -> None:
    """Add each command to a parser's subcommands."""
    for name in COMMANDS:
        importlib.import_module(f"{__name__}.{name}").add_commands(commands)

"""`tokenprof hw`: the hardware model on its own, one file for each verb or for two that share options."""

from __future__ import annotations

import importlib
from typing import Any, Final

MODULES: Final = ("show", "hours", "ask", "estimate", "validate", "calibrate")
"""The modules beside this one, in the order of the help; each has `add_verbs(subparsers)`."""


def add_commands(commands: Any) -> None:
    """Add `hw` and its verbs to a parser's subcommands."""
    hw = commands.add_parser(
        "hw", help="the hardware model", description="What serving a model costs, from the hardware up."
    )
    verbs = hw.add_subparsers(required=True, metavar="VERB")
    for name in MODULES:
        importlib.import_module(f"{__name__}.{name}").add_verbs(verbs)

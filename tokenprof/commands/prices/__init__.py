"""`tokenprof prices`: look up a price, compare days or price maps, check the rows; one file for each verb."""

from __future__ import annotations

import importlib
from typing import Any, Final

VERBS: Final = ("show", "trend", "diff", "check")
"""The modules beside this one, in the order of the help; each has `add_verb(subparsers)`."""


def add_commands(commands: Any) -> None:
    """Add `prices` and its verbs to a parser's subcommands."""
    prices = commands.add_parser(
        "prices", help="look up, compare and check prices", description="Look up, compare and check prices."
    )
    verbs = prices.add_subparsers(required=True, metavar="VERB")
    for name in VERBS:
        importlib.import_module(f"{__name__}.{name}").add_verb(verbs)

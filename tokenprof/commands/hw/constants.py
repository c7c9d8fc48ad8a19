"""The constants of the time model: those that ship, or a user's own from `tokenprof hw calibrate`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from tokenprof.commands.console.failures import naming
from tokenprof.commands.console.values import file_path
from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.hw_model.equations.constants import Constants

_FORM = "a file that `tokenprof hw calibrate -o` wrote"


def add_constants(parser: argparse.ArgumentParser) -> None:
    """Add `--constants`."""
    parser.add_argument(
        "--constants",
        type=file_path,
        metavar="FILE",
        help="constants from `tokenprof hw calibrate` (default: those that ship)",
    )


def constants_of(path: Path | None) -> Constants:
    """Return the constants of a file, or those that ship. Raises InputError for a file without them."""
    from tokenprof.hw_model.equations.constants import NAMES, Constants, fitted

    if path is None:
        return fitted()
    with naming(path, _FORM):
        data = json.loads(path.read_text("utf-8"))
    try:
        return Constants(**{name: float(data["constants"][name]["value"]) for name in NAMES})
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path} holds no constants; it should be {_FORM}.") from None

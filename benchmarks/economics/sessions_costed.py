"""What benchmarks share that cost recorded sessions again and again under changed assumptions."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from long_runs import machine

import tokenprof
from tokenprof.costing.ledger import Ledger


def cost_sessions(about: str | None, rows_of: Callable[[Ledger], Any]) -> None:
    """Print the rows of each session on the command line; `--out FILE` also writes them as JSON.

    `rows_of` prints the rows of a session and returns them. Figures carry the date and the machine.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    arguments = parser.parse_args()
    # Scenarios that an earlier analysis remembers would hide a change of the model.
    os.environ["TOKENPROF_CACHE"] = "off"
    found: dict[str, Any] = {}
    for path in arguments.runs:
        print(path.stem)
        found[path.stem[:8]] = rows_of(tokenprof.load(path).analyze().ledger)
    if arguments.out:
        result = {"machine": machine(), "at": datetime.now(UTC).date().isoformat(), "runs": found}
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

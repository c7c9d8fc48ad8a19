"""`tokenprof disclosure RUN…`: what loading on demand cost, beside having everything up front."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from textwrap import fill
from typing import Any, Final

from tokenprof.commands.console.assumption_options import add_price_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import add_output, format_of, json_text, put, require_writable
from tokenprof.commands.console.tables import table

VARIANTS: Final = {
    "recorded": "as recorded",
    "loaded_up_front": "what it loaded, up front",
    "all_up_front": "all {items} skills up front",
    "on_demand": "each tool when first called",
}
"""The variants of a run, and what the table calls them."""


def add_commands(commands: Any) -> None:
    """Add `disclosure` to a parser's subcommands."""
    parser = commands.add_parser(
        "disclosure",
        help="what loading skills and tools on demand cost",
        description="Set a run beside the same run with its skills and tools up front, and the reverse.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE|FOLDER")
    add_output(parser, ("text", "json"))
    add_price_options(parser)
    parser.set_defaults(run=run_disclosure)


def run_disclosure(options: argparse.Namespace) -> int:
    """Read, attribute, price, and print the variants."""
    form = format_of(options)
    assumptions = assumptions_of(options)
    require_writable(options.output, [*options.files, *assumptions.prices])

    from tokenprof.commands.analysed import ledger_of
    from tokenprof.reading.files import read
    from tokenprof.report.build import disclosure_json

    found = disclosure_json(ledger_of(read(options.files), assumptions))
    put(options.output, json_text(found) if form == "json" else _text(found))
    return OK


def _text(found: dict[str, Any] | None) -> str:
    if found is None:
        return "No priced turn has a skill, an index of skills or a tool: there is nothing to compare.\n"
    from tokenprof.report.terminal import numbers

    rows = [
        (
            name.format(items=found["items"]),
            variant["turns"],
            variant["input_tokens"],
            variant["output_tokens"],
            ("" if key == "recorded" else "~") + numbers.usd(variant["billed_usd"]),
        )
        for key, name in VARIANTS.items()
        if (variant := found[key]) is not None
    ]
    loads, turns = numbers.count(found["loads"], "load"), numbers.count(found["load_turns"], "turn")
    lines = [f"{loads} took {turns} that did nothing else."]
    if found["break_even_loads"] is not None:
        lines.append(f"Everything up front is cheaper from {found['break_even_loads']:.0f} loads up.")
    width = shutil.get_terminal_size().columns
    lines += [fill(f"· {note}", width, subsequent_indent="  ") for note in found["assumptions"]]
    return table(("", "turns", "tokens in", "out", "billed"), rows) + "\n" + "".join(f"{x}\n" for x in lines)

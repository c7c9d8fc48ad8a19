"""`tokenprof disclosure RUN…`: what loading on demand cost, beside having everything up front."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tokenprof.commands.console.assumption_options import add_price_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import add_output, format_of, json_text, put, require_writable
from tokenprof.commands.console.tables import table
from tokenprof.commands.console.values import file_path

if TYPE_CHECKING:
    from tokenprof.costing.disclosure import Disclosure


def add_commands(commands: Any) -> None:
    """Add `disclosure` to a parser's subcommands."""
    parser = commands.add_parser(
        "disclosure",
        help="what loading skills and tools on demand cost",
        description="Set a run beside the same run with its skills and tools up front, and the reverse.",
    )
    parser.add_argument("files", nargs="+", type=file_path, metavar="FILE|FOLDER")
    add_output(parser, ("text", "json"))
    add_price_options(parser)
    parser.set_defaults(run=run_disclosure)


def run_disclosure(options: argparse.Namespace) -> int:
    """Read, attribute, price, and print the variants."""
    form = format_of(options)
    assumptions = assumptions_of(options)
    require_writable(options.output, [*options.files, *assumptions.prices])

    from tokenprof.analysis.analysis import Analysis
    from tokenprof.reading.files import read
    from tokenprof.report.disclosure_json import disclosure_json

    found = Analysis(read(options.files), assumptions).disclosure
    put(options.output, json_text(disclosure_json(found)) if form == "json" else _text(found))
    return OK


def _text(found: Disclosure | None) -> str:
    if found is None:
        return "Nothing to compare: no turn with a price carries a skill, a skills index or a tool.\n"
    import shutil
    from textwrap import fill

    from tokenprof.report import numbers
    from tokenprof.report.disclosure_json import assumptions_of, break_even_of

    variants = {
        "as recorded": found.recorded,
        "what it loaded, up front": found.loaded_up_front,
        f"all {found.items} skills up front": found.all_up_front,
        "each tool when first called": found.on_demand,
    }
    rows = [
        (
            name,
            variant.turns,
            variant.input_tokens,
            variant.output_tokens,
            ("" if variant is found.recorded else "~") + numbers.usd(variant.billed_usd),
        )
        for name, variant in variants.items()
        if variant is not None
    ]
    loads, turns = numbers.count(found.loads, "load"), numbers.count(found.load_turns, "turn")
    lines = [f"{loads} took {turns} that did nothing else."]
    width = shutil.get_terminal_size().columns
    if (break_even := break_even_of(found)) is not None:
        lines.append(fill(break_even, width))
    lines += [fill(f"· {note}", width, subsequent_indent="  ") for note in assumptions_of(found)]
    return table(("", "turns", "tokens in", "out", "billed"), rows) + "\n" + "".join(f"{x}\n" for x in lines)

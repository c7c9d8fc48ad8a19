"""`tokenprof disclosure RUN…`: what loading on demand cost, compared with having everything up front."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenprof.costing.disclosure import Disclosure


def add_commands(commands: Any) -> None:
    """Add `disclosure` to a parser's subcommands."""
    parser = commands.add_parser(
        "disclosure",
        help="what loading skills and tools on demand cost",
        description="Compare a run with itself, with its skills up front and with its tools on demand.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE|FOLDER")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.set_defaults(run=run_disclosure)


def run_disclosure(options: argparse.Namespace) -> int:
    """Read, attribute, price, and print the variants."""
    import orjson

    from tokenprof.costing.disclosure import disclose
    from tokenprof.costing.ledger import build_ledger
    from tokenprof.pricing.book import default_book
    from tokenprof.reading.files import read
    from tokenprof.report.disclosure_json import disclosure_json

    found = disclose(build_ledger(read(options.files), default_book()))
    if options.format == "json":
        print(orjson.dumps(disclosure_json(found), option=orjson.OPT_INDENT_2).decode())  # noqa: T201
    elif found is None:
        print("Nothing to compare: no turn with a price carries a skill, a skills index or a tool.")  # noqa: T201
    else:
        _show(found)
    return 0


def _show(found: Disclosure) -> None:
    from rich.console import Console
    from rich.table import Table

    from tokenprof.report.disclosure_wording import assumptions_of, break_even_of
    from tokenprof.report.money import usd
    from tokenprof.report.terminal import numbers

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for name in ("", "turns", "tokens in", "out", "billed"):
        table.add_column(name, justify="left" if not name else "right")
    rows = {
        "as recorded": found.recorded,
        "what it loaded, up front": found.loaded_up_front,
        f"all {found.items} skills up front": found.all_up_front,
        "each tool when first called": found.on_demand,
    }
    for name, variant in rows.items():
        if variant is not None:
            about = "" if variant is found.recorded else "~"
            table.add_row(
                name,
                str(variant.turns),
                f"{variant.input_tokens:,}",
                f"{variant.output_tokens:,}",
                about + numbers.usd(usd(variant.billed_usd)),
            )
    console.print(table)
    loads = numbers.count(found.loads, "load")
    console.print(f"\n{loads} took {numbers.count(found.load_turns, 'turn')} that did nothing else.")
    if (break_even := break_even_of(found)) is not None:
        console.print(break_even)
    for note in assumptions_of(found):
        console.print(f"· {note}", style="dim")

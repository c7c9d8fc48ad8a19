"""`tokenprof report`: where a run's bill came from, and what the run cost to compute."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tokenprof.analysis.renderers import format_names, format_suffixes, render_as
from tokenprof.commands.console.assumption_options import add_assumption_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import (
    add_output,
    drawn,
    format_of,
    put,
    require_writable,
)
from tokenprof.commands.console.values import file_path, whole_number
from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis

DEFAULT_BLOCKS: Final = 15


def add_commands(commands: Any) -> None:
    """Add `report` to a parser's subcommands."""
    parser = commands.add_parser(
        "report", help="report a recording or a transcript", description="Report one run, or many together."
    )
    parser.add_argument("files", nargs="+", type=file_path, metavar="FILE|FOLDER")
    add_output(parser, format_names(), format_suffixes())
    parser.add_argument(
        "--counts", type=file_path, metavar="FILE", help="exact sizes of blocks, from `tokenprof count`"
    )
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only turns with this tag (repeatable)",
    )
    parser.add_argument(
        "--turns",
        type=whole_number(1),
        metavar="N",
        help="show about N turns: the first, the last and the most expensive (default: all)",
    )
    parser.add_argument(
        "--blocks",
        type=whole_number(1),
        metavar="N",
        help=f"show the N most expensive blocks (default: {DEFAULT_BLOCKS})",
    )
    add_assumption_options(parser)
    parser.set_defaults(run=run_report)


def run_report(options: argparse.Namespace) -> int:
    """Read, attribute, price, cost and print."""
    form = format_of(options)
    if form == "json" and (options.turns or options.blocks):
        raise InputError("--turns and --blocks shorten the text; JSON always holds all. Leave them out.")
    assumptions = assumptions_of(options)
    require_writable(options.output, [*options.files, options.counts, *assumptions.prices])

    from tokenprof.analysis.analysis import Analysis
    from tokenprof.reading.files import read
    from tokenprof.reading.tag_filter import with_tags

    counts = None
    if options.counts:
        from tokenprof.attribute.counts import read_counts

        counts = read_counts(options.counts)
    show_report(
        Analysis(with_tags(read(options.files), options.tag), assumptions, counts),
        form,
        options.output,
        turns=options.turns,
        blocks=options.blocks or DEFAULT_BLOCKS,
    )
    return OK


def show_report(
    analysis: Analysis,
    form: str = "text",
    output: Path | None = None,
    *,
    turns: int | None = None,
    blocks: int = DEFAULT_BLOCKS,
) -> None:
    """Print a report in a format, or write it to a file; `turns` None shows every turn."""
    if form == "text" and output is None:
        from tokenprof.report.document import report_of
        from tokenprof.report.terminal.text import render

        report = report_of(analysis)
        put(None, drawn(lambda console: render(report, console, turns=turns, blocks=blocks)))
    else:
        put(output, render_as(analysis, form, turns=turns, blocks=blocks))

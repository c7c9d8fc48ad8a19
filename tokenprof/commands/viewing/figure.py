"""`tokenprof figure NAME RUN -o x.pdf`: one figure about a run, good enough for a paper."""

from __future__ import annotations

import argparse
from typing import Any

from tokenprof.commands.console.assumption_options import add_assumption_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import put, require_writable
from tokenprof.commands.console.values import file_path, one_of
from tokenprof.facts.errors import InputError
from tokenprof.pictures.figures.figure_files import NAMES, SUFFIXES


def add_commands(commands: Any) -> None:
    """Add `figure` to a parser's subcommands."""
    parser = commands.add_parser(
        "figure",
        help="draw one figure about a run",
        description="Draw one figure as SVG, PNG, PDF or Vega-Lite specification (.json), without a browser.",
    )
    parser.add_argument("name", type=one_of(NAMES), metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("files", nargs="+", type=file_path, metavar="FILE|FOLDER")
    parser.add_argument(
        "-o",
        "--output",
        type=file_path,
        required=True,
        metavar="FILE",
        help=f"file to write; its ending picks the format: {', '.join(SUFFIXES)}",
    )
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only turns with this tag (repeatable)",
    )
    add_assumption_options(parser)
    parser.set_defaults(run=run_figure)


def run_figure(options: argparse.Namespace) -> int:
    """Read the run, draw the figure, write it."""
    suffix = options.output.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"-o {options.output}: name the file with one of {', '.join(SUFFIXES)}.")
    assumptions = assumptions_of(options)
    require_writable(options.output, [*options.files, *assumptions.prices])

    from tokenprof.analysis.analysis import Analysis
    from tokenprof.pictures.figures.figure_files import figure_bytes
    from tokenprof.reading.files import read
    from tokenprof.reading.tag_filter import with_tags

    analysis = Analysis(with_tags(read(options.files), options.tag), assumptions)
    put(options.output, figure_bytes(analysis, options.name, suffix))
    return OK

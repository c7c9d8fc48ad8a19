"""`tokenprof diff BEFORE NOW`: why two runs were billed different amounts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tokenprof.commands.console.assumption_options import (
    add_assumption_options,
    assumptions_of,
    given_of_groups,
    require_effect,
)
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import (
    add_output,
    drawn,
    format_of,
    json_text,
    put,
    require_writable,
)
from tokenprof.commands.console.values import file_path
from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.facts.types import Run


def add_commands(commands: Any) -> None:
    """Add `diff` to a parser's subcommands."""
    parser = commands.add_parser(
        "diff",
        help="why two runs were billed different amounts",
        description="Compare two runs, two folders of runs, or the turns with two tags (--tag twice). The "
        "parts and the causes each add up to the difference exactly.",
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=file_path,
        metavar="FILE|FOLDER",
        help="the run before and the run now; with two tags, all files to read",
    )
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="compare the turns with this tag; give it twice, for before and for now",
    )
    parser.add_argument("--full", action="store_true", help="show every cause and every change")
    parser.add_argument(
        "--compute",
        dest="with_compute",
        action="store_true",
        help="also compare what the runs cost to compute",
    )
    add_output(parser, ("text", "json", "html"), {"html": (".html",)})
    parser.add_argument("--html", action="store_true", help="write a page, as -o FILE.html does")
    add_assumption_options(parser)
    parser.set_defaults(run=run_diff)


def run_diff(options: argparse.Namespace) -> int:
    """Read both runs, compare them, print the causes."""
    if options.html:
        options.format = "html"
    form = format_of(options)
    _require_two_sides(options, form)
    assumptions = assumptions_of(options)
    require_writable(options.output, [*options.files, *assumptions.prices])

    from tokenprof.analysis.analysis import Analysis
    from tokenprof.difference.cost_difference import diff

    before, now = (Analysis(run, assumptions) for run in _sides(options))
    found = diff(before, now, compute=options.with_compute)
    if form == "json":
        from tokenprof.report.next_steps.difference_json import difference_json

        put(options.output, json_text(difference_json(found)))
        return OK
    if form == "html":
        from tokenprof.pictures.page.difference_page import difference_page
        from tokenprof.pictures.views.difference_data import difference_data

        put(options.output, difference_page(difference_data(before, now, found)))
        return OK
    from tokenprof.report.comparisons.difference_text import render, to_text

    if options.output is not None:
        put(options.output, to_text(found, full=options.full))
    else:
        put(None, drawn(lambda console: render(found, console, full=options.full)))
    return OK


def _sides(options: argparse.Namespace) -> tuple[Run, Run]:
    from tokenprof.reading.files import read
    from tokenprof.reading.tag_filter import with_tags

    if options.tag:
        run = read(options.files)
        return with_tags(run, options.tag[:1]), with_tags(run, options.tag[1:])
    return read(options.files[:1]), read(options.files[1:])


def _require_two_sides(options: argparse.Namespace, form: str) -> None:
    """Raise InputError if the options do not name two sides, or one has no effect."""
    if options.tag and len(options.tag) != 2:
        raise InputError("Give --tag twice: the tag of the turns before, then the tag of the turns now.")
    if not options.tag and len(options.files) != 2:
        named = "1 file or folder is" if len(options.files) == 1 else f"{len(options.files)} files are"
        raise InputError(
            f"{named} named, and two sides are compared: tokenprof diff BEFORE NOW. Put several runs of one "
            "side in a folder, or give --tag twice."
        )
    if form != "text" and options.full:
        raise InputError("--full lengthens the text; JSON always holds everything. Leave it out.")
    require_effect(options, "chain", where="diff")
    hardware = given_of_groups(options, "hours", "service")
    if hardware and not options.with_compute:
        raise InputError(
            f"{' and '.join(hardware)} changes the compute estimate only; add --compute or leave it out."
        )

"""`tokenprof whatif RUN… --if LEVER=VALUE`: what a run would have cost with something changed."""

from __future__ import annotations

import argparse
from typing import Any

from tokenprof.commands.console.assumption_options import (
    add_assumption_options,
    assumptions_of,
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
from tokenprof.commands.console.tables import table
from tokenprof.commands.console.values import file_path, positive_number
from tokenprof.facts.errors import InputError


def add_commands(commands: Any) -> None:
    """Add `whatif` to a parser's subcommands."""
    parser = commands.add_parser(
        "whatif",
        help="what a run would have cost with something changed",
        description="Predict the bill and the compute of a run with another model, cache lifetime, tool "
        "output and so on. --if pulls a lever, --levers lists them, --suggest tries them all.",
    )
    parser.add_argument("files", nargs="*", type=file_path, metavar="FILE|FOLDER")
    parser.add_argument(
        "--if",
        dest="levers",
        action="append",
        default=[],
        metavar="LEVER=VALUE",
        help="pull a lever; give it several times to pull several together",
    )
    parser.add_argument("--suggest", action="store_true", help="try every lever, and rank what pays")
    parser.add_argument(
        "--break-even",
        metavar="MODEL",
        help="when hosting this open model yourself costs less than buying tokens for such calls",
    )
    parser.add_argument(
        "--runs-per-day",
        type=positive_number,
        action="append",
        default=[],
        metavar="N",
        help="with --break-even: a volume to look at, in runs like this one (repeatable)",
    )
    parser.add_argument("--levers", dest="list_levers", action="store_true", help="list the levers")
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only turns with this tag (repeatable)",
    )
    add_output(parser, ("text", "json"))
    add_assumption_options(parser)
    parser.set_defaults(run=run_whatif)


def run_whatif(options: argparse.Namespace) -> int:
    """Read the run, predict or suggest, and print."""
    import shutil
    from textwrap import fill

    from tokenprof.whatif.all_levers import LEVER_HELP, parse_levers

    if options.list_levers:
        width, indent = shutil.get_terminal_size().columns, " " * (2 + max(map(len, LEVER_HELP)))
        lines = table(("lever", "value"), LEVER_HELP.items(), left=(0, 1)).splitlines()
        put(
            None,
            "".join(
                f"{fill(line, width, subsequent_indent=indent, break_on_hyphens=False)}\n" for line in lines
            ),
        )
        return OK
    form = format_of(options)
    if not options.files:
        raise InputError("Name a run: tokenprof whatif FILE --if LEVER=VALUE, or FILE --suggest.")
    if sum(map(bool, (options.suggest, options.levers, options.break_even))) != 1:
        raise InputError(
            "Give --if LEVER=VALUE, --suggest or --break-even MODEL, one of the three. See: tokenprof whatif "
            "--help"
        )
    if options.runs_per_day and not options.break_even:
        raise InputError("--runs-per-day needs --break-even MODEL.")
    parse_levers(options.levers)
    require_effect(options, "chain", where="whatif")
    assumptions = assumptions_of(options)
    require_writable(options.output, [*options.files, *assumptions.prices])

    from tokenprof.analysis.analysis import Analysis
    from tokenprof.reading.files import read
    from tokenprof.reading.tag_filter import with_tags
    from tokenprof.report.comparisons.break_even_text import render_break_even
    from tokenprof.report.comparisons.what_if_text import as_text, render_prediction, render_suggestions
    from tokenprof.report.next_steps.break_even_json import break_even_json
    from tokenprof.report.next_steps.what_if_json import prediction_json, suggestions_json

    analysis = Analysis(with_tags(read(options.files), options.tag), assumptions)
    if analysis.totals.billed_usd is None:
        raise InputError("No turn of this run has a bill, so nothing can be compared with it.")
    if options.break_even:
        sheet = analysis.break_even(options.break_even, options.runs_per_day)
        if form == "json":
            put(options.output, json_text(break_even_json(sheet)))
            return OK

        def draw(console: Any) -> None:
            render_break_even(sheet, console)

    elif options.suggest:
        suggested = analysis.suggestions
        if form == "json":
            put(options.output, json_text(suggestions_json(suggested)))
            return OK
        billed = analysis.totals.billed_usd

        def draw(console: Any) -> None:
            render_suggestions(suggested, billed, console)

    else:
        predicted = analysis.what_if(*options.levers)
        if form == "json":
            put(options.output, json_text(prediction_json(predicted)))
            return OK

        def draw(console: Any) -> None:
            render_prediction(predicted, console)

    put(options.output, as_text(draw) if options.output is not None else drawn(draw))
    return OK

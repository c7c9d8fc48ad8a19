"""`tokenprof report`: where a run's bill came from, and what the run cost to compute."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tokenprof.analysis.renderers import format_names, format_suffixes, render_as
from tokenprof.commands.console.assumption_options import add_assumption_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.numpy_threads import load_numpy_without_threads
from tokenprof.commands.console.output import (
    add_output,
    drawn,
    format_of,
    goes_into_a_file,
    put,
    require_writable,
)
from tokenprof.commands.console.page_options import add_page_options, compared_with, read_asked
from tokenprof.commands.console.values import file_path, store_address, tool_argument, whole_number
from tokenprof.facts.errors import InputError

PAGE: Final = "html"

if TYPE_CHECKING:
    from rich.console import Console

    from tokenprof.analysis.analysis import Analysis
    from tokenprof.facts.call_labels import Labeller
    from tokenprof.facts.types import Run


def add_commands(commands: Any) -> None:
    """Add `report` to a parser's subcommands."""
    parser = commands.add_parser(
        "report",
        help="report a recording or a transcript",
        description="Report runs: what they cost, what drove that, what to change.",
    )
    parser.add_argument("files", nargs="*", type=file_path, metavar="FILE|FOLDER")
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
        help="show about N turns: the first, the last and the most expensive (default: 5 or fewer)",
    )
    parser.add_argument(
        "--blocks",
        type=whole_number(1),
        metavar="N",
        help="show the N most expensive blocks (default: 5 or fewer)",
    )
    parser.add_argument(
        "--full", action="store_true", help="show every turn, block, finding, assumption and warning"
    )
    parser.add_argument(
        "--labels",
        action="store_true",
        help="name tool calls by file, command, query or host, also in what is written to a file "
        "(text on a terminal names those of transcripts unasked)",
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        type=tool_argument,
        metavar="TOOL=ARGUMENT",
        help="name the calls of a tool by this argument (repeatable)",
    )
    parser.add_argument(
        "--entries",
        action="store_true",
        help="write every block of every turn into JSON, also for runs of more than 500 turns",
    )
    parser.add_argument(
        "--jobs",
        type=whole_number(1),
        metavar="N",
        help="read files with N processes (default: as many as are worth it)",
    )
    parser.add_argument(
        "--store",
        type=store_address,
        metavar="FOLDER",
        help="report many runs from a store: reads into it what changed, then sums (docs/store.md)",
    )
    add_page_options(parser)
    add_assumption_options(parser)
    parser.set_defaults(run=run_report)


def run_report(options: argparse.Namespace) -> int:
    """Read, attribute, price, cost and print."""
    load_numpy_without_threads()
    form = format_of(options)
    if options.store is not None:
        return _report_store(options, form)
    if not options.files:
        raise InputError("FILE|FOLDER is missing. See: tokenprof report --help")
    if form == "json" and (options.turns or options.blocks or options.full):
        raise InputError(
            "--turns, --blocks and --full choose what the text shows; JSON always holds all. Leave them out."
        )
    if options.entries and form != "json":
        raise InputError("--entries adds to JSON; add --format json, or leave it out.")
    if (options.against or options.with_content) and form != PAGE:
        raise InputError("--against and --with-content are for the page; add -o FILE.html or leave them out.")
    assumptions = assumptions_of(options)
    require_writable(options.output, [*options.files, options.counts, options.against, *assumptions.prices])

    from tokenprof.commands.folders.summed_report import is_summed, report_folder

    if is_summed(options, form):
        report_folder(options, form, assumptions, _labeller(options, form))
        return OK

    from tokenprof.analysis.analysis import Analysis
    from tokenprof.commands.console.progress_line import ProgressLine
    from tokenprof.facts.call_labels import labels_read
    from tokenprof.reading.files import read
    from tokenprof.reading.garbage import no_search_for_cycles
    from tokenprof.reading.tag_filter import with_tags

    line = ProgressLine()
    with no_search_for_cycles(), labels_read(_labeller(options, form)):
        try:
            jobs = 1 if options.with_content else options.jobs
            run, texts = read_asked(
                lambda: read(options.files, jobs=jobs, watch=line, keeps_part=True), options
            )
        finally:
            line.end()
        run = with_tags(run, options.tag)
        analysis = Analysis(run, assumptions, _counts(run, options.counts))
        if form == PAGE:
            from tokenprof.pictures.page.html_page import html_page
            from tokenprof.pictures.views.page_data import page_data

            put(options.output, html_page(page_data(analysis, compared_with(options, assumptions), texts)))
            return OK
        is_alone = len(options.files) == 1 and not (options.tag or assumptions.seller)
        show_report(
            analysis,
            form,
            options.output,
            turns=options.turns,
            blocks=options.blocks,
            is_full=options.full,
            with_entries=options.entries,
            path=options.files[0] if is_alone else None,
        )
    return OK


def _labeller(options: argparse.Namespace, form: str) -> Labeller | None:
    """Return what names tool calls; unasked, only for text that no file keeps."""
    from tokenprof.facts.call_labels import Labeller

    is_kept = options.output is not None or form != "text" or goes_into_a_file(sys.stdout)
    if options.labels or options.label or not is_kept:
        return Labeller(dict(options.label))
    return None


def _report_store(options: argparse.Namespace, form: str) -> int:
    """Bring a store up to date and report the files that are named, from it."""
    from tokenprof.commands.console.store_options import store_of

    store = store_of(options)
    given = {"--counts": options.counts, "--tag": options.tag, "--turns": options.turns}
    given |= {"--blocks": options.blocks, "--entries": options.entries}
    given |= {"--labels": options.labels, "--label": options.label}
    given |= {"--against": options.against, "--with-content": options.with_content}
    if unused := [name for name, value in given.items() if value]:
        has, it = ("has", "it") if len(unused) == 1 else ("have", "them")
        raise InputError(f"{' and '.join(unused)} {has} no effect on a report from a store; leave {it} out.")
    if form not in ("text", "json"):
        raise InputError(f"A report from a store is text or JSON, not {form}.")
    assumptions = assumptions_of(options)
    require_writable(options.output, [*options.files, *assumptions.prices])

    from tokenprof.commands.console.output import json_text
    from tokenprof.commands.console.totals_output import fleet_json, fleet_text
    from tokenprof.commands.folders.store_report import report_of_store

    found = report_of_store(store, options.files, assumptions, options.jobs)
    put(
        options.output,
        json_text(fleet_json(found)) if form == "json" else fleet_text(found, is_full=options.full),
    )
    return OK


def _counts(run: Run, path: Path | None) -> dict[str, int] | None:
    """Return the counts of a file. Raises InputError if they are of prompts that the run does not have."""
    if path is None:
        return None
    from tokenprof.attribute.counts import counted_places, read_counts

    counts = read_counts(path)
    prompts = zip(run.turns, run.prompts(), strict=True)
    if not any(counted_places(turn.model, prompt, counts) for turn, prompt in prompts):
        raise InputError(f"{path} counts no prompt of this run; run `tokenprof count` on its recording.")
    return counts


def show_report(
    analysis: Analysis,
    form: str = "text",
    output: Path | None = None,
    *,
    turns: int | None = None,
    blocks: int | None = None,
    is_full: bool = False,
    with_entries: bool = False,
    path: Path | None = None,
) -> None:
    """Print a report in a format, or write it to a file.

    `turns` and `blocks` are how many the text shows at most (None: what fits a page or two, or all if
    `is_full`); `with_entries` keeps the entries of long runs in JSON. `path` is the one file that was read;
    what is printed is compared with the run before, if there is one beside it. Several runs are compared by
    their latest days.
    """
    from tokenprof.analysis.earlier_run import bill_before

    before = bill_before(analysis, path)
    if form == "text" and output is None:
        from tokenprof.report.document import report_of
        from tokenprof.report.terminal.text import render

        report = report_of(analysis)

        def draw(console: Console) -> None:
            render(report, console, turns=turns, blocks=blocks, is_full=is_full, last_time=before)

        put(None, drawn(draw))
    elif form == "json" and before is not None:
        from tokenprof.commands.console.output import json_text
        from tokenprof.report.report_json import json_report, last_time_json

        found = json_report(analysis, with_entries=with_entries)
        put(output, json_text({**found, **last_time_json(before)}))
    else:
        rendered = render_as(
            analysis, form, turns=turns, blocks=blocks, is_full=is_full, with_entries=with_entries
        )
        put(output, rendered)

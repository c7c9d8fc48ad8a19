"""`tokenprof open RUN`: the page about a run, written to a file and shown in the browser."""

from __future__ import annotations

import argparse
import tempfile
import webbrowser
from pathlib import Path
from typing import Any

from tokenprof.commands.console.assumption_options import add_assumption_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import emit, put, require_writable
from tokenprof.commands.console.page_options import add_page_options, compared_with, read_asked
from tokenprof.commands.console.values import file_path


def add_commands(commands: Any) -> None:
    """Add `open` to a parser's subcommands."""
    parser = commands.add_parser(
        "open",
        help="look at a run in the browser",
        description="Write one HTML file about a run and open it. The file holds everything it shows, loads "
        "nothing and sends nothing.",
    )
    parser.add_argument("files", nargs="+", type=file_path, metavar="FILE|FOLDER")
    parser.add_argument(
        "-o", "--output", type=file_path, metavar="FILE", help="where to write it (default: a temporary file)"
    )
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only turns with this tag (repeatable)",
    )
    parser.add_argument("--no-browser", action="store_true", help="write the file and print its name")
    add_page_options(parser)
    add_assumption_options(parser)
    parser.set_defaults(run=run_open)


def run_open(options: argparse.Namespace) -> int:
    """Read the run, write the page, open it."""
    assumptions = assumptions_of(options)
    against = [options.against] if options.against else []
    require_writable(options.output, [*options.files, *against, *assumptions.prices])

    from tokenprof.analysis.analysis import Analysis
    from tokenprof.pictures.page.html_page import html_page
    from tokenprof.pictures.views.page_data import page_data
    from tokenprof.reading.files import read
    from tokenprof.reading.tag_filter import with_tags

    run, texts = read_asked(lambda: read(options.files), options)
    analysis = Analysis(with_tags(run, options.tag), assumptions)
    page = html_page(page_data(analysis, compared_with(options, assumptions), texts))
    path = options.output or Path(tempfile.mkdtemp(prefix="tokenprof-")) / "report.html"
    put(path, page)
    emit(f"{path}\n")
    if not options.no_browser:
        webbrowser.open(path.resolve().as_uri())
    return OK

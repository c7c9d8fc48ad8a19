"""Options of the commands that write the page about a run: what to compare it with, whether to show text."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tokenprof.commands.console.values import file_path

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.facts.types import Run


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """Add `--against` and `--with-content`."""
    parser.add_argument(
        "--against",
        type=file_path,
        metavar="FILE|FOLDER",
        help="compare with another run where the page shows where it went",
    )
    parser.add_argument(
        "--with-content",
        action="store_true",
        help="show in the page, word by word, what changed in a block that broke the cache; without it the "
        "page holds no text",
    )


def read_asked(read: Callable[[], Run], options: argparse.Namespace) -> tuple[Run, Mapping[str, str] | None]:
    """Return the run that `read` reads, and the texts of its blocks if they were asked for."""
    if not options.with_content:
        return read(), None
    from tokenprof.reading.block_texts import read_with_texts

    return read_with_texts(read)


def compared_with(options: argparse.Namespace, assumptions: Assumptions) -> Analysis | None:
    """Return the run to compare with; None if none was named."""
    if options.against is None:
        return None
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.reading.files import read

    return Analysis(read([options.against]), assumptions)

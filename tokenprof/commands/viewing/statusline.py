"""`tokenprof statusline`: one line about a running session, for Claude Code and tmux."""

from __future__ import annotations

import argparse
from typing import Any

from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.values import file_path
from tokenprof.pictures.live.status_line import REFRESH, print_line


def add_commands(commands: Any) -> None:
    """Add `statusline` to a parser's subcommands."""
    parser = commands.add_parser(
        "statusline",
        help="one line about a running session, for Claude Code and tmux",
        description="Print cost, context, cache and next call of a session in one line. Without FILE, the "
        "session is the one that Claude Code describes on standard input.",
    )
    parser.add_argument("file", nargs="?", type=file_path, metavar="FILE")
    parser.add_argument(REFRESH, action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=run_statusline)


def run_statusline(options: argparse.Namespace) -> int:
    """Print the line that was written down last, or count the session and write it down."""
    if options.refresh and options.file is not None:
        from tokenprof.pictures.live.status_note import refresh

        refresh(options.file)
        return OK
    print_line(None if options.file is None else str(options.file))
    return OK

"""`tokenprof demo`: a three-turn e-mail agent, recorded and reported."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tokenprof.commands.console.assumption_options import add_assumption_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import emit
from tokenprof.commands.console.values import file_path
from tokenprof.facts.errors import InputError


def add_commands(commands: Any) -> None:
    """Add `demo` to a parser's subcommands."""
    parser = commands.add_parser(
        "demo",
        help="profile a small agent, with no key and no network",
        description="Run a three-turn e-mail agent against a loopback provider, record it and report it.",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=file_path,
        default=Path("run.jsonl"),
        metavar="FILE",
        help="file to record to, or the next free name (default: run.jsonl)",
    )
    add_assumption_options(parser)
    parser.set_defaults(run=run_demo)


def run_demo(options: argparse.Namespace) -> int:
    """Run the agent, print its report and where it was recorded."""
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.commands.closing_report import free_name, require_recordable
    from tokenprof.commands.demo_agent import record_demo
    from tokenprof.commands.report import show_report
    from tokenprof.reading.files import read

    assumptions = assumptions_of(options)
    if options.output.is_dir():
        raise InputError(f"-o {options.output} is a folder; name a file in it.")
    path = free_name(options.output)
    require_recordable(path)
    record_demo(path)
    show_report(Analysis(read([path]), assumptions))
    emit(f"Recorded in {path}; read it again with: tokenprof report {path}\n")
    return OK

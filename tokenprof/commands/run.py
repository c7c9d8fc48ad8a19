"""`tokenprof run`: run a command in any language, record its model calls and report them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenprof.commands.closing_report import (
    add_recording_options,
    closing_assumptions,
    free_name,
    guard_asked_for,
    remove_if_empty,
    report_recording,
    require_recordable,
)
from tokenprof.commands.console.output import say
from tokenprof.facts.errors import InputError


def add_commands(commands: Any) -> None:
    """Add `run` to a parser's subcommands."""
    parser = commands.add_parser(
        "run",
        help="profile a command: tokenprof run -- COMMAND…",
        description="Run a command with its model calls recorded, and report them when it ends. "
        "Python is instrumented from inside; anything else goes through a proxy on 127.0.0.1.",
    )
    add_recording_options(parser)
    parser.add_argument("--proxy", action="store_true", help="use the proxy for Python, too")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND…")
    parser.set_defaults(run=run_command)


def run_command(options: argparse.Namespace) -> int:
    """Run the command, report its calls on standard error, return its exit code."""
    from tokenprof.proxy.address_arguments import told_the_address
    from tokenprof.proxy.child import passing_signals_on
    from tokenprof.proxy.recording_proxy import addresses, recording_proxy

    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise InputError("tokenprof run needs a command; write it after two dashes: tokenprof run -- claude")
    assumptions = closing_assumptions(options)
    path = (options.record or free_name()).absolute()
    require_recordable(path)
    guard = guard_asked_for(options)
    with passing_signals_on() as run_child:
        try:
            # A budget holds for all processes of a command together, which only the proxy sees.
            inside = None if options.proxy or guard is not None else _inside(command, path, options.seller)
            if inside:
                code = run_child(command, inside)
            else:
                with recording_proxy(path, os.environ, seller=options.seller, guard=guard) as proxy:
                    told = addresses(proxy)
                    code = run_child(told_the_address(command, os.environ, told), _behind(told))
        finally:
            recorded = not remove_if_empty(path)
    report_recording(path, assumptions, recorded=recorded)
    return code


def _inside(command: Sequence[str], path: Path, seller: str | None) -> dict[str, str] | None:
    """Return the environment in which a Python command records itself; None for one that cannot."""
    from tokenprof.proxy.python_command import has_tokenprof, python_of, recording_environment

    python = python_of(command, os.environ)
    if python is None:
        return None
    if not has_tokenprof(python, os.environ):
        say(f"tokenprof is not installed for {python}; its calls are recorded through the proxy")
        return None
    return {**os.environ, **recording_environment(path, os.environ, seller)}


def _behind(told: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a command behind the proxy, which is `told` the addresses."""
    from tokenprof.live.profile import RUN_VARIABLE
    from tokenprof.proxy.child import not_proxied

    # What the proxy records, the command is not to record a second time.
    own = {name: value for name, value in os.environ.items() if name != RUN_VARIABLE}
    return {**own, **not_proxied(own), **told}

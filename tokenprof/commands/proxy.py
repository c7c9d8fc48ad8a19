"""`tokenprof proxy`: record the model calls that pass through a reverse proxy on this machine."""

from __future__ import annotations

import argparse
import os
import time
from typing import Any, Final

from tokenprof.commands.closing_report import (
    add_recording_options,
    closing_assumptions,
    free_name,
    guard_asked_for,
    remove_if_empty,
    report_recording,
    require_recordable,
)
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import emit, say
from tokenprof.commands.console.values import whole_number
from tokenprof.facts.errors import InputError

DEFAULT_PORT: Final = 8100
HIGHEST_PORT: Final = 65_535
_LOOK_EVERY_S: Final = 0.2
_STOPPING: Final = ("SIGINT", "SIGTERM", "SIGHUP")


def add_commands(commands: Any) -> None:
    """Add `proxy` to a parser's subcommands."""
    parser = commands.add_parser(
        "proxy",
        help="record what passes through a reverse proxy on 127.0.0.1",
        description="Take model calls on 127.0.0.1, pass them on untouched and record them; "
        "when stopped with Ctrl-C, report them on standard error.",
    )
    parser.add_argument(
        "--port",
        type=whole_number(0, HIGHEST_PORT),
        default=DEFAULT_PORT,
        metavar="N",
        help=f"port to listen at, 0 for any free one (default: {DEFAULT_PORT})",
    )
    parser.add_argument(
        "--upstream",
        metavar="URL",
        help="pass everything on to this base address (default: each call to its provider)",
    )
    add_recording_options(parser)
    parser.set_defaults(run=run_proxy)


def run_proxy(options: argparse.Namespace) -> int:
    """Serve until interrupted, then report."""
    from tokenprof.proxy.clients import allow_many_connections
    from tokenprof.proxy.heard_signals import heard_signals
    from tokenprof.proxy.recording_proxy import addresses, recording_proxy

    if options.upstream is not None and not options.upstream.strip():
        raise InputError(
            "--upstream is empty; give an address such as https://api.example.com, or leave it out."
        )
    assumptions = closing_assumptions(options)
    guard = guard_asked_for(options)
    path = options.record or free_name()
    require_recordable(path)
    allow_many_connections()
    # A second signal is not to take what the first left to be written.
    with heard_signals(_STOPPING) as heard:
        try:
            with recording_proxy(
                path,
                os.environ,
                port=options.port,
                upstream=options.upstream,
                seller=options.seller,
                guard=guard,
            ) as proxy:
                say(f"recording to {path}; stop with Ctrl-C")
                for variable, url in addresses(proxy, options.upstream).items():
                    emit(f"export {variable}={url}\n")
                # The system may deliver a signal on another thread; it is noted once this thread wakes.
                while not heard.take():
                    time.sleep(_LOOK_EVERY_S)
        finally:
            recorded = not remove_if_empty(path)
    report_recording(path, assumptions, recorded=recorded)
    if assumptions is None and recorded:
        say(f"recorded in {path}; read it with: tokenprof report {path}")
    return OK

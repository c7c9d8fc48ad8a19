"""The `tokenprof` command: parses arguments, runs a command, turns errors into sentences and exit codes.

A status line is printed every few seconds, in a few hundredths of one, so nothing else is imported for it.
"""

from __future__ import annotations

import gc
import importlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from tokenprof.commands.console.parser import CommandParser

STATUS_LINE: Final = "statusline"
VERSION: Final = "--version"

COMMANDS: Final = (
    "report",
    "viewing",
    "demo",
    "run",
    "proxy",
    "check",
    "chain",
    "settings",
    "diff",
    "whatif",
    "disclosure",
    "reconcile",
    "count",
    "ingest",
    "totals",
    "query",
    "export",
    "prices",
    "hw",
)
"""The modules (or folders) beside this one, in the order of the help.

Each has `add_commands(subparsers)`, which adds parsers whose `run` takes the options and returns the exit
code. What a command needs is imported when it runs, so that `--help` stays fast.
"""


OBJECTS_BETWEEN_SEARCHES: Final = 100_000
"""Twice as many as a small report makes in all."""


def run_process() -> int:
    """Run the command line as a process of its own, and return its exit code.

    A command makes few reference cycles, so they are searched for less often than usual, and not again at
    the end, when the memory goes back as a whole. In a small report, all those searches were a tenth of the
    time.
    """
    gc.set_threshold(OBJECTS_BETWEEN_SEARCHES)
    try:
        return main()
    finally:
        gc.freeze()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code (see `console.exit_codes`).

    `arguments` are the words after `tokenprof` (default: those of the process). What a user can cause is
    printed as one sentence on standard error; any other exception is a fault of ours and is raised.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == [STATUS_LINE] and len(words) < 3 and not any(word.startswith("-") for word in words):
        from tokenprof.pictures.live.status_line import print_line

        print_line(*words[1:])
        return 0

    from tokenprof.commands.console.exit_codes import BAD_INPUT, INTERRUPTED
    from tokenprof.commands.console.failures import sentence_of
    from tokenprof.commands.console.output import emit, say
    from tokenprof.commands.console.values import require_plain_inputs

    try:
        options = build_parser(words[0] if words else None).parse_args(words)
        require_plain_inputs(options)
        code = int(options.run(options))
        emit("")
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        say(sentence)
        return BAD_INPUT


def build_parser(command: str | None = None) -> CommandParser:
    """Return the parser with every command, or only with what the first word, `command`, needs."""
    from tokenprof.commands.console.parser import CommandParser
    from tokenprof.facts.version import __version__

    parser = CommandParser(
        prog="tokenprof", description="Where an agent's bill came from, and what it cost to compute."
    )
    parser.add_argument(VERSION, action="version", version=f"tokenprof {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in _modules_with(command):
        importlib.import_module(f"tokenprof.commands.{name}").add_commands(subparsers)
    return parser


def _modules_with(command: str | None) -> tuple[str, ...]:
    """Return the modules of the commands that a first word may need."""
    if command == VERSION:
        return ()
    return (command,) if command in COMMANDS and command != "viewing" else COMMANDS


if __name__ == "__main__":
    raise SystemExit(run_process())

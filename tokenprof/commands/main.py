"""The `tokenprof` command. Each subcommand is a function; what it needs is imported when it runs."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenprof.facts.version import __version__

OK, BAD_INPUT = 0, 2

# Each has `add_commands(subparsers)`, which adds parsers whose `run` is a function of the options.
COMMAND_MODULES = (
    "tokenprof.commands.count",
    "tokenprof.commands.disclosure",
    "tokenprof.commands.check",
    "tokenprof.commands.proxy",
    "tokenprof.commands.chain",
    "tokenprof.commands.reconcile",
    "tokenprof.commands.prices",
    "tokenprof.commands.hw",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (2 for input that cannot be read, said in one line)."""
    options = _parser().parse_args(arguments)
    from tokenprof.facts.errors import InputError

    try:
        return int(options.run(options))
    except InputError as error:
        print(f"tokenprof: {error}", file=sys.stderr)  # noqa: T201 - the command line's own voice
        return BAD_INPUT
    except BrokenPipeError:
        # The reader of our output (a pager, `head`) has gone.
        sys.stderr.close()
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tokenprof", description="Where an agent's bill came from, and what it cost to compute."
    )
    parser.add_argument("--version", action="version", version=f"tokenprof {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_report(commands)
    _add_demo(commands)
    for module in COMMAND_MODULES:
        importlib.import_module(module).add_commands(commands)
    return parser


def _add_report(commands: Any) -> None:
    report = commands.add_parser(
        "report", help="report a recording or a transcript", description="Report one run, or many together."
    )
    report.add_argument("files", nargs="+", type=Path, metavar="FILE|FOLDER")
    report.add_argument("--format", choices=("text", "json", "svg"), default="text")
    report.add_argument(
        "-o", "--output", type=Path, help="write the report to a file instead of standard output"
    )
    report.add_argument("--deployment", help="cost the work on this deployment, e.g. deepseek-v3@8xh200")
    report.add_argument("--counts", type=Path, help="exact sizes of blocks, from `tokenprof count`")
    report.add_argument(
        "--tag", action="append", default=[], metavar="KEY=VALUE", help="only runs with this tag (repeatable)"
    )
    report.add_argument("--turns", type=int, help="show at most so many turns (default: abridged to fit)")
    report.add_argument("--blocks", type=int, default=15, help="show so many blocks (default: 15)")
    report.set_defaults(run=run_report)


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="profile a small agent, with no key and no network",
        description="Run a three-turn e-mail agent against a loopback provider, record it and report it.",
    )
    demo.add_argument(
        "-o", "--output", type=Path, default=Path("run.jsonl"), help="where to record (default: run.jsonl)"
    )
    demo.set_defaults(run=run_demo)


def run_report(options: argparse.Namespace) -> int:
    """`tokenprof report`: read, attribute, price, cost, render."""
    from tokenprof.reading.files import read
    from tokenprof.reading.tag_filter import with_tags
    from tokenprof.report.build import report_of

    run = with_tags(read(options.files), options.tag)
    counts = None
    if options.counts:
        from tokenprof.attribute.counts import read_counts

        counts = read_counts(options.counts)
    report = report_of(run, deployment=options.deployment, counts=counts)
    _show(report, options.format, options.output, turns=options.turns, blocks=options.blocks)
    return OK


def run_demo(options: argparse.Namespace) -> int:
    """`tokenprof demo`: the three-turn e-mail agent, recorded and reported."""
    from tokenprof.commands.demo import main as demo
    from tokenprof.reading.files import read
    from tokenprof.report.build import report_of

    path = demo(options.output)
    _show(report_of(read([path])), "text", None, turns=None, blocks=15)
    print(f"Recorded in {path}; read it again with: tokenprof report {path}")  # noqa: T201
    return OK


def _show(report: dict[str, Any], form: str, output: Path | None, *, turns: int | None, blocks: int) -> None:
    if form == "text" and output is None:
        from rich.console import Console

        from tokenprof.report.terminal.text import render

        render(report, Console(), turns=turns, blocks=blocks)
        return
    data = _rendered(report, form, turns=turns, blocks=blocks)
    if output:
        output.write_bytes(data)
    else:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _rendered(report: dict[str, Any], form: str, *, turns: int | None, blocks: int) -> bytes:
    if form == "json":
        import orjson

        return orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if form == "svg":
        from tokenprof.report.terminal.svg import to_svg

        return to_svg(report, turns=turns, blocks=blocks).encode()
    from tokenprof.report.terminal.text import to_text

    return to_text(report, width=100, turns=turns, blocks=blocks).encode()


if __name__ == "__main__":
    raise SystemExit(main())

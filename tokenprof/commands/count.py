"""`tokenprof count RUN`: exact sizes of blocks, from the provider. No other command uses the network."""

from __future__ import annotations

import argparse
from typing import Any, Final

from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import emit, require_writable
from tokenprof.commands.console.values import file_path
from tokenprof.facts.adapters import load_adapter
from tokenprof.facts.errors import InputError

COUNTER: Final = "clients.anthropic_count"


def add_commands(commands: Any) -> None:
    """Add `count` to a parser's subcommands."""
    parser = commands.add_parser(
        "count",
        help="ask Anthropic for the exact size of each block (network)",
        description="Count each block of a recording with content by Anthropic's count_tokens, with the key "
        "and address that the anthropic SDK finds in the environment. "
        "Then: tokenprof report RUN --counts COUNTS",
    )
    parser.add_argument("file", type=file_path, metavar="RUN.jsonl", help="recorded with content=True")
    parser.add_argument(
        "-o",
        "--output",
        type=file_path,
        metavar="FILE",
        help="counts to write, or to add to (default: RUN.counts.json)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say how many calls it would take")
    parser.set_defaults(run=run_count)


def run_count(options: argparse.Namespace) -> int:
    """Count what has not been counted, and write the counts, including those before a failure."""
    import anthropic

    from tokenprof.attribute.counts import read_counts, write_counts

    options.file.open("rb").close()
    output = options.output or options.file.with_suffix(".counts.json")
    require_writable(output, [options.file])
    counts = read_counts(output) if output.exists() else {}
    client = anthropic.Anthropic(api_key="not used") if options.dry_run else anthropic.Anthropic()
    if not (client.api_key or client.auth_token or getattr(client, "credentials", None)):
        raise InputError("Counting needs a key of Anthropic's API; set ANTHROPIC_API_KEY, or use --dry-run.")
    known = len(counts)
    count_recording = load_adapter(COUNTER).count_recording
    try:
        with client:
            asked, refused = count_recording(options.file, client, counts, dry_run=options.dry_run)
    finally:
        if not options.dry_run and len(counts) > known:
            write_counts(output, counts)
    if options.dry_run:
        emit(f"{asked} calls of count_tokens would be made; nothing was sent.\n")
        return OK
    write_counts(output, counts)
    beyond = f", {refused} of them refused" if refused else ""
    emit(f"{asked} calls{beyond}; {len(counts)} counts in {output}\n")
    return OK

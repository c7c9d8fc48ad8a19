"""`tokenprof ingest`: brings a store up to date with logs, and keeps it so."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import add_format, emit, format_of, json_text, say, write_error
from tokenprof.commands.console.store_options import add_store_option, store_of
from tokenprof.commands.console.values import file_path, positive_number, whole_number
from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.store.ingest.ingest import Ingested, IngestOptions

EVERY_S: Final = 10.0

_WHY: Final = {
    "new": "new",
    "grown": "grown",
    "rewritten": "rewritten",
    "cut_short": "cut short",
    "replaced": "replaced by another file",
    "asked_for": "read again",
}


def add_commands(commands: Any) -> None:
    """Add `ingest` to a parser's subcommands."""
    parser = commands.add_parser(
        "ingest",
        help="read logs into a store, only what changed",
        description="Bring a store of Parquet files up to date with the logs below some paths. What did not "
        "change is not read. The store holds no content of prompts (docs/store.md).",
    )
    parser.add_argument(
        "paths",
        nargs="*",
        type=file_path,
        metavar="FILE|FOLDER",
        help="what to read (default: everything that the store was made from)",
    )
    add_store_option(parser)
    parser.add_argument("--watch", action="store_true", help="go on until interrupted")
    parser.add_argument(
        "--every",
        type=positive_number,
        metavar="SECONDS",
        help=f"with --watch: how long to wait between two looks (default: {EVERY_S:g})",
    )
    parser.add_argument(
        "--jobs",
        type=whole_number(1),
        metavar="N",
        help="how many processes read (default: one a processor)",
    )
    parser.add_argument(
        "--project", metavar="NAME", help="the project of these logs (default: their tag, else their folder)"
    )
    parser.add_argument("--names", action="store_true", help="also keep the names of blocks")
    parser.add_argument("--again", action="store_true", help="read logs that did not change, too")
    parser.add_argument(
        "--forget-gone", action="store_true", help="drop the turns of logs whose file was deleted"
    )
    add_format(parser, ("text", "json"))
    parser.set_defaults(run=run_ingest)


def run_ingest(options: argparse.Namespace) -> int:
    """Ingest once, or again and again."""
    if options.every and not options.watch:
        raise InputError("--every says how often --watch looks; add --watch, or leave it out.")
    form = format_of(options)
    store = store_of(options)

    from tokenprof.store.ingest.ingest import IngestOptions
    from tokenprof.store.queries.engine import require_store_packages
    from tokenprof.store.schema.without_pandas import keep_pandas_out

    require_store_packages()
    keep_pandas_out()
    settings = IngestOptions(
        jobs=options.jobs or os.cpu_count() or 1,
        project=options.project,
        with_names=options.names,
        again=options.again,
        forget_gone=options.forget_gone,
    )
    if options.forget_gone:
        _forget_sums()
    if options.watch:
        _watch(options, store, settings, form)
    else:
        _once(options.paths, store, settings, form)
    return OK


def _forget_sums() -> None:
    """Drop the sums that reports have kept of logs; what is still there is summed again."""
    import shutil

    from tokenprof.sessions.kept_sums import folder_of_sums

    if (folder := folder_of_sums()) is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _once(paths: list[Path], store: Path | str, settings: IngestOptions, form: str) -> Ingested:
    from tokenprof.store.ingest.ingest import ingest

    done = ingest(paths, store, settings, _shown_progress())
    for note in done.notes:
        say(note)
    emit(json_text(_as_json(done, store)) if form == "json" else _in_words(done, store))
    return done


def _watch(options: argparse.Namespace, store: Path | str, settings: IngestOptions, form: str) -> None:
    """Ingest until interrupted; what changes nothing is not reported."""
    from tokenprof.store.ingest.followed_logs import FollowedLogs
    from tokenprof.store.ingest.ingest import ingest
    from tokenprof.store.writing.writer_lock import StoreIsLockedError

    followed = FollowedLogs()
    _once(options.paths, store, settings, form)
    while True:
        time.sleep(options.every or EVERY_S)
        try:
            done = ingest(options.paths, store, settings, followed=followed)
        except StoreIsLockedError:
            # Somebody else brings the store up to date; look again later.
            continue
        if done.read or done.gone or done.notes:
            emit(json_text(_as_json(done, store)) if form == "json" else _in_words(done, store))


def _in_words(done: Ingested, store: Path | str) -> str:
    read = ", ".join(f"{count:,} {_WHY[why]}" for why, count in sorted(done.read.items()))
    lines = [
        f"{sum(done.read.values()):,} logs read ({read}): {done.turns:,} turns, {done.bytes / 1e6:,.1f} MB; "
        f"{done.unchanged:,} did not change."
        if done.read
        else f"Nothing to read: {done.unchanged:,} logs did not change."
    ]
    if done.gone:
        lines.append(f"{done.gone:,} logs are gone; what they held stays. --forget-gone drops it.")
    if done.forgotten:
        lines.append(f"{done.forgotten:,} logs that are gone were dropped.")
    if done.repeated:
        lines.append(f"{done.repeated:,} responses are in several logs; each is counted once.")
    if done.warnings:
        lines.append(f"{len(done.warnings):,} warnings, so totals are at least what is shown. The first:")
        lines += [f"  {warning}" for warning in done.warnings[:3]]
    lines.append(f"Store: {store}")
    return "".join(f"{line}\n" for line in lines)


def _as_json(done: Ingested, store: Path | str) -> dict[str, object]:
    return {
        "schema": "tokenprof.ingest/1",
        "store": str(store),
        "read": done.read,
        "turns": done.turns,
        "bytes": done.bytes,
        "unchanged": done.unchanged,
        "gone": done.gone,
        "forgotten": done.forgotten,
        "repeated_responses": done.repeated,
        "notes": done.notes,
        "warnings": done.warnings,
    }


def _shown_progress() -> Callable[[int, int, int], None] | None:
    """Return what shows progress on a terminal; nothing for other standard errors."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    began = time.monotonic()

    def show(logs: int, done_bytes: int, all_bytes: int) -> None:
        took = max(time.monotonic() - began, 1e-9)
        rate = done_bytes / took
        left_s = (all_bytes - done_bytes) / rate if rate else 0.0
        ends = "\n" if done_bytes >= all_bytes else ""
        write_error(
            f"\r{logs:,} logs, {done_bytes / 1e6:,.0f} of {all_bytes / 1e6:,.0f} MB, "
            f"{rate / 1e6:.1f} MB/s, {left_s:,.0f} s left \x1b[K{ends}"
        )

    return show

"""`tokenprof report` of a folder of many sessions: they are analysed one at a time and added up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tokenprof.commands.console.output import drawn, put, put_parts
from tokenprof.facts.errors import InputError
from tokenprof.sessions.size_of_logs import are_many_sessions

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console

    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.facts.call_labels import Labeller
    from tokenprof.sessions.kept_sums import KeptSums

MEMORY_PER_LOG: Final = 4
"""How many times the size of the logs all their turns take in memory."""

MOST_HELD_BYTES: Final = 256 * 2**20
"""Logs that are held in memory together at most, if what is asked for needs that."""

SUMMED_FORMATS: Final = ("text", "json", "html")
NEED_ALL_TURNS: Final = {
    "text": ("--counts", "--turns", "--labels", "--label"),
    "json": ("--counts",),
    "html": ("--counts", "--labels", "--label", "--against", "--with-content"),
}


def is_summed(options: argparse.Namespace, form: str) -> bool:
    """Return whether the files are many sessions that are analysed one at a time and added up.

    What lists every turn of all of them holds them in memory, which a sentence on standard error says. Raises
    InputError if they are too large for that.
    """
    if not are_many_sessions(options.files):
        return False
    given = (name for name in NEED_ALL_TURNS.get(form, ()) if getattr(options, name[2:].replace("-", "_")))
    why = f"{form} lists" if form not in SUMMED_FORMATS else next((f"{name} needs" for name in given), "")
    if not why:
        return True
    ways_out = (
        "Text, JSON and HTML without such options add them up one at a time; `tokenprof ingest` and `query` "
        "answer from a store."
    )
    if are_many_sessions(options.files, MOST_HELD_BYTES):
        raise InputError(
            f"{why} every turn at once, and these logs are more than {MOST_HELD_BYTES // 2**20} MiB, which "
            f"take {MEMORY_PER_LOG} times that in memory. Name fewer of them. {ways_out}"
        )
    sys.stderr.write(
        f"{why} every turn, so all sessions are held in memory, about {MEMORY_PER_LOG} times their size. "
        f"{ways_out}\n"
    )
    return False


def report_folder(
    options: argparse.Namespace, form: str, assumptions: Assumptions, labeller: Labeller | None
) -> None:
    """Report many sessions in one of the `SUMMED_FORMATS`."""
    if form == "html":
        _write_page(options, assumptions)
        return
    from tokenprof.commands.console.progress_line import ProgressLine
    from tokenprof.facts.call_labels import labels_read
    from tokenprof.report.folders.folder_document import report_of_folder
    from tokenprof.report.folders.folder_json import folder_json
    from tokenprof.report.folders.folder_text import render_folder
    from tokenprof.report.formats.text import WIDTH
    from tokenprof.sessions.analyse_folder import analyse_folder

    line = ProgressLine()
    with labels_read(labeller if form == "json" else None):
        try:
            kept = None if labeller and form == "json" else _kept_sums(options.files, assumptions)
            found = analyse_folder(
                options.files, assumptions, jobs=options.jobs, watch=line, kept=kept, tags=options.tag
            )
            report = report_of_folder(found)
            if form == "json":
                with_entries = options.entries
                parts = folder_json(report, found, with_entries=with_entries, jobs=options.jobs, watch=line)
                put_parts(options.output, parts)
                return
        finally:
            line.end()

    def draw(console: Console) -> None:
        render_folder(report, console, blocks=options.blocks, is_full=options.full)

    if options.output is None:
        put(None, drawn(draw))
    else:
        put(
            options.output,
            drawn(draw, width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False),
        )


def _write_page(options: argparse.Namespace, assumptions: Assumptions) -> None:
    from tokenprof.commands.folders.totals_of_files import put_fleet_page, totals_of_files

    sys.stderr.write(
        "These are many sessions, so this is the page about many runs. Report a session alone for the page "
        "that shows its turns and its context.\n"
    )
    with totals_of_files(options.files, assumptions, options.jobs, with_blocks=True) as opened:
        put_fleet_page(options.output, opened, _where(options.tag))


def _where(tags: Sequence[str]) -> str | None:
    """Return the condition on turns that carry all of some tags, which are `KEY=VALUE` or `KEY`."""

    def condition(tag: str) -> str:
        key, equals, value = tag.replace("'", "''").partition("=")
        return f"tags['{key}'] = '{value}'" if equals else f"tags['{key}'] IS NOT NULL"

    return " AND ".join(map(condition, tags)) or None


def _kept_sums(paths: Sequence[Path], assumptions: Assumptions) -> KeptSums | None:
    """Return the sums that are kept of logs; None unless these paths were ingested into the default store."""
    from tokenprof.sessions.kept_sums import KeptSums, folder_of_sums
    from tokenprof.store.writing.ingested import ingested

    folder = folder_of_sums()
    return None if folder is None or ingested(paths) is None else KeptSums(folder, assumptions)

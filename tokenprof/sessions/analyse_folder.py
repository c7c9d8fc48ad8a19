"""Folders read and analysed a session at a time, over the cores of the machine."""

from __future__ import annotations

import os
import pickle
import tempfile
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO

from tokenprof.analysis.assumptions import Assumptions
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run
from tokenprof.reading.files import LogFile, find_logs, read, whole_run
from tokenprof.reading.garbage import no_search_for_cycles
from tokenprof.reading.merge import merge
from tokenprof.reading.parallel import read_each
from tokenprof.reading.progress import Watcher, unwatched
from tokenprof.reading.tag_filter import places_with_tags, subset
from tokenprof.sessions.folder_analysis import FolderAnalysis
from tokenprof.sessions.folder_sums import FolderSums
from tokenprof.sessions.kept_sums import KeptSums, listing_of
from tokenprof.sessions.same_responses import SeenResponses
from tokenprof.sessions.session_sums import Member, SessionSums
from tokenprof.sessions.sum_session import UncostedAnalysis, sums_of
from tokenprof.sessions.tried_changes import LargestSessions, largest_of, try_changes

AnyLogs = Sequence[LogFile]


def analyse_folder(
    paths: Sequence[Path],
    assumptions: Assumptions,
    *,
    jobs: int | None = None,
    watch: Watcher = unwatched,
    kept: KeptSums | None = None,
    tags: Sequence[str] = (),
) -> FolderAnalysis:
    """Return what follows from the logs that some paths name or hold, analysed a session at a time.

    Each response counts once, whichever logs hold it. The sizes of blocks are those that a session's own
    bills show. `jobs` and `watch` are those of `tokenprof.reading.files.read`; Ctrl-C ends the reading, and a
    warning says what is missing. Sums that are `kept` of a log as it is are used, and those of the others put
    there. With `tags` (`KEY=VALUE`, or `KEY` alone), only the turns that carry all of them count, and no sums
    are kept. Raises InputError as `read` does, and if no turn carries the tags.
    """
    warnings: list[str] = []
    kept = None if tags else kept
    chosen = Chosen(assumptions, tuple(tags))
    if kept is not None and (known := kept.find_folders(paths)) is not None:
        return FolderAnalysis(
            known.sums,
            assumptions,
            known.warnings,
            known.largest,
            known.members,
            kept_logs=sum(1 + len(member.others) for member in known.members),
        )
    listing = b"" if kept is None else listing_of(paths)
    logs = find_logs(paths, warnings)
    with tempfile.TemporaryFile(prefix="tokenprof-") as file:
        spool = _Spool(file)
        seen = SeenResponses()
        kept_logs, are_all_read = _analyse_each(logs, chosen, warnings, jobs, watch, spool, seen, kept)
        sums = FolderSums()
        members: list[Member] = []
        together = seen.together()
        in_several = {number for numbers in together for number in numbers}
        for number in range(len(logs)):
            if number not in in_several and (found := spool.take(number)) is not None:
                sums.add(found)
                members.append(_member([logs[number]], found))
        for numbers in together:
            shared = [logs[number] for number in numbers]
            found = _analysed_together(shared, chosen)
            sums.add(found)
            members.append(_member(shared, found))
    if tags and not sums.turns.turns:
        raise InputError(
            f"No turn carries {' and '.join(map(repr, tags))}. `tokenprof totals FOLDER --by tag:KEY` shows "
            "the values of a tag."
        )
    largest = _tried(logs, chosen, kept)
    if kept is not None and are_all_read:
        kept.put_folders(paths, listing, (sums, tuple(warnings), largest, tuple(members)))
    return FolderAnalysis(sums, assumptions, warnings, largest, members, chosen.tags, kept_logs)


@frozen
class Chosen:
    """What a process needs to know to sum a session: the assumptions, and the tags of turns that count."""

    assumptions: Assumptions
    tags: tuple[str, ...] = ()

    def turns_of(self, run: Run) -> Run:
        """Return a run with the turns that count, which may be none."""
        return subset(run, places_with_tags(run, self.tags)) if self.tags else run


def _member(logs: AnyLogs, found: SessionSums) -> Member:
    first, *others = logs
    files = tuple(log.file for log in others)
    return Member(first.file, first.reader.FORMAT, files, found.sources, found.starts)


def _analyse_each(
    logs: AnyLogs,
    chosen: Chosen,
    warnings: list[str],
    jobs: int | None,
    watch: Watcher,
    spool: _Spool,
    seen: SeenResponses,
    kept: KeptSums | None,
) -> tuple[int, bool]:
    """Put the sums of each log away; return how many were kept, and whether all others could be read."""
    files = [(log.file, log.reader.FORMAT) for log in logs]
    failed: dict[int, InputError] = {}
    left = []
    for number, log in enumerate(logs):
        known = None if kept is None else kept.find(log)
        if known is None:
            left.append(number)
        else:
            spool.put(number, known)
            seen.add(number, log.reader.FORMAT, known.identities, known.calls, known.starts)
    done = kept_logs = len(logs) - len(left)
    try:
        for place, found in read_each([files[at] for at in left], partial(summed, chosen), jobs, watch):
            number = left[place]
            done += 1
            if isinstance(found, InputError):
                if logs[number].is_named:
                    raise found
                failed[number] = found
                continue
            spool.put(number, found)
            if kept is not None:
                kept.put(logs[number], found)
            seen.add(number, files[number][1], found.identities, found.calls, found.starts)
    except KeyboardInterrupt:
        if done == len(failed):
            raise
        warnings.append(
            f"Reading was interrupted: {done} of {len(logs)} files were read, and what the others hold "
            "is not in this report."
        )
    if failed and len(failed) == len(logs):
        raise failed[min(failed)]
    warnings += [f"{failed[number]} It was left out." for number in sorted(failed)]
    return kept_logs, done == len(logs) and not failed


def summed(chosen: Chosen, path: Path, form: str) -> SessionSums:
    """Return the sums of the session in a file of a named format. Raises InputError as `read` does."""
    with no_search_for_cycles():
        return _sums(merge([whole_run(path, form)]), chosen, path)


def _analysed_together(logs: AnyLogs, chosen: Chosen) -> SessionSums:
    """Return the sums of logs that hold some of the same responses, each response counted once."""
    return _sums(read([log.file for log in logs]), chosen, logs[0].file)


def _sums(run: Run, chosen: Chosen, path: Path) -> SessionSums:
    analysis = UncostedAnalysis(chosen.turns_of(run), chosen.assumptions)
    return sums_of(analysis, project_of_log(path), path.stem)


def project_of_log(path: Path) -> str:
    """Return the project of a log without a tag that says it: the folder that it is in."""
    return path.absolute().parent.name


def _tried(logs: AnyLogs, chosen: Chosen, kept: KeptSums | None) -> LargestSessions | None:
    largest = largest_of(logs)
    if not largest:
        return None
    if kept is not None and (known := kept.find_changes(largest)) is not None:
        return known
    found = try_changes(largest, chosen.turns_of, chosen.assumptions)
    if kept is not None:
        kept.put_changes(largest, found)
    return found


class _Spool:
    """Sums of sessions in a file of this process alone, from which they are taken one at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._places: dict[int, tuple[int, int]] = {}

    def put(self, number: int, sums: SessionSums) -> None:
        """Put the sums of a session away."""
        data = zlib.compress(pickle.dumps(sums, pickle.HIGHEST_PROTOCOL), 1)
        at = self._file.seek(0, os.SEEK_END)
        self._file.write(data)
        self._places[number] = at, len(data)

    def take(self, number: int) -> SessionSums | None:
        """Return the sums of a session; None if it was not read."""
        if number not in self._places:
            return None
        at, size = self._places[number]
        self._file.seek(at)
        found = pickle.loads(zlib.decompress(self._file.read(size)))
        assert isinstance(found, SessionSums)
        return found

"""Files and folders of any known format, read into one `Run`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from tokenprof.data_classes.checked_types import require_types
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run, Source, Turn
from tokenprof.facts.whole_characters import with_whole_characters
from tokenprof.reading.formats import (
    TranscriptReader,
    UnknownFormatError,
    known_formats,
    reader_named,
    reader_of,
    suffixes,
)
from tokenprof.reading.garbage import no_search_for_cycles
from tokenprof.reading.log_bytes import ARCHIVES, DamagedFileError, holds_logs, log_name, open_log
from tokenprof.reading.merge import merge
from tokenprof.reading.parallel import read_each
from tokenprof.reading.progress import Watcher, unwatched
from tokenprof.record.background.ended_blocks import wait_for_recordings

Fact = TypeVar("Fact", Turn, Source)

LISTED_FILES = 5
NOT_LOGS = frozenset({"node_modules", ".git", ".venv", "site-packages"})
"""Folders with thousands of other JSON files, but no logs."""

LINES = ".jsonl"
OTHER_COMPRESSION = frozenset({".br", ".lz4", ".sz", ".z", ".7z", ".zip", ".age", ".gpg"})
"""Endings of logs that cannot be read; in a folder, a warning names them."""

COUNTS = (b'_tokens"', b'Tokens"')
"""A JSON file with a key that ends like this may hold a bill."""

SEARCHED_BYTES = 2**20

AnyPath = str | os.PathLike[str]


def read(
    paths: AnyPath | Sequence[AnyPath],
    *,
    jobs: int | None = 1,
    watch: Watcher = unwatched,
    keeps_part: bool = False,
) -> Run:
    """Return the turns of files and folders together, in time order, each billed response once.

    `paths` is one path or several. In a folder, every file of a known format is read, at any depth,
    compressed ones included. Warnings name the files that cannot be read and those of unknown formats that
    may hold a bill: `*.jsonl` files, and other JSON files with counts of tokens.

    `jobs` is the number of processes that read (None: as many as are worth it); `watch` is told after each
    file. With `keeps_part`, Ctrl-C ends the reading, and a warning says what is missing.

    Raises InputError for a path that does not exist or cannot be read, for no path at all, for a named file
    that is empty, malformed or of an unknown format, and for a folder of which no file can be read.
    """
    warnings: list[str] = []
    with no_search_for_cycles():
        logs = find_logs(paths, warnings)
        return merge(runs_of(logs, whole_run, warnings, jobs, watch, keeps_part=keeps_part), warnings)


def whole_run(path: Path, form: str) -> Run:
    """Return the run in a file of a named format."""
    return run_of(path, reader_named(form))


@frozen
class LogFile:
    """A file to read. `is_named` says that the user named it, and not a folder above it."""

    file: Path
    reader: TranscriptReader
    is_named: bool


def find_logs(paths: AnyPath | Sequence[AnyPath], warnings: list[str]) -> list[LogFile]:
    """Return the files of known formats that `paths` name or hold, each once.

    Files that are read together with another one are left out (`companions_of` names them). Raises
    InputError as `read` does.
    """
    chosen: dict[Path, LogFile] = {}
    named = _as_paths(paths)
    wait_for_recordings(named)
    for path in named:
        is_folder = path.is_dir()
        found = _files_below(path, warnings) if is_folder else [(path, reader_of(path))]
        for file, reader in found:
            chosen.setdefault(file.resolve(), LogFile(file, reader, is_named=not is_folder))
    companions = {other.resolve() for one in chosen.values() for other in companions_of(one.reader, one.file)}
    return [one for real, one in chosen.items() if real not in companions]


def runs_of(
    chosen: Sequence[LogFile],
    read_one: Callable[[Path, str], Run],
    warnings: list[str],
    jobs: int | None = 1,
    watch: Watcher = unwatched,
    *,
    keeps_part: bool = False,
) -> list[Run]:
    """Return the runs of files; one that cannot be read costs a warning if it was found in a folder.

    `read_one` is a function of a module, given a path and the name of its format. The other parameters are
    those of `read`.
    """
    results: dict[int, Run | InputError] = {}
    files = [(one.file, one.reader.FORMAT) for one in chosen]
    try:
        for index, result in read_each(files, read_one, jobs, watch):
            results[index] = result
            if isinstance(result, InputError) and chosen[index].is_named:
                raise result
    except KeyboardInterrupt:
        if not keeps_part or not any(isinstance(result, Run) for result in results.values()):
            raise
        warnings.append(
            f"Reading was interrupted: {len(results)} of {len(chosen)} files were read, and what the others "
            "hold is not in this report."
        )
    runs = [results[index] for index in sorted(results)]
    failed = [result for result in runs if isinstance(result, InputError)]
    if failed and len(failed) == len(runs):
        raise failed[0]
    warnings += [f"{error} It was left out." for error in failed]
    return [result for result in runs if isinstance(result, Run)]


def _as_paths(paths: AnyPath | Sequence[AnyPath]) -> list[Path]:
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not given:
        raise InputError("There is nothing to read: the list of paths is empty. Name a file or a folder.")
    if not all(os.fspath(path) for path in given):
        raise InputError("There is nothing to read: a path is the empty text. Name a file or a folder.")
    for path in given:
        if "\0" in os.fspath(path):
            raise InputError(f"{os.fspath(path)!r} holds a zero byte, so it is not the name of a file.")
    return [Path(path) for path in given]


def run_of(file: Path, reader: TranscriptReader, read_one: Callable[[Path], Run] | None = None) -> Run:
    """Return the run that a file and its companions hold, read by its reader or by `read_one`.

    Raises InputError for a file that cannot be read or holds something else than it begins with.
    """
    try:
        run = _named_by_whole_characters(file, (read_one or reader.read)(file))
        require_types(run)
        return run
    except OSError as error:
        raise InputError.unreadable(file, error) from None
    except RecursionError:
        raise InputError(f"{file}: this is nested more deeply than any log; was it edited?") from None
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InputError(
            f"{file}: this begins as {reader.FORMAT}, but then holds something else "
            f"({type(error).__name__}: {error}). Was it edited or cut? If not, please report this with the "
            "version of the tool that wrote it."
        ) from error


def _named_by_whole_characters(file: Path, run: Run) -> Run:
    """Return the run of a file, whose name need not be UTF-8, with names that can be written anywhere."""
    if str(file) == with_whole_characters(str(file)):
        return run
    return replace(
        run,
        turns=tuple(map(_with_whole_texts, run.turns)),
        sources=tuple(map(_with_whole_texts, run.sources)),
        warnings=tuple(map(with_whole_characters, run.warnings)),
    )


def _with_whole_texts(fact: Fact) -> Fact:
    found = ((field.name, getattr(fact, field.name)) for field in fields(fact))
    whole: dict[str, Any] = {
        name: with_whole_characters(text) for name, text in found if isinstance(text, str)
    }
    return replace(fact, **whole)


def _files_below(folder: Path, warnings: list[str]) -> list[tuple[Path, TranscriptReader]]:
    """Return the files of known formats below a folder; warnings say which others were passed over."""
    found: list[tuple[Path, TranscriptReader]] = []
    unknown: list[Path] = []
    refused: dict[Path, InputError] = {}
    unreadable: list[InputError] = []
    endings = tuple(suffixes())
    for path in plain_files_below(folder, refused):
        if not path.name.endswith(endings) or path.name.endswith(ARCHIVES):
            is_packed = path.name.endswith(ARCHIVES) and holds_logs(path, endings)
            if is_packed or (path.suffix in OTHER_COMPRESSION and path.stem.endswith(LINES)):
                unknown.append(path)
            continue
        try:
            found.append((path, reader_of(path)))
        except UnknownFormatError:
            # A folder may hold any number of JSON files that have nothing to do with a bill.
            if log_name(path).endswith(LINES) or holds_counts(path):
                unknown.append(path)
        except InputError as error:
            unreadable.append(error)
    unreadable += refused.values()
    if not found and unreadable:
        raise unreadable[0]
    if not found:
        raise InputError(f"{folder} holds no file that tokenprof can read. It reads {known_formats()}.")
    if unknown:
        named = ", ".join(str(path.relative_to(folder)) for path in unknown[:LISTED_FILES])
        more = f" and {len(unknown) - LISTED_FILES} more" if len(unknown) > LISTED_FILES else ""
        warnings.append(f"{folder}: these files have an unknown format and were left out: {named}{more}.")
    warnings += [f"{error} It was left out." for error in unreadable]
    return found


def plain_files_below(folder: Path, refused: dict[Path, InputError]) -> list[Path]:
    """Return the files below a folder, in order; no pipes, and nothing in folders that hold no logs.

    Files and folders that may not be looked at go into `refused`, each with the reason.
    """
    found: list[Path] = []

    def note(error: OSError) -> None:
        path = Path(error.filename)
        refused[path] = InputError.unreadable(path, error)

    for parent, folders, names in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if name not in NOT_LOGS]
        for path in (Path(parent, name) for name in names if name not in NOT_LOGS):
            try:
                if path.is_file():
                    found.append(path)
            except OSError as error:
                note(error)
    return sorted(found)


def holds_counts(path: Path) -> bool:
    """Return whether a file of an unknown format has keys that count tokens, so that it may hold a bill."""
    with open_log(path) as file:
        try:
            head = file.read(SEARCHED_BYTES)
        except DamagedFileError:
            return False
    return any(key in head for key in COUNTS)


def companions_of(reader: TranscriptReader, path: Path) -> Sequence[Path]:
    """Return the further files that are read together with a file and not by themselves."""
    of: Callable[[Path], Sequence[Path]] | None = getattr(reader, "companions", None)
    try:
        return of(path) if of else ()
    except OSError as error:
        raise InputError.unreadable(Path(error.filename or path), error) from None

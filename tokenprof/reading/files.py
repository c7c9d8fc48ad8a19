"""Files and folders of any known format, read into one `Run`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tokenprof.facts.checked_types import require_types
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run
from tokenprof.reading.formats import TranscriptReader, UnknownFormatError, known_formats, reader_of, suffixes
from tokenprof.reading.merge import merge

LISTED_FILES = 5
NOT_LOGS = frozenset({"node_modules", ".git", ".venv", "site-packages"})
"""Folders with thousands of other JSON files, but no logs."""

AnyPath = str | os.PathLike[str]


def read(paths: AnyPath | Sequence[AnyPath]) -> Run:
    """Return the turns of files and folders together, in time order, each billed response once.

    `paths` is one path or several. In a folder, every file of a known format is read, at any depth; a warning
    names the `*.jsonl` files of unknown formats.

    Raises InputError for a path that does not exist or cannot be read, for no path at all, and for a file
    that is empty, malformed or of an unknown format.
    """
    warnings: list[str] = []
    chosen: dict[Path, tuple[Path, TranscriptReader]] = {}
    for path in _as_paths(paths):
        found = _files_below(path, warnings) if path.is_dir() else [(path, reader_of(path))]
        for file, reader in found:
            chosen.setdefault(file.resolve(), (file, reader))
    companions = {other.resolve() for file, reader in chosen.values() for other in _companions(reader, file)}
    runs = [_run_of(file, reader) for real, (file, reader) in chosen.items() if real not in companions]
    return merge(runs, warnings)


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


def _run_of(file: Path, reader: TranscriptReader) -> Run:
    try:
        run = reader.read(file)
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


def _files_below(folder: Path, warnings: list[str]) -> list[tuple[Path, TranscriptReader]]:
    """Return the files of known formats below a folder; a warning names the other `*.jsonl` files."""
    found, others = [], []
    endings = tuple(suffixes())
    for path in sorted(folder.rglob("*")):
        if not path.name.endswith(endings) or not path.is_file():
            continue
        if NOT_LOGS.intersection(path.relative_to(folder).parts):
            continue
        try:
            found.append((path, reader_of(path)))
        except UnknownFormatError:
            # A folder may hold any number of other *.json files.
            if path.suffix == ".jsonl":
                others.append(path)
    if not found:
        raise InputError(f"{folder} holds no file that tokenprof can read. It reads {known_formats()}.")
    if others:
        named = ", ".join(str(path.relative_to(folder)) for path in others[:LISTED_FILES])
        more = f" and {len(others) - LISTED_FILES} more" if len(others) > LISTED_FILES else ""
        warnings.append(f"{folder}: these files have an unknown format and were left out: {named}{more}.")
    return found


def _companions(reader: TranscriptReader, path: Path) -> Sequence[Path]:
    of: Callable[[Path], Sequence[Path]] | None = getattr(reader, "companions", None)
    try:
        return of(path) if of else ()
    except OSError as error:
        raise InputError.unreadable(Path(error.filename or path), error) from None

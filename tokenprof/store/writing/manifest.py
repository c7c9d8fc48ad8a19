"""The manifest: which files make up a store. It is written last, so a commit is there whole or not at all.

A store is a folder:

    manifest.json                                the last commit
    turns/day=2026-06-01/project=web/00000007-0.parquet   rows of a table, named by the commit
    state/logs-00000007.parquet                  the logs, and which responses are repeated

Files that the manifest does not name are left over from a writer that died, or replaced; the next writer
removes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tokenprof.facts.errors import InputError
from tokenprof.store.schema.columns import DATA_TABLES, SCHEMA_VERSION
from tokenprof.store.writing.durable_files import UNFINISHED, write_durably

MANIFEST: Final = "manifest.json"
STATE: Final = "state"
FORMAT: Final = "tokenprof-store"

SAFE_CHARACTERS: Final = "-_. "
LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of rows: where it is below the store, its size, and the commits that its rows are from."""

    path: str
    bytes: int
    rows: int
    generations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a store by table, and the paths that were read into it. `generation` counts commits."""

    generation: int = 0
    schema: int = SCHEMA_VERSION
    with_names: bool = False
    roots: tuple[str, ...] = ()
    files: Mapping[str, tuple[DataFile, ...]] = field(default_factory=dict)

    def files_of(self, table: str) -> tuple[DataFile, ...]:
        """Return the files of a table."""
        return self.files.get(table, ())


def read_manifest(store: Path) -> Manifest | None:
    """Return the last commit of a store; None if there is none.

    Raises InputError if the file cannot be read or is not a manifest.
    """
    path = store / MANIFEST
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError.unreadable(path, error) from None
    return manifest_of_json(data, str(path))


def manifest_of_json(text: bytes, path: str) -> Manifest:
    """Return the commit that the bytes of a manifest hold; `path` is for errors.

    Raises InputError if they are not a manifest.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise _not_a_manifest(path, str(error)) from None
    try:
        if data["format"] != FORMAT:
            raise _not_a_manifest(path, f"its format is {data['format']!r}")
        return _manifest(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise _not_a_manifest(path, f"{type(error).__name__}: {error}") from None


def _not_a_manifest(path: str, reason: str) -> InputError:
    return InputError(
        f"{path} is not the manifest of a store ({reason}). Name the folder of a store, or remove this one "
        "and run `tokenprof ingest` again."
    )


def _manifest(data: Mapping[str, Any]) -> Manifest:
    if data["schema"] != SCHEMA_VERSION:
        return Manifest(
            int(data["generation"]), int(data["schema"]), roots=tuple(map(str, data.get("roots", ())))
        )
    return Manifest(
        int(data["generation"]),
        int(data["schema"]),
        bool(data["with_names"]),
        tuple(data["roots"]),
        {
            table: tuple(
                DataFile(each["path"], each["bytes"], each["rows"], tuple(each["generations"]))
                for each in files
            )
            for table, files in data["files"].items()
        },
    )


def write_manifest(store: Path, manifest: Manifest) -> None:
    """Commit: from here on, readers see these files."""
    data = manifest_to_json(manifest)
    write_durably(store / MANIFEST, lambda path: _write_bytes(path, data))


def _write_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def manifest_to_json(manifest: Manifest) -> bytes:
    """Return a commit as the bytes of a manifest."""
    data = {
        "format": FORMAT,
        "schema": manifest.schema,
        "generation": manifest.generation,
        "with_names": manifest.with_names,
        "roots": list(manifest.roots),
        "files": {
            table: [
                {
                    "path": each.path,
                    "bytes": each.bytes,
                    "rows": each.rows,
                    "generations": list(each.generations),
                }
                for each in files
            ]
            for table, files in manifest.files.items()
        },
    }
    return json.dumps(data, separators=(",", ":")).encode()


def partition(table: str, day: str, project: str) -> str:
    """Return the folder of a partition below the store, in the form that Hive and Spark read."""
    return f"{table}/day={day}/project={folder_name(project)}"


def folder_name(text: str) -> str:
    """Return a text as part of a path: other characters than letters, digits and a few signs are escaped."""
    return quote(text, safe=SAFE_CHARACTERS)[:LONGEST_NAME] or "__HIVE_DEFAULT_PARTITION__"


def sweep(store: Path, manifest: Manifest) -> int:
    """Remove the files that a commit does not name; return how many. Only the writer may do this."""
    named = {each.path for files in manifest.files.values() for each in files}
    removed = 0
    for path in _all_files(store):
        if path.name.endswith(UNFINISHED) or path.relative_to(store).as_posix() not in named:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _all_files(store: Path) -> Iterable[Path]:
    for folder in (*(table.name for table in DATA_TABLES), STATE):
        if (store / folder).is_dir():
            yield from [path for path in (store / folder).rglob("*") if path.is_file()]
    leftover = store / f"{MANIFEST}{UNFINISHED}"
    if leftover.exists():
        yield leftover


def damaged(store: Path, manifest: Manifest) -> list[tuple[str, DataFile]]:
    """Return the files of a commit that are missing or have another size, with their tables."""
    found = []
    for table, files in manifest.files.items():
        for each in files:
            try:
                is_whole = (store / each.path).stat().st_size == each.bytes
            except OSError:
                is_whole = False
            if not is_whole:
                found.append((table, each))
    return found

"""The manifest: which files make up a store. It is written last, so a commit is there whole or not at all.

A store is a folder:

    manifest.json                                the last commit
    turns/day=2026-06-01/project=web/00000007.parquet   rows of a table, named by the commit
    state/logs-00000007.parquet                  the logs, and which responses are repeated

Files that the manifest does not name are left over from a writer that died, or replaced; the next writer
removes them. At an address that several machines write to, names of files end with a few letters of their
writer, and a commit is first made as `commits/00000007.json`, which only one writer can create.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Final
from urllib.parse import quote
from zlib import crc32

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.store.schema.columns import DATA_TABLES, SCHEMA_VERSION
from tokenprof.store.writing.durable_files import UNFINISHED
from tokenprof.store.writing.store_folder import AnyStore, StoreFolder, store_folder
from tokenprof.store.writing.writer_lock import StoreIsLockedError

MANIFEST: Final = "manifest.json"
STATE: Final = "state"
COMMITS: Final = "commits"
FORMAT: Final = "tokenprof-store"

SAFE_CHARACTERS: Final = "-_. "
LONGEST_NAME: Final = 200


@frozen
class DataFile:
    """A file of rows: where it is below the store, its size, and the commits that its rows are from.

    `crc32` is that of its bytes, None in a manifest written before there were checksums.
    """

    path: str
    bytes: int
    rows: int
    generations: tuple[int, ...]
    crc32: int | None = None


@frozen
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


def read_manifest(store: AnyStore) -> Manifest | None:
    """Return the last commit of a store; None if there is none.

    Raises InputError if the file cannot be read or is not a manifest.
    """
    folder = store_folder(store)
    address = folder.address_of(MANIFEST)
    try:
        data = folder.read(MANIFEST)
    except OSError as error:
        raise InputError.unreadable(address, error) from None
    return None if data is None else manifest_of_json(data, address)


def newest_manifest(store: StoreFolder) -> Manifest | None:
    """Return the last commit for a writer, and let readers see it if its writer died before they could."""
    manifest = read_manifest(store)
    while store.unique and (data := store.read(_commit_of((manifest or Manifest()).generation + 1))):
        store.write(MANIFEST, data)
        manifest = manifest_of_json(data, store.address_of(MANIFEST))
    return manifest


def _commit_of(generation: int) -> str:
    return f"{COMMITS}/{generation:08d}.json"


def manifest_of_json(text: bytes, path: str) -> Manifest:
    """Return the commit that the bytes of a manifest hold; `path` is for errors.

    Raises InputError if they are not a manifest.
    """
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise _not_a_manifest(path, f"its format is {data['format']!r}")
        return _manifest(data)
    except (json.JSONDecodeError, RecursionError) as error:
        raise _not_a_manifest(path, str(error)) from None
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
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
        tuple(map(str, data["roots"])),
        {
            table: tuple(
                DataFile(
                    str(each["path"]),
                    int(each["bytes"]),
                    int(each["rows"]),
                    tuple(map(int, each["generations"])),
                    each.get("crc32"),
                )
                for each in files
            )
            for table, files in data["files"].items()
        },
    )


def write_manifest(store: AnyStore, manifest: Manifest) -> None:
    """Commit: from here on, readers see these files.

    Raises StoreIsLockedError if somebody else, whom no lock held back, made this commit first.
    """
    folder, data = store_folder(store), manifest_to_json(manifest)
    if folder.unique:
        if not folder.create(_commit_of(manifest.generation), data):
            raise StoreIsLockedError(
                f"Somebody else has written to the store {folder} meanwhile, so this ingest was not "
                "committed. Run it again; it reads only what is missing then."
            )
        if manifest.generation > 1:
            # What remains of a commit keeps a writer that slept through it from making it again.
            folder.write(_commit_of(manifest.generation - 1), b"")
    folder.write(MANIFEST, data)


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
                    "crc32": each.crc32,
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


def files_there(store: StoreFolder) -> dict[str, int]:
    """Return the paths and sizes [bytes] of the files in the folders of a store, named by a commit or not."""
    folders = (*(table.name for table in DATA_TABLES), STATE)
    return {path: size for folder in folders for path, size in store.files(folder).items()}


def sweep(store: StoreFolder, manifest: Manifest, there: Iterable[str]) -> None:
    """Remove the files that are `there` and that a commit does not name. Only the writer may do this."""
    named = {each.path for files in manifest.files.values() for each in files}
    for path in (*there, f"{MANIFEST}{UNFINISHED}"):
        if path not in named:
            store.remove(path)


def committed_bytes(store: StoreFolder, file: DataFile) -> bytes:
    """Return the bytes of a file of a commit. Raises InputError if they are not those that were written."""
    address = store.address_of(file.path)
    try:
        data = store.read(file.path)
    except OSError as error:
        raise InputError.unreadable(address, error) from None
    except ValueError:
        # The path holds a NUL, so the manifest is not as it was written.
        raise damaged_file(store.address_of(MANIFEST)) from None
    if data is None:
        raise InputError(
            f"{address} is missing. `tokenprof ingest` reads again what it held; "
            "if one is running, ask again."
        )
    if len(data) != file.bytes or (file.crc32 is not None and crc32(data) != file.crc32):
        raise damaged_file(address)
    return data


def damaged_file(address: str) -> InputError:
    """Return the error of a file whose bytes are not those that a commit wrote."""
    return InputError(
        f"{address} is damaged. Remove it and run `tokenprof ingest`, which reads again what it held."
    )


def damaged(manifest: Manifest, there: Mapping[str, int]) -> list[tuple[str, DataFile]]:
    """Return the files of a commit that are missing or have another size, with their tables.

    `there` are the paths and sizes [bytes] of the files of the store.
    """
    return [
        (table, each)
        for table, files in manifest.files.items()
        for each in files
        if there.get(each.path) != each.bytes
    ]

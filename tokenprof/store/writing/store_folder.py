"""The folder of a store, on this machine or at an address (`remote_folder.RemoteFolder`)."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Protocol

from tokenprof.data_classes.frozen import frozen
from tokenprof.store.writing.durable_files import write_durably
from tokenprof.store.writing.remote_folder import is_remote, remote_folder


class StoreFolder(Protocol):
    """What a store needs of the place where its files are; paths are below the store, with `/`.

    `unique` makes the names of a writer's files its own where another writer could write the same name.
    """

    @property
    def unique(self) -> str:
        """The ending of the names of files that this writer makes; empty if the lock rules others out."""

    def __str__(self) -> str:
        """Return the address of the store, as a person names it."""

    def address_of(self, path: str) -> str:
        """Return the address by which an engine reads a file."""

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file; None if it does not exist. Raises OSError if it cannot be read."""

    def write(self, path: str, data: bytes) -> None:
        """Write a file whole, or not at all. Raises OSError if the place refuses."""

    def create(self, path: str, data: bytes) -> bool:
        """Write a file unless it exists; return whether it was written. Of two writers, one succeeds."""

    def names(self) -> set[str]:
        """Return the names of the files and folders that are directly in the store's folder."""

    def files(self, folder: str) -> dict[str, int]:
        """Return the paths and sizes [bytes] of all files below a folder of the store."""

    def remove(self, path: str) -> None:
        """Remove a file, if it exists."""

    def move(self, path: str, to: str) -> None:
        """Give a file or folder another place in the store, if it exists."""


AnyStore = str | os.PathLike[str] | StoreFolder


@frozen
class LocalFolder:
    """A folder of this machine. Files are forced to the disk before they have their names."""

    folder: Path
    unique: str = ""

    def __str__(self) -> str:
        return str(self.folder)

    def address_of(self, path: str) -> str:
        """Return the path of a file."""
        return str(self.folder / path)

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file; None if it does not exist."""
        try:
            return (self.folder / path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes) -> None:
        """Write a file whole, or not at all."""
        write_durably(self.folder / path, lambda to: _write(to, data))

    def create(self, path: str, data: bytes) -> bool:
        """Write a file unless it exists."""
        try:
            with (self.folder / path).open("xb") as file:
                file.write(data)
        except FileExistsError:
            return False
        return True

    def names(self) -> set[str]:
        """Return the names of what is directly in the folder. Raises OSError if it is not a folder."""
        try:
            return set(os.listdir(self.folder))
        except FileNotFoundError:
            return set()

    def files(self, folder: str) -> dict[str, int]:
        """Return the paths and sizes [bytes] of all files below a folder of the store."""
        return {
            path.relative_to(self.folder).as_posix(): path.stat().st_size
            for path in (self.folder / folder).rglob("*")
            if path.is_file()
        }

    def remove(self, path: str) -> None:
        """Remove a file, if it exists."""
        (self.folder / path).unlink(missing_ok=True)

    def move(self, path: str, to: str) -> None:
        """Give a file or folder another place in the store, if it exists."""
        if (self.folder / path).exists():
            (self.folder / to).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(self.folder / path, self.folder / to)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def store_folder(store: AnyStore) -> StoreFolder:
    """Return the folder of a store from its path or address.

    Raises InputError for an address that cannot be opened.
    """
    if not isinstance(store, str | os.PathLike):
        return store
    address = os.fspath(store)
    if is_remote(address):
        return remote_folder(address)
    # A Path has made one slash of the three in `file:///folder`.
    return LocalFolder(Path(re.sub("^file:/+", "/", address)))

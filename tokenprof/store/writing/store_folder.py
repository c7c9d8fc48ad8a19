"""The folder of a store, on this machine or at an address such as `s3://bucket/store` through fsspec."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol

from tokenprof.facts.errors import InputError
from tokenprof.store.writing.durable_files import write_durably

_HAS_SCHEME: Final = re.compile(r"^[a-z][a-z0-9+.-]+:/")


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

    def size(self, path: str) -> int | None:
        """Return the size of a file [bytes]; None if it does not exist."""

    def files(self, folder: str) -> Iterator[str]:
        """Yield the paths of all files below a folder of the store."""

    def remove(self, path: str) -> None:
        """Remove a file, if it exists."""

    def move(self, path: str, to: str) -> None:
        """Give a file or folder another place in the store, if it exists."""


AnyStore = str | os.PathLike[str] | StoreFolder


@dataclass(frozen=True, slots=True)
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

    def size(self, path: str) -> int | None:
        """Return the size of a file; None if it does not exist."""
        try:
            return (self.folder / path).stat().st_size
        except OSError:
            return None

    def files(self, folder: str) -> Iterator[str]:
        """Yield the paths of all files below a folder of the store."""
        for path in sorted((self.folder / folder).rglob("*")):
            if path.is_file():
                yield path.relative_to(self.folder).as_posix()

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


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder of a file system that fsspec opens; a file is written in one request, so it is whole."""

    system: Any
    root: str
    unique: str

    def __str__(self) -> str:
        return str(self.system.unstrip_protocol(self.root))

    def address_of(self, path: str) -> str:
        """Return the address of a file."""
        return str(self.system.unstrip_protocol(self._at(path)))

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file; None if it does not exist."""
        try:
            return bytes(self.system.cat_file(self._at(path)))
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes) -> None:
        """Write a file whole, or not at all."""
        self.system.makedirs(str(PurePosixPath(self._at(path)).parent), exist_ok=True)
        self.system.pipe_file(self._at(path), data)

    def create(self, path: str, data: bytes) -> bool:
        """Write a file unless it exists; object stores decide this themselves (If-None-Match)."""
        self.system.makedirs(str(PurePosixPath(self._at(path)).parent), exist_ok=True)
        try:
            self.system.pipe_file(self._at(path), data, mode="create")
        except FileExistsError:
            return False
        return True

    def size(self, path: str) -> int | None:
        """Return the size of a file; None if it does not exist."""
        try:
            return int(self.system.info(self._at(path))["size"])
        except FileNotFoundError:
            return None

    def files(self, folder: str) -> Iterator[str]:
        """Yield the paths of all files below a folder of the store."""
        prefix = self.root.rstrip("/") + "/"
        for path in self.system.find(self._at(folder)):
            yield path.removeprefix(prefix)

    def remove(self, path: str) -> None:
        """Remove a file, if it exists."""
        if self.system.exists(self._at(path)):
            self.system.rm_file(self._at(path))

    def move(self, path: str, to: str) -> None:
        """Give a file or folder another place in the store, if it exists."""
        # File by file: an object store has no folders that could be moved.
        for file in list(self.files(path)):
            target = self._at(to + file.removeprefix(path))
            self.system.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
            self.system.cp_file(self._at(file), target)
            self.system.rm_file(self._at(file))

    def _at(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root


def is_remote(address: str) -> bool:
    """Return whether an address names a file system, and not a path on this machine."""
    return bool(_HAS_SCHEME.match(address)) and not address.startswith("file:/")


def file_system(address: str) -> tuple[Any, str]:
    """Return the fsspec file system of an address and the path on it.

    Raises InputError if fsspec, or what it needs for this kind of address, is not installed.
    """
    try:
        import fsspec

        # Other writers add files, so what a listing said before is not kept.
        fs, path = fsspec.core.url_to_fs(address, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise InputError(f"{address} cannot be opened: {error}. Install what fsspec asks for.") from None
    return fs, str(path)


def store_folder(store: AnyStore) -> StoreFolder:
    """Return the folder of a store from its path or address.

    Raises InputError for an address that cannot be opened.
    """
    if not isinstance(store, str | os.PathLike):
        return store
    address = os.fspath(store)
    if not is_remote(address):
        return LocalFolder(Path(address))
    system, root = file_system(address)
    return RemoteFolder(system, root.rstrip("/"), f"-{secrets.token_hex(4)}")

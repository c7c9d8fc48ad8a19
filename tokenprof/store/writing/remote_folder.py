"""The folder of a store at an address such as `s3://bucket/store`, through fsspec."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import Any, Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError, TokenprofError

_HAS_SCHEME: Final = re.compile(r"^[a-z][a-z0-9+.-]+:/")


@frozen
class RemoteFolder:
    """A folder of a file system that fsspec opens; a file is written in one request, so it is whole.

    What the file system refuses is an InputError, whichever library raised it.
    """

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
        with reaching(self.address_of(path)), suppress(FileNotFoundError):
            return bytes(self.system.cat_file(self._at(path)))
        return None

    def write(self, path: str, data: bytes) -> None:
        """Write a file whole, or not at all."""
        self._put(path, data, {})

    def create(self, path: str, data: bytes) -> bool:
        """Write a file unless it exists; object stores decide this themselves (If-None-Match)."""
        try:
            self._put(path, data, {"mode": "create"})
        except FileExistsError:
            return False
        return True

    def _put(self, path: str, data: bytes, how: Mapping[str, str]) -> None:
        at = self._at(path)
        try:
            with reaching(self.address_of(path)):
                self._make_folder(str(PurePosixPath(at).parent))
                self.system.pipe_file(at, data, **how)
        except FileNotFoundError:
            bucket = self.system.unstrip_protocol(at.split("/")[0])
            raise InputError(f"{bucket} does not exist; make it, or name another --store.") from None

    def _make_folder(self, path: str) -> None:
        """Make a folder. An object store has none: its paths begin with a bucket, which its owner makes."""
        if path.startswith("/"):
            self.system.makedirs(path, exist_ok=True)

    def names(self) -> set[str]:
        """Return the names of what is directly in the folder."""
        with reaching(str(self)), suppress(FileNotFoundError):
            return {PurePosixPath(path).name for path in self.system.ls(self.root, detail=False)}
        return set()

    def files(self, folder: str) -> dict[str, int]:
        """Return the paths and sizes [bytes] of all files below a folder of the store, from one listing."""
        with reaching(self.address_of(folder)), suppress(FileNotFoundError):
            found = self.system.find(self._at(folder), detail=True).items()
            return {path.removeprefix(f"{self.root}/"): int(info["size"] or 0) for path, info in found}
        return {}

    def remove(self, path: str) -> None:
        """Remove a file, if it exists."""
        with reaching(self.address_of(path)), suppress(FileNotFoundError):
            self.system.rm_file(self._at(path))

    def move(self, path: str, to: str) -> None:
        """Give a file or folder another place in the store, if it exists."""
        # File by file: an object store has no folders that could be moved.
        for file in self.files(path):
            target = self._at(to + file.removeprefix(path))
            with reaching(self.address_of(file)):
                self._make_folder(str(PurePosixPath(target).parent))
                self.system.cp_file(self._at(file), target)
                self.system.rm_file(self._at(file))

    def _at(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root


@contextmanager
def reaching(address: str) -> Iterator[None]:
    """Turn what a file system raises into an InputError that names the address.

    Every library that fsspec loads has errors of its own (botocore, aiohttp, google.auth, …), and each of
    them means that the address cannot be used. Files that do or do not exist are the caller's business.
    """
    try:
        yield
    except (TokenprofError, FileNotFoundError, FileExistsError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        reason = f"{type(error).__name__}{': ' if said else ''}{said}".rstrip(".")
        raise InputError(
            f"{address} cannot be used ({reason}). Check the address, the credentials and the network."
        ) from error


def is_remote(address: str) -> bool:
    """Return whether an address names a file system, and not a path on this machine."""
    return bool(_HAS_SCHEME.match(address)) and not address.startswith("file:/")


def file_system(address: str) -> tuple[Any, str]:
    """Return the fsspec file system of an address, or of a path on this machine, and the path on it.

    Raises InputError if fsspec, or what it needs for this kind of address, is not installed, and for an
    address that names no place.
    """
    scheme, _, place = address.partition(":")
    if is_remote(address) and (not place.startswith("//") or not place.strip("/")):
        raise InputError(f"{address} names no place; write it as {scheme}://BUCKET/FOLDER.")
    with reaching(address):
        try:
            import fsspec

            # Other writers add files, so what a listing said before is not kept.
            fs, path = fsspec.core.url_to_fs(address, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise InputError(f"{address} cannot be opened: {error}. Install what fsspec asks for.") from None
    return fs, str(path)


def remote_folder(address: str) -> RemoteFolder:
    """Return the folder at an address. Raises what `file_system` raises."""
    system, root = file_system(address)
    return RemoteFolder(system, root.rstrip("/"), f"-{secrets.token_hex(4)}")

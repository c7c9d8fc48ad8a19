"""The files of a commit at an address, as a file system for an engine.

An engine asks for the size of a file again with every query, at an object store a request each time. These
files never change once written, and the manifest says their sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from tokenprof.store.writing.remote_folder import reaching


class CommittedFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Files of another file system by their addresses, with `sizes` [bytes] that are known."""

    cachable = False

    def __init__(self, system: Any, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.protocol = system.protocol
        self.system = system
        self._sizes = sizes

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return the size of a file. Raises FileNotFoundError for one that the commit does not name."""
        if path not in self._sizes:
            raise FileNotFoundError(path)
        return {"name": path, "size": self._sizes[path], "type": "file"}

    def modified(self, path: str) -> datetime:
        """Return a time that is always the same: the file was written once."""
        return datetime(2000, 1, 1, tzinfo=UTC)

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the file of this address, if the commit names it."""
        return [path] if path in self._sizes else []

    def open(self, path: str, mode: str = "rb", **_: Any) -> AbstractBufferedFile:
        """Open a file to read it."""
        return _CommittedFile(self, path, mode, size=self.info(path)["size"])


class _CommittedFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    def _fetch_range(self, start: int, end: int) -> bytes:
        with reaching(self.path):
            return bytes(self.fs.system.cat_file(self.path, start=start, end=end))

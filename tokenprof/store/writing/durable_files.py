"""Files that are there whole or not at all, whatever happens to the process or the machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

UNFINISHED: Final = ".unfinished"
"""The ending of a file that is still being written; one that is left over is of a writer that died."""


def write_durably(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file under another name, force it to the disk, and give it its name.

    `write` gets the path to write to. Raises OSError if the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}{UNFINISHED}")
    write(unfinished)
    with unfinished.open("rb+") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Force the names of a folder to the disk, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        # Windows opens no folders, and needs none to be forced.
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

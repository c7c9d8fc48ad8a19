"""Archives of several files, which are not opened: whether one holds logs that a report lacks."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

ENDINGS = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")


def holds_logs(path: Path, endings: tuple[str, ...]) -> bool:
    """Whether an archive holds a file with one of these endings, or cannot be looked into."""
    try:
        if path.name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        else:
            with tarfile.open(path) as tar:
                names = tar.getnames()
    except (OSError, ValueError, zipfile.BadZipFile, tarfile.TarError, EOFError):
        return True
    return any(name.endswith(endings) for name in names)

"""Which store is asked if nobody names one, and whether it was made from some files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.store.schema.columns import SCHEMA_VERSION
from tokenprof.store.writing.manifest import Manifest, read_manifest
from tokenprof.store.writing.remote_folder import is_remote

STORE_VARIABLE: Final = "TOKENPROF_STORE"


def default_store() -> Path | str:
    """Return where a store is if nobody says: TOKENPROF_STORE, else the user's folder for data."""
    if given := os.environ.get(STORE_VARIABLE, "").strip():
        return given if is_remote(given) else Path(given).expanduser()
    data = os.environ.get("XDG_DATA_HOME", "").strip() or "~/.local/share"
    return Path(data).expanduser() / "tokenprof" / "store"


@frozen
class IngestedPaths:
    """The default store and its last commit, which was made from the files below some paths."""

    store: Path | str
    manifest: Manifest


def ingested(paths: Sequence[Path]) -> IngestedPaths | None:
    """Return the default store if all of these paths were ingested into it, and None otherwise.

    This is the one rule by which `report` and `totals` use what is known of logs that did not change. A store
    that cannot be read, or that another version made, is not used.
    """
    store = default_store()
    try:
        manifest = read_manifest(store)
    except InputError:
        return None
    if manifest is None or manifest.schema != SCHEMA_VERSION:
        return None
    roots = [os.path.realpath(root) for root in manifest.roots]
    are_below = all(
        any(Path(os.path.realpath(path)).is_relative_to(root) for root in roots) for path in paths
    )
    return IngestedPaths(store, manifest) if are_below else None

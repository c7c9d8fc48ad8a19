"""The options that say which store, alike in every command that asks one."""

from __future__ import annotations

import argparse
from pathlib import Path

from tokenprof.commands.console.values import file_path


def add_store_option(parser: argparse.ArgumentParser) -> None:
    """Add `--store`."""
    parser.add_argument(
        "--store",
        type=file_path,
        metavar="FOLDER",
        help="the folder of the store (default: TOKENPROF_STORE, else ~/.local/share/tokenprof/store)",
    )


def store_of(options: argparse.Namespace) -> Path:
    """Return the store that the options name, or the default one.

    Raises InputError if a package that a store needs is not installed.
    """
    from tokenprof.store.queries.engine import require_store_packages
    from tokenprof.store.queries.open_store import default_store

    require_store_packages()
    given: Path | None = options.store
    return given if given is not None else default_store()

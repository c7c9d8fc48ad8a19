"""The options that say which store, alike in every command that asks one."""

from __future__ import annotations

import argparse
from pathlib import Path

from tokenprof.commands.console.values import store_address


def add_store_option(parser: argparse.ArgumentParser) -> None:
    """Add `--store`."""
    parser.add_argument(
        "--store",
        type=store_address,
        metavar="FOLDER",
        help="the store: a folder, or an address such as s3://bucket/store (default: TOKENPROF_STORE, else "
        "~/.local/share/tokenprof/store)",
    )


def store_of(options: argparse.Namespace) -> Path | str:
    """Return the store that the options name, or the default one.

    Raises InputError if a package that a store needs is not installed.
    """
    from tokenprof.store.queries.engine import require_store_packages
    from tokenprof.store.writing.ingested import default_store

    require_store_packages()
    given: Path | str | None = options.store
    return given if given is not None else default_store()

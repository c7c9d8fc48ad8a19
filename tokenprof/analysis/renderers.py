"""What draws or writes an analysis, found by name.

Renderers stand above this room, so they are found as adapters are: by listing a folder. Each file of
`tokenprof.report.formats` is one format, with `SUFFIX` and `render`.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from tokenprof.facts.errors import InputError

DOCUMENT = "tokenprof.report.document"
FORMATS = "tokenprof.report.formats"
DEFAULT_FORMAT = "text"


class Renderer(Protocol):
    """What a module of `tokenprof.report.formats` offers. What it needs is imported when it renders."""

    SUFFIX: str

    def render(
        self, report: Any, *, turns: int | None = None, blocks: int | None = None, is_full: bool = False
    ) -> bytes:
        """Return the report in this format.

        `turns` and `blocks` limit what is shown and `is_full` lifts every limit, if the format has any.
        """


@functools.cache
def format_names() -> tuple[str, ...]:
    """Return the names of the formats there are, the default first."""
    folder = importlib.import_module(FORMATS)
    names = sorted(module.name for module in pkgutil.iter_modules(folder.__path__))
    return (DEFAULT_FORMAT, *(name for name in names if name != DEFAULT_FORMAT))


def format_suffixes() -> Mapping[str, tuple[str, ...]]:
    """Return the endings of file names by the format that they ask for."""
    return {name: (renderer(name).SUFFIX,) for name in format_names()}


def renderer(name: str) -> Renderer:
    """Return the renderer of a format.

    Raises `InputError` for a name that no format has.
    """
    if name not in format_names():
        raise InputError(f"There is no format named {name!r}; the formats are {', '.join(format_names())}.")
    return cast(Renderer, importlib.import_module(f"{FORMATS}.{name}"))


def format_of(path: Path) -> str:
    """Return the format that a file's ending asks for.

    Raises `InputError` for an ending that no format has.
    """
    for name, suffixes in format_suffixes().items():
        if path.name.lower().endswith(suffixes):
            return name
    known = ", ".join(sorted(suffix for suffixes in format_suffixes().values() for suffix in suffixes))
    raise InputError(f"{path}: no format has the suffix {path.suffix!r}; name the file with one of {known}.")


def render_as(
    analysis: object,
    name: str,
    *,
    turns: int | None = None,
    blocks: int | None = None,
    is_full: bool = False,
    with_entries: bool = False,
) -> bytes:
    """Return the report of an `Analysis` in a format.

    `with_entries` keeps the entries of each turn in the report, however long the run is.
    """
    report = importlib.import_module(DOCUMENT).report_of(analysis, with_entries=with_entries)
    return renderer(name).render(report, turns=turns, blocks=blocks, is_full=is_full)


def render_to_file(analysis: object, path: Path, *, with_entries: bool = False) -> Path:
    """Write the report of an `Analysis` in the format that the file's ending asks for.

    Raises `InputError` for an ending without a format, and for a file that cannot be written.
    """
    written = render_as(analysis, format_of(path), with_entries=with_entries)
    try:
        path.write_bytes(written)
    except OSError as error:
        raise InputError(
            f"{path}: the report cannot be written ({error.strerror}); choose another place."
        ) from error
    return path

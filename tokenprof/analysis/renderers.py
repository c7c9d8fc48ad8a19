"""What draws or writes an analysis, found by name.

Renderers stand above this room, so they are found as adapters are: by listing folders. Each file of
`tokenprof.report.formats` is one format, with `SUFFIX` and `render`; each of `tokenprof.pictures.formats`
one that needs the whole analysis, with `SUFFIX` and `render_analysis`.
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
PICTURES = "tokenprof.pictures.formats"
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


class PictureRenderer(Protocol):
    """What a module of `tokenprof.pictures.formats` offers. What it needs is imported when it renders."""

    SUFFIX: str

    def render_analysis(self, analysis: Any) -> bytes:
        """Return an `Analysis` in this format."""


@functools.cache
def _folders() -> Mapping[str, str]:
    """Return the folder of each format, the default format first."""
    found = {
        module.name: folder
        for folder in (FORMATS, PICTURES)
        for module in pkgutil.iter_modules(importlib.import_module(folder).__path__)
    }
    return {name: found[name] for name in sorted(found, key=lambda name: (name != DEFAULT_FORMAT, name))}


@functools.cache
def format_names() -> tuple[str, ...]:
    """Return the names of the formats there are, the default first."""
    return tuple(_folders())


def format_suffixes() -> Mapping[str, tuple[str]]:
    """Return the endings of file names by the format that they ask for."""
    return {name: (renderer(name).SUFFIX,) for name in format_names()}


def renderer(name: str) -> Renderer | PictureRenderer:
    """Return the renderer of a format.

    Raises `InputError` for a name that no format has.
    """
    if name not in format_names():
        raise InputError(f"There is no format named {name!r}; the formats are {', '.join(format_names())}.")
    module = importlib.import_module(f"{_folders()[name]}.{name}")
    return cast(Renderer | PictureRenderer, module)


def format_of(path: Path) -> str:
    """Return the format that a file's ending asks for.

    Raises `InputError` for an ending that no format has.
    """
    ends = [
        (len(suffix), name)
        for name, (suffix,) in format_suffixes().items()
        if path.name.lower().endswith(suffix)
    ]
    if ends:
        return max(ends)[1]
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
    if _folders().get(name) == PICTURES:
        return cast(PictureRenderer, renderer(name)).render_analysis(analysis)
    report = importlib.import_module(DOCUMENT).report_of(analysis, with_entries=with_entries)
    return cast(Renderer, renderer(name)).render(report, turns=turns, blocks=blocks, is_full=is_full)


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

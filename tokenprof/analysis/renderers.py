"""What draws or writes an analysis, found by name.

Renderers stand above this room, so it knows them as adapters are known: by listing a folder.
`tokenprof.report.formats` has one file a format, with `SUFFIX` and `render`.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis

DOCUMENT = "tokenprof.report.document"
FORMATS = "tokenprof.report.formats"


class Renderer(Protocol):
    """What a module of `tokenprof.report.formats` offers."""

    SUFFIX: str

    def render(self, report: Any, *, turns: int | None = None, blocks: int | None = None) -> bytes:
        """Return the report in this format; `turns` and `blocks` limit what is shown, if the format can."""


def format_names() -> tuple[str, ...]:
    """Return the names of the formats there are: `json`, `svg`, `text`, …."""
    folder = importlib.import_module(FORMATS)
    return tuple(sorted(module.name for module in pkgutil.iter_modules(folder.__path__)))


def renderer(name: str) -> Renderer:
    """Return the renderer of a format.

    Raises `InputError` for a name that no format has.
    """
    if name not in format_names():
        raise InputError(f"There is no format named {name!r}; the formats are {', '.join(format_names())}.")
    return cast(Renderer, importlib.import_module(f"{FORMATS}.{name}"))


@functools.cache
def format_of_suffix() -> dict[str, str]:
    """Return the format that each suffix names."""
    return {renderer(name).SUFFIX: name for name in format_names()}


def format_of(path: Path) -> str:
    """Return the format that a file's suffix names.

    Raises `InputError` for a suffix that no format has.
    """
    formats = format_of_suffix()
    found = formats.get(path.suffix.lower())
    if found is None:
        raise InputError(
            f"{path}: no format has the suffix {path.suffix!r}; name the file with one of "
            f"{', '.join(sorted(formats))}, or choose a format."
        )
    return found


def render_as(analysis: Analysis, name: str, *, turns: int | None = None, blocks: int | None = None) -> bytes:
    """Return the report of an analysis in a format."""
    report = importlib.import_module(DOCUMENT).report_of(analysis)
    return renderer(name).render(report, turns=turns, blocks=blocks)


def render_to_file(analysis: Analysis, path: Path) -> Path:
    """Write the report of an analysis in the format that the file's suffix names.

    Raises `InputError` for a suffix without a format, and for a file that cannot be written.
    """
    written = render_as(analysis, format_of(path))
    try:
        path.write_bytes(written)
    except OSError as error:
        raise InputError(
            f"{path}: the report cannot be written ({error.strerror}); choose another place."
        ) from error
    return path

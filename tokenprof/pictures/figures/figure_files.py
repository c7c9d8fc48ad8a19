"""Figures written to files: SVG, PNG, PDF, or the Vega-Lite specification, without browser or network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis

NAMES: Final = ("context", "cache", "bill", "classes", "tools", "dollar")
SUFFIXES: Final = (".svg", ".png", ".pdf", ".json")
PIXELS_PER_POINT: Final = 2.0

MISSING: Final = (
    "Figures need Altair and vl-convert, which are not installed: pip install 'agent-tokenprof[figures]'."
)


def figure_bytes(analysis: Analysis, name: str, suffix: str) -> bytes:
    """Return a figure about a run in the format of a file's ending, such as ".pdf".

    Raises `InputError` for a name that no figure has, another ending, and if Altair is not installed.
    """
    if suffix not in SUFFIXES:
        raise InputError(f"No figure has the ending {suffix!r}; give one of {', '.join(SUFFIXES)}.")
    try:
        import vl_convert

        from tokenprof.pictures.figures.charts import figure
    except ImportError as error:
        raise InputError(MISSING) from error
    specification = json.dumps(figure(analysis, name).to_dict(), ensure_ascii=True, indent=1)
    if suffix == ".json":
        return specification.encode() + b"\n"
    if suffix == ".svg":
        return str(vl_convert.vegalite_to_svg(specification)).encode()
    if suffix == ".pdf":
        return bytes(vl_convert.vegalite_to_pdf(specification))
    return bytes(vl_convert.vegalite_to_png(specification, scale=PIXELS_PER_POINT))

"""Writes page_data.d.ts: the Python types of a page's data as TypeScript, so that both sides agree.

python tools/page/write_types.py [--check]
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from decimal import Decimal
from pathlib import Path

from tokenprof.pictures.views.difference_data import DifferenceData
from tokenprof.pictures.views.fleet_data import FleetData
from tokenprof.pictures.views.page_data import PageData

OUT = Path(__file__).with_name("page_data.d.ts")
HEAD = "// Written by write_types.py from tokenprof/pictures/views; not edited by hand.\n"


def type_text(hint: object, found: dict[str, str]) -> str:
    """Return a Python type as TypeScript, and note the interfaces that it needs."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if hint.__name__ not in found:
            found[hint.__name__] = ""
            hints = typing.get_type_hints(hint)
            lines = [
                f"  {field.name}: {type_text(hints[field.name], found)};"
                for field in dataclasses.fields(hint)
            ]
            found[hint.__name__] = "\n".join([f"interface {hint.__name__} {{", *lines, "}"])
        return hint.__name__
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " | ".join(f'"{value}"' for value in arguments)
    if origin is tuple:
        return f"{bracketed(type_text(arguments[0], found))}[]"
    if origin is dict:
        return f"Record<string, {type_text(arguments[1], found)}>"
    if origin in (types.UnionType, typing.Union):
        return " | ".join(type_text(each, found) for each in arguments)
    simple = {str: "string", bool: "boolean", int: "number", float: "number", Decimal: "number"}
    if hint is type(None):
        return "null"
    return simple[typing.cast(type, hint)]


def bracketed(text: str) -> str:
    """Return a type that can be followed by []."""
    return f"({text})" if " | " in text else text


def written() -> str:
    """Return the file as it should be."""
    found: dict[str, str] = {}
    for data in (PageData, DifferenceData, FleetData):
        type_text(data, found)
    return HEAD + "\n\n".join(found.values()) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(OUT.read_text() != written())
    OUT.write_text(written())

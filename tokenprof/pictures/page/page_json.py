"""The data of a page as JSON that can stand inside HTML."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any, Final

from tokenprof.facts.inert_text import inert_json

DIGITS: Final = 9
"""Significant digits of dollars: pictures show four; sums of a million turns still agree to the cent."""


def page_json(data: object) -> bytes:
    """Return data as compact JSON that cannot end a script element.

    Characters that hide or reverse text are escaped. Money becomes a number, NaN and infinity null.
    """
    written = plain_json(data)
    return written.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")


def plain_json(data: object) -> bytes:
    """Return data as compact JSON for a file of its own."""
    import orjson

    return inert_json(orjson.dumps(_plain(data)))


def _plain(value: Any) -> Any:
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, Decimal | float):
        return _number(float(value))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"A page cannot hold a {type(value).__name__}.")


def _number(value: float) -> int | float | None:
    if value != value or value in (float("inf"), float("-inf")):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short

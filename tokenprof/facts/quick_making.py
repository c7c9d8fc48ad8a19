"""Frozen dataclasses that are made in three fifths of the time.

Python's own `__init__` of a frozen dataclass looks up each field by its name. Here each field is set by its
slot. It is for classes of which a reading makes hundreds of thousands.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quickly_made(cls: type[T]) -> type[T]:
    """Give a frozen dataclass with slots, and without `__post_init__`, an `__init__` that is faster.

    It takes the same arguments and does the same. Use it as a decorator above `@dataclass`.
    """
    names: dict[str, Any] = {"MISSING": MISSING}
    listed: tuple[Field[Any], ...] = fields(cls)  # type: ignore[arg-type]
    plain = [_parameter(field, names) for field in listed if not field.kw_only]
    by_name = [_parameter(field, names) for field in listed if field.kw_only]
    lines = [f"def __init__(self, {', '.join([*plain, *['*'] * bool(by_name), *by_name])}):"]
    for field in listed:
        names[f"set_{field.name}"] = getattr(cls, field.name).__set__
        value = field.name
        if field.default_factory is not MISSING:
            value = f"make_{value}() if {value} is MISSING else {value}"
        lines.append(f"    set_{field.name}(self, {value})")
    exec("\n".join(lines), names)
    made = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__annotations__ = cls.__init__.__annotations__
    cls.__init__ = made  # type: ignore[method-assign]
    return cls


def _parameter(field: Field[Any], names: dict[str, Any]) -> str:
    """Return a field as a parameter, and put its default into `names`."""
    if field.default_factory is not MISSING:
        names[f"make_{field.name}"] = field.default_factory
        return f"{field.name}=MISSING"
    if field.default is MISSING:
        return field.name
    names[f"default_{field.name}"] = field.default
    return f"{field.name}=default_{field.name}"

"""Whether values that were read from a file have the types that their dataclasses state.

Python does not check this, and a list in the place of a number would be met much later, far from the file
that holds it.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final

LARGEST_COUNT: Final = 2**53
"""Counts beyond this are damage: a float, such as a share of them, would no longer be exact."""

_Check = Callable[[Any], bool]


def require_types(value: Any, place: str = "") -> None:
    """Raise TypeError, with the place, unless each field of a dataclass holds what its annotation says.

    Fields within fields are checked too. Numbers must be finite, and whole numbers below 2⁵³.
    """
    for field, holds in _checks_of(type(value)):
        found = getattr(value, field)
        if holds(found):
            continue
        where = f"{place}.{field}" if place else field
        for at, inner in _dataclasses_in(found):
            require_types(inner, f"{where}{at}")
        raise TypeError(f"{where} holds a {type(found).__name__} that does not belong there")


def _dataclasses_in(value: object) -> list[tuple[str, object]]:
    if is_dataclass(value):
        return [("", value)]
    if isinstance(value, list | tuple):
        return [(f"[{at}]", item) for at, item in enumerate(value) if is_dataclass(item)]
    return []


_known: dict[type, tuple[tuple[str, _Check], ...]] = {}
_sound: dict[type, _Check] = {}


def _checks_of(kind: type) -> tuple[tuple[str, _Check], ...]:
    if kind not in _known:
        hints = typing.get_type_hints(kind)
        _known[kind] = tuple((field.name, _check_of(hints[field.name])) for field in fields(kind))
    return _known[kind]


def _is_sound(value: Any) -> bool:
    kind = type(value)
    if kind not in _sound:
        _sound[kind] = _check_of_all_fields(kind)
    return _sound[kind](value)


def _check_of_all_fields(kind: type) -> _Check:
    """Return one function that checks all fields of a dataclass.

    Every field of every turn and block passes there. So it is compiled, and takes what a field usually holds
    without a further call.
    """
    hints = typing.get_type_hints(kind)
    names: dict[str, Any] = {"LARGEST": LARGEST_COUNT, "INFINITY": math.inf, "is_sound": _is_sound}
    lines = ["def holds(value):"]
    for number, (field, holds) in enumerate(_checks_of(kind)):
        names[f"holds_{number}"] = holds
        lines += [
            f"    x = value.{field}",
            f"    if not ({_usual_value(hints[field], 'x', names)} or holds_{number}(x)): return False",
        ]
    exec("\n".join((*lines, "    return True")), names)
    check: _Check = names["holds"]
    return check


def _usual_value(hint: Any, x: str, names: dict[str, Any]) -> str:
    """Return a condition on `x` that a value of an annotated type usually meets, and no other value does.

    What the condition names is put into `names`.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType) and type(None) in arguments:
        others = [_usual_value(each, x, names) for each in arguments if each is not type(None)]
        return f"{x} is None or {others[0]}" if len(others) == 1 else f"{x} is None"
    if origin is typing.Literal and all(type(each) is str for each in arguments):
        return f"type({x}) is str"
    if origin is tuple and Ellipsis in arguments:
        item = _usual_value(arguments[0], "item", names)
        return f"type({x}) is tuple and (not {x} or all([{item} for item in {x}]))"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, item = _usual_value(arguments[0], "key", names), _usual_value(arguments[1], "item", names)
        held = f"all([({key}) and ({item}) for key, item in {x}.items()])"
        return f"type({x}) is dict and (not {x} or {held})"
    if not isinstance(hint, type):
        return "False"
    if hint in _USUAL_VALUES:
        return _USUAL_VALUES[hint].format(x=x)
    if is_dataclass(hint):
        names[f"kind_{id(hint)}"] = hint
        return f"type({x}) is kind_{id(hint)} and is_sound({x})"
    return "False"


_USUAL_VALUES: Final[Mapping[type, str]] = {
    bool: "{x} is True or {x} is False",
    int: "type({x}) is int and -LARGEST <= {x} <= LARGEST",
    float: "type({x}) is float and -INFINITY < {x} < INFINITY",
    str: "type({x}) is str and {x}.isascii()",
}


def _check_of(hint: Any) -> _Check:
    """Return a function that says whether a value is of an annotated type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is object:
        return lambda _: True
    if hint is None or hint is type(None):
        return lambda value: value is None
    if origin in (typing.Union, types.UnionType):
        checks = tuple(_check_of(each) for each in arguments if each is not type(None))
        if len(arguments) == 2 and len(checks) == 1:
            holds_value = checks[0]
            return lambda value: value is None or holds_value(value)
        has_none = len(checks) < len(arguments)
        return lambda value: (has_none and value is None) or any(holds(value) for holds in checks)
    if origin is typing.Literal:
        # A name that a later release adds is not damage.
        kinds = tuple({type(each) for each in arguments})
        return lambda value: isinstance(value, kinds)
    if origin is not None:
        return _check_of_collection(origin, arguments)
    return _check_of_class(hint)


def _check_of_collection(origin: Any, arguments: tuple[Any, ...]) -> _Check:
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key_holds, value_holds = map(_check_of, arguments)
        return lambda value: (
            isinstance(value, Mapping)
            and all(key_holds(key) and value_holds(item) for key, item in value.items())
        )
    if origin is tuple and (len(arguments) < 2 or arguments[1] is not Ellipsis):
        checks = tuple(map(_check_of, arguments))
        return lambda value: (
            isinstance(value, tuple)
            and len(value) == len(checks)
            and all(holds(item) for holds, item in zip(checks, value, strict=True))
        )
    if isinstance(origin, type) and issubclass(origin, Collection):
        item_holds = _check_of(arguments[0])
        expected: Any = tuple if origin is tuple else (Sequence, Set)
        return lambda value: (
            (type(value) is tuple and not value)
            or (isinstance(value, expected) and not isinstance(value, str) and all(map(item_holds, value)))
        )
    return lambda _: True


def _check_of_class(kind: Any) -> _Check:
    if not isinstance(kind, type):
        return lambda _: True
    if is_dataclass(kind):
        return lambda value: isinstance(value, kind) and _is_sound(value)
    if kind is bool:
        return lambda value: value is True or value is False
    if kind is int:
        return lambda value: type(value) is int and -LARGEST_COUNT <= value <= LARGEST_COUNT
    if kind is float:
        return lambda value: type(value) in (int, float) and math.isfinite(value)
    if kind is Decimal:
        return lambda value: isinstance(value, Decimal) and value.is_finite()
    if issubclass(kind, Enum) or not issubclass(kind, str):
        return lambda value: isinstance(value, kind)
    return lambda value: isinstance(value, str) and (value.isascii() or _is_unicode(value))


def _is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8, unlike half of a surrogate pair."""
    return not any("\ud800" <= char <= "\udfff" for char in text)

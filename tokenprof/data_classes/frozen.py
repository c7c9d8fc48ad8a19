"""Frozen data classes with slots, which cost a program's start a fifth of what those of `dataclasses` do.

`dataclass(frozen=True, slots=True)` compiles six functions for each class, whether anybody calls them or not.
Here what is alike for all classes is shared, and the rest is compiled when it is first used. `__init__` sets
each field by its slot, not by its name, so objects are made quickly as well. `fields`, `replace`, `asdict`,
pickling and patterns work as usual.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, FrozenInstanceError, field, fields
from functools import cache
from types import MemberDescriptorType
from typing import Any, Final, TypeVar, dataclass_transform, overload

T = TypeVar("T")


class _New:
    """The default of a parameter whose field makes a new value for each object."""

    def __repr__(self) -> str:
        return "<factory>"


_NEW: Final = _New()


@overload
def frozen(cls: type[T], /) -> type[T]: ...


@overload
def frozen(*, eq: bool = True, kw_only: bool = False, slots: bool = True) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(
    cls: type[Any] | None = None, /, *, eq: bool = True, kw_only: bool = False, slots: bool = True
) -> Any:
    """Make a class a frozen data class; the options are those of `dataclasses.dataclass`."""
    if cls is None:
        return lambda given: _frozen(given, eq, kw_only, slots)
    return _frozen(cls, eq, kw_only, slots)


def _frozen(cls: type[Any], eq: bool, kw_only: bool, slots: bool) -> type[Any]:
    shared = _SHARED | (_PICKLING if slots else {})
    compiled = [name for name in _COMPILED if eq or name == "__init__"]
    own = {name for name in (*shared, *compiled) if cls.__dict__.get(name) is not None}
    made = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only, slots=slots)(cls)
    methods = shared | {name: _OnFirstUse(made, name) for name in compiled}
    for name in methods.keys() - own:
        setattr(made, name, methods[name])
    return made


class _OnFirstUse:
    """Stands for a method of a class until it is asked for."""

    def __init__(self, cls: type[Any], name: str) -> None:
        self._cls = cls
        self._name = name

    def __get__(self, value: object, kind: type[Any]) -> Any:
        method = _COMPILED[self._name](self._cls)
        method.__module__, method.__qualname__ = (
            self._cls.__module__,
            f"{self._cls.__qualname__}.{self._name}",
        )
        setattr(self._cls, self._name, method)
        return method.__get__(value, kind)


def _init(cls: type[Any]) -> Any:
    names: dict[str, Any] = {"NEW": _NEW, **_setters(cls)}
    plain = [_parameter(each, names) for each in fields(cls) if not each.kw_only]
    by_name = [_parameter(each, names) for each in fields(cls) if each.kw_only]
    lines = [f"def __init__({', '.join(['self', *plain, *['*'] * bool(by_name), *by_name])}):"]
    for name in (each.name for each in fields(cls)):
        value = f"make_{name}() if {name} is NEW else {name}" if f"make_{name}" in names else name
        lines.append(f"    set_{name}(self, {value})")
    lines.append("    self.__post_init__()" if hasattr(cls, "__post_init__") else "    return")
    init = _function(lines, names)
    init.__annotations__ = {each.name: each.type for each in fields(cls)} | {"return": None}
    return init


def _parameter(each: Field[Any], names: dict[str, Any]) -> str:
    """Return a field as a parameter, and put its default into `names`."""
    if each.default_factory is not MISSING:
        names[f"make_{each.name}"] = each.default_factory
        return f"{each.name}=NEW"
    if each.default is MISSING:
        return each.name
    names[f"default_{each.name}"] = each.default
    return f"{each.name}=default_{each.name}"


def _eq(cls: type[Any]) -> Any:
    same = f"{_values(cls, 'self')} == {_values(cls, 'other')}"
    test = f"    return {same} if other.__class__ is self.__class__ else NotImplemented"
    return _function(["def __eq__(self, other):", test], {})


def _hash(cls: type[Any]) -> Any:
    return _function(["def __hash__(self):", f"    return hash({_values(cls, 'self')})"], {})


def _values(cls: type[Any], name: str) -> str:
    """Return the tuple of the fields by which objects of a class are equal."""
    return f"({''.join(f'{name}.{each.name}, ' for each in fields(cls) if each.compare)})"


_COMPILED: Final[Mapping[str, Callable[[type[Any]], Any]]] = {
    "__init__": _init,
    "__eq__": _eq,
    "__hash__": _hash,
}


def replaced(value: T, **changes: Any) -> T:
    """Return a copy of a frozen or an often made object with some fields changed.

    It is `dataclasses.replace`, but faster. `__post_init__` is not called. Raises KeyError (TypeError for an
    often made object) for a name that is not a field.
    """
    cls: Any = type(value)
    if hasattr(cls, "__struct_fields__"):
        return cls.__replace__(value, **changes)  # type: ignore[no-any-return]
    copy, setters = _copying(cls)
    made: T = copy(value)
    for name, changed in changes.items():
        setters[f"set_{name}"](made, changed)
    return made


@cache
def _copying(cls: type[Any]) -> tuple[Callable[[Any], Any], Mapping[str, Callable[[Any, Any], None]]]:
    """Return a function that copies an object of a class, and what sets its fields."""
    setters = _setters(cls)
    lines = [f"    set_{each.name}(made, value.{each.name})" for each in fields(cls)]
    body = ["def copy(value):", "    made = new(cls)", *lines, "    return made"]
    return _function(body, {"cls": cls, "new": object.__new__, **setters}), setters


def _setters(cls: type[Any]) -> dict[str, Callable[[Any, Any], None]]:
    """Return what sets each field of a frozen object, as `set_` and its name."""
    return {f"set_{each.name}": _setter(cls, each.name) for each in fields(cls)}


def _setter(cls: type[Any], name: str) -> Callable[[Any, Any], None]:
    slot = getattr(cls, name, None)
    if isinstance(slot, MemberDescriptorType):
        return slot.__set__
    return lambda value, held: object.__setattr__(value, name, held)


def _function(lines: list[str], names: dict[str, Any]) -> Any:
    exec("\n".join(lines), names)
    return names[lines[0].removeprefix("def ").partition("(")[0]]


def _shown(self: Any) -> str:
    values = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{type(self).__qualname__}({', '.join(values)})"


def _refuse_change(self: Any, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for each, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)


_SHARED: Final = {"__repr__": _shown, "__setattr__": _refuse_change, "__delattr__": _refuse_deletion}
_PICKLING: Final = {"__getstate__": _state, "__setstate__": _restore}

"""Write docs/api.md from the docstrings of the public names, those in `__all__` of the modules below.

python docs/generate_api.py
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

API = Path(__file__).with_name("api.md")
MODULES = ("tokenprof", "tokenprof.testing")
MAX_WIDTH = 110

HEAD = """# The Python API

These are the public names. Everything else may change without notice. The page is written by
`python docs/generate_api.py` from the docstrings.
"""


def api_text() -> str:
    """Return the whole page."""
    sections = [HEAD]
    for name in MODULES:
        sections.extend(_module_sections(import_module(name)))
    return "\n".join(section.rstrip() + "\n" for section in sections)


def _module_sections(module: ModuleType) -> Iterator[str]:
    yield f"## `{module.__name__}`\n\n{_doc(module)}"
    for name in sorted(module.__all__, key=str.lower):
        value = getattr(module, name)
        if not isinstance(value, ModuleType):
            yield from _value_sections(f"{module.__name__}.{name}", value)


def _value_sections(name: str, value: Any) -> Iterator[str]:
    yield f"### `{name}`\n"
    if inspect.isclass(value):
        yield f"{_code(f'class {name}', value)}\n{_doc(value)}"
        yield from _member_sections(value)
    elif callable(value):
        yield f"{_code(name, value)}\n{_doc(value)}"
    else:
        yield f"`{value!r}`, a `{type(value).__name__}`."


def _member_sections(owner: type) -> Iterator[str]:
    """Yield the public methods and properties of a class that are ours and have docstrings."""
    for name, member in _members(owner).items():
        if isinstance(member, property | cached_property):
            getter = member.fget if isinstance(member, property) else member.func
            yield f"- **`{name}`**{_type_of(getter)}: {_indented(_doc(member))}"
        else:
            function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            shown = _signature(function, without_self=not isinstance(member, staticmethod))
            kind = "async " if inspect.iscoroutinefunction(function) else ""
            yield f"- **`{kind}{name}{shown}`**: {_indented(_doc(function))}"


def _members(owner: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for ancestor in reversed(owner.__mro__):
        if ancestor.__module__.startswith("tokenprof"):
            found |= vars(ancestor)
    shown = property | cached_property | classmethod | staticmethod
    return {
        name: member
        for name, member in found.items()
        if not name.startswith("_")
        and (isinstance(member, shown) or inspect.isfunction(member))
        and _doc(member)
    }


def _doc(value: Any) -> str:
    function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    return inspect.cleandoc(function.__doc__ or "")


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ").replace("\n  \n", "\n\n")


def _type_of(getter: Any) -> str:
    annotation = inspect.signature(getter).return_annotation
    return "" if annotation is inspect.Signature.empty else f" (`{_plain(str(annotation))}`)"


def _code(name: str, value: Any) -> str:
    """Return a signature as a code block, one parameter per line if it is long."""
    if inspect.isclass(value) and issubclass(value, BaseException):
        return f"```python\n{name}({value.__bases__[0].__name__})\n```\n"
    line = name + _signature(value)
    if len(line) > MAX_WIDTH:
        line = f"{name}(\n    {f',{chr(10)}    '.join(_parameters(value))},\n){_returned(value)}"
    return f"```python\n{line}\n```\n"


def _signature(value: Any, *, without_self: bool = False) -> str:
    parameters = _parameters(value)
    return f"({', '.join(parameters[1:] if without_self else parameters)}){_returned(value)}"


def _parameters(value: Any) -> list[str]:
    """Return a callable's parameters as they are written, with the `*` before those given by name."""
    found: list[str] = []
    for parameter in inspect.signature(value).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not any(text.startswith("*") for text in found):
            found.append("*")
        found.append(_plain(str(parameter)))
    return found


def _returned(value: Any) -> str:
    annotation = inspect.signature(value).return_annotation
    if inspect.isclass(value) or annotation is inspect.Signature.empty:
        return ""
    return f" -> {_plain(str(annotation))}"


def _plain(text: str) -> str:
    """Return an annotation without the quotes around it and the address of a default in it."""
    text = re.sub(r"(: |^)'([^']*)'", r"\1\2", text)
    shown = r"<(?:built-in )?(?:function|class) ?'?([\w.]+)[^>]*>|<factory>"
    return re.sub(shown, lambda match: match[1] or "…", text)


if __name__ == "__main__":
    API.write_text(api_text(), encoding="utf-8")

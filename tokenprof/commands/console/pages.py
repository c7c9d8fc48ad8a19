"""Facts of one thing as a page for a terminal: nested figures are indented, long texts are wrapped."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tokenprof.commands.console.tables import cell_text
from tokenprof.facts.inert_text import inert

WIDTH: Final = 80
LABEL_CELLS: Final = 28
INDENT: Final = 2


def page_of(facts: Mapping[str, object], width: int = WIDTH) -> str:
    """Return facts by name, at most `width` columns wide, each line ended by a newline."""
    return "".join(f"{line}\n" for line in _lines(facts, 0, width))


def _lines(facts: Mapping[str, object], depth: int, width: int) -> Iterator[str]:
    for name, value in facts.items():
        yield from _fact(inert(name), value, depth, width)


def _fact(name: str, value: object, depth: int, width: int) -> Iterator[str]:
    indent = " " * (INDENT * depth)
    if isinstance(value, Mapping):
        yield f"{indent}{name}"
        yield from _lines(value, depth + 1, width)
        return
    if isinstance(value, Sequence) and not isinstance(value, str):
        if value and all(isinstance(item, Mapping) for item in value):
            yield f"{indent}{name}"
            for item in value:
                if isinstance(item, Mapping):
                    said = ", ".join(f"{key} {_text(part)}" for key, part in item.items())
                    yield from _wrapped("- " + said, indent + " " * INDENT, width)
            return
        text = ", ".join(_text(item) for item in value)
    else:
        text = _text(value)
    label = f"{indent}{name:<{LABEL_CELLS - len(indent)}}  "
    if len(label) + len(text) <= width:
        yield label + text
        return
    yield f"{indent}{name}"
    yield from _wrapped(text, indent + " " * (2 * INDENT), width)


def _wrapped(text: str, indent: str, width: int) -> Iterator[str]:
    yield from textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def _text(value: object) -> str:
    if value is None or isinstance(value, str | int | float):
        return cell_text(value)
    return inert(str(value))

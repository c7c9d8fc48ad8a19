"""Secrets in a reply masked for a tape: in JSON by name and form, in streams also across events.

A model that repeats a key writes it a few letters an event, and no event holds enough of it to be recognised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from tokenprof.facts.secrets.masks import masked, masked_text

WRITTEN_IN_PIECES = frozenset(
    {"text", "thinking", "partial_json", "content", "delta", "arguments", "reasoning_content", "refusal"}
)
"""Members of events whose texts continue those of earlier events."""

_PLACES = ("index", "output_index", "content_index", "item_id")
_DATA = "data:"
_LINE = re.compile(r"[^\n]*\n|[^\n]+")

Place = tuple[Any, ...]
"""Where a text stands: the type of its event, and the members and indices on the way to it."""


def masked_reply(body: str) -> str:
    """Return the body of a reply with its secrets masked; it is as it came if it has none."""
    value = _json(body)
    if value is not None:
        shown = masked(value)
        return masked_text(body) if shown == value else orjson.dumps(shown).decode()
    lines = _LINE.findall(body)
    if not any(line.startswith(_DATA) for line in lines):
        return masked_text(body)
    return "".join(_masked_events(lines))


def _masked_events(lines: list[str]) -> Iterator[str]:
    events = [_json(line[len(_DATA) :]) if line.startswith(_DATA) else None for line in lines]
    written: dict[Place, list[str]] = {}
    for event in events:
        for place, text in _pieces(event):
            written.setdefault(place, []).append(text)
    joined = {place: "".join(texts) for place, texts in written.items() if len(texts) > 1}
    hidden = {place: shown for place, text in joined.items() if (shown := masked(text)) != text}
    for line, event in zip(lines, events, strict=True):
        shown = masked(_with(event, hidden))
        if event is None:
            yield masked_text(line)
        elif shown == event:
            yield line
        else:
            ending = line[len(line.rstrip("\r\n")) :]
            yield f"{_DATA} {orjson.dumps(shown).decode()}{ending}"


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return None


def _pieces(event: Any) -> Iterator[tuple[Place, str]]:
    kind = event.get("type") if isinstance(event, dict) else None
    stack: list[tuple[Place, Any]] = [((kind,), event)]
    while stack:
        place, value = stack.pop()
        if isinstance(value, str):
            if place[-1] in WRITTEN_IN_PIECES:
                yield place, value
        elif isinstance(value, dict):
            here = (*place, *(value.get(name) for name in _PLACES))
            stack += [((*here, name), item) for name, item in value.items()]
        elif isinstance(value, list):
            stack += [((*place, number), item) for number, item in enumerate(value)]


def _with(event: Any, hidden: dict[Place, str]) -> Any:
    """Return an event with the texts of `hidden` in their first pieces, and nothing in the others."""
    if not hidden or not any(place in hidden for place, _ in _pieces(event)):
        return event
    changed = orjson.loads(orjson.dumps(event))
    for place, _ in list(_pieces(changed)):
        if place in hidden:
            _put(changed, place[1:], hidden[place])
            hidden[place] = ""
    return changed


def _put(value: Any, way: Place, text: str) -> None:
    while isinstance(value, dict | list):
        if isinstance(value, dict):
            way = way[len(_PLACES) :]
        name, way = way[0], way[1:]
        if not way:
            value[name] = text
            return
        value = value[name]

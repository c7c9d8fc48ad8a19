"""Names that a user gives to texts which the wire cannot name: a policy, a retrieved page, a style guide."""

from __future__ import annotations

from dataclasses import dataclass

from tokenprof.facts.types import BlockKind

MOST_LABELS = 1000


@dataclass(frozen=True, slots=True)
class Label:
    """A name for a text, and what kind of block it is (None: what the wire says it is)."""

    name: str
    kind: BlockKind | None


_labels: dict[str, Label] = {}


def label(text: str, name: str, *, kind: BlockKind | None = None) -> str:
    """Name a text before it is sent; returns the text, so that it can be named where it is used.

    A block that holds just this text goes by `name` in recordings and reports (and is of `kind`, if
    given). A block that holds it among other things lists it as a part (`children`). The text is kept in
    memory only, and the oldest names are forgotten beyond a thousand.

    Raises ValueError for an empty text, which would be found everywhere.
    """
    wanted = text.strip()
    if not wanted:
        raise ValueError(f"tokenprof.label: the text to call {name!r} is empty.")
    _labels.pop(wanted, None)
    _labels[wanted] = Label(name, kind)
    while len(_labels) > MOST_LABELS:
        del _labels[next(iter(_labels))]
    return text


def label_of(text: str | None) -> Label | None:
    """Return the label of a text that is labelled as a whole."""
    return _labels.get(text.strip()) if text and _labels else None


def labelled_parts(text: str | None) -> list[tuple[str, str]]:
    """Return (name, text) of the labelled texts that stand inside a longer one, in its order."""
    if not text or not _labels:
        return []
    found = [
        (at, label.name, part)
        for part, label in tuple(_labels.items())
        if len(part) < len(text.strip()) and (at := text.find(part)) >= 0
    ]
    return [(name, part) for _, name, part in sorted(found)]


def forget_labels() -> None:
    """Forget all names given so far."""
    _labels.clear()

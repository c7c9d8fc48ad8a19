"""Names for texts that have none on the wire: a policy, a retrieved page, a style guide."""

from __future__ import annotations

import contextlib
import itertools

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import BlockKind

MOST_LABELS = 1000


@frozen
class Label:
    """A name for a text, and its kind of block (None: the kind on the wire)."""

    name: str
    kind: BlockKind | None


_labels: dict[str, Label] = {}
_numbers = itertools.count(1)
_newest_change: list[int] = [0]


def labels_given() -> int:
    """Return a number that is another one after every label that is given or forgotten."""
    return _newest_change[0]


def label(text: str, name: str, *, kind: BlockKind | None = None) -> str:
    """Name a text before it is sent. Returns the text, so that the call can stand where the text is used.

    A block that consists of this text has `name` in recordings and reports, and is of `kind` if that is
    given. A block that contains it among other text lists it as one of its `children`. The text is kept in
    memory only, and beyond a thousand names the oldest are forgotten.

    Raises ValueError for an empty text, which every block would contain.
    """
    wanted = text.strip()
    if not wanted:
        raise ValueError(f"tokenprof.label: the text to call {name!r} is empty.")
    _labels.pop(wanted, None)
    _labels[wanted] = Label(name, kind)
    while len(_labels) > MOST_LABELS:
        # Another thread may be forgetting the same one.
        with contextlib.suppress(KeyError, RuntimeError, StopIteration):
            del _labels[next(iter(_labels))]
    _newest_change[0] = next(_numbers)
    return text


def label_of(text: str | None) -> Label | None:
    """Return the label of a whole text, or None."""
    return _labels.get(text.strip()) if text and _labels else None


def labelled_parts(text: str | None) -> list[tuple[str, str]]:
    """Return (name, text) for the labelled texts inside a longer one, in the order in which they occur."""
    if not text or not _labels:
        return []
    length = len(text.strip())
    found = [
        (at, label.name, part)
        for part, label in tuple(_labels.items())
        if len(part) < length and (at := text.find(part)) >= 0
    ]
    return [(name, part) for _, name, part in sorted(found)]


def forget_labels() -> None:
    """Forget all names given so far."""
    _labels.clear()
    _newest_change[0] = next(_numbers)

"""What differs between two texts, word by word: what a person reads to see why a prefix broke."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Final, Literal

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.inert_text import printable
from tokenprof.facts.secrets.masks import masked_text

CONTEXT_WORDS: Final = 8
"""Equal words that are shown on each side of a change."""

MOST_WORDS: Final = 400
"""Words of a difference that are shown."""

MOST_COMPARED: Final = 3000
"""Words from the first difference on that are compared; time grows with their square."""

GAP: Final = " … "

_WORD: Final = re.compile(r"\s*\S+\s*?|\s+")


@frozen
class WordRun:
    """Words that both texts have (`same`), only the earlier one (`gone`), or only the later one (`new`)."""

    change: Literal["same", "gone", "new"]
    text: str


def word_difference(before: str, now: str) -> tuple[WordRun, ...]:
    """Return how two texts differ, as runs of words. Secrets are masked, long equal parts left out."""
    first, second = (_WORD.findall(printable(masked_text(text))) for text in (before, now))
    head = next(
        (at for at, (one, other) in enumerate(zip(first, second, strict=False)) if one != other),
        min(len(first), len(second)),
    )
    ours, theirs = first[head : head + MOST_COMPARED], second[head : head + MOST_COMPARED]
    found = [WordRun("same", _end_of(second[:head]))] if head else []
    for kind, low, high, from_, to in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(WordRun("same", _middle(theirs[from_:to])))
            continue
        if high > low:
            found.append(WordRun("gone", "".join(ours[low:high])))
        if to > from_:
            found.append(WordRun("new", "".join(theirs[from_:to])))
    return _shortened(found)


def _end_of(words: list[str]) -> str:
    left_out = len(words) > CONTEXT_WORDS
    return (GAP if left_out else "") + "".join(words[-CONTEXT_WORDS:])


def _middle(words: list[str]) -> str:
    if len(words) <= 2 * CONTEXT_WORDS:
        return "".join(words)
    return "".join(words[:CONTEXT_WORDS]) + GAP + "".join(words[-CONTEXT_WORDS:])


def _shortened(runs: list[WordRun]) -> tuple[WordRun, ...]:
    """Return as many runs as have `MOST_WORDS` words; the last one may be cut."""
    left, kept = MOST_WORDS, []
    for run in runs:
        words = _WORD.findall(run.text)
        kept.append(run if len(words) <= left else WordRun(run.change, "".join(words[:left]) + GAP))
        left -= len(words)
        if left <= 0:
            break
    return tuple(kept)

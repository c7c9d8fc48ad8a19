"""How many rows each part of a page shows, so that a person reads a page or two and not a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from rich.text import Text

from tokenprof.data_classes.frozen import frozen

MOST_LINES: Final = 110
"""Of a report on one file, in any terminal wide enough for its tables."""

MOST_LINES_OF_FOLDERS: Final = 130


@frozen
class PageLimits:
    """The most rows of each part; None for all of them. `slices` are agents, models, tags and days each.

    `chain` is the sentences about where the dollars go; `tokenprof chain` spells out the second.
    """

    turns: int | None = 5
    blocks: int | None = 5
    groups: int = 6
    slices: int = 4
    findings: int | None = 2
    warnings: int | None = 2
    chain: int = 2


IN_FULL: Final = PageLimits(turns=None, blocks=None, groups=40, slices=20, findings=None, warnings=None)

_SHORTER: Final = (
    {"blocks": 4},
    {"turns": 4},
    {"groups": 4},
    {"slices": 3},
    {"blocks": 3, "groups": 3},
    {"turns": 3},
    {"slices": 2},
    {"findings": 1},
    {"warnings": 1},
    {"chain": 1},
)


def fitting(
    sections_of: Callable[[PageLimits], Sequence[list[Text]]],
    most_lines: int,
    *,
    turns: int | None = None,
    blocks: int | None = None,
    is_full: bool = False,
) -> Sequence[list[Text]]:
    """Return the sections of a page with as many rows as fit into so many lines; all rows if `is_full`.

    `turns` and `blocks` are what a user asked for, and stay. If the tightest limits do not fit either, the
    page is longer: a sentence is never cut.
    """
    given = {name: most for name, most in (("turns", turns), ("blocks", blocks)) if most is not None}
    limits = replace(IN_FULL if is_full else PageLimits(), **given)
    sections = sections_of(limits)
    for step in () if is_full else _SHORTER:
        if sum(len(section) + 1 for section in sections if section) - 1 <= most_lines:
            break
        limits = replace(limits, **(step | given))
        sections = sections_of(limits)
    return sections

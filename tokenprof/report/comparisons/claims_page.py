"""The published claims, recomputed: a page in groups by question, published figures beside our own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from io import StringIO
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.chain.claims.worked_examples import CLAIM_SOURCES
from tokenprof.pricing.chain.published_claims import Example
from tokenprof.report.terminal.grid import paragraph
from tokenprof.report.terminal.wording import SOFT

QUESTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "What an agent's task is billed, and what its waiting KV costs": (
        "bill-1", "bill-2", "bill-3", "bill-4", "bill-5", "bill-6", "hold-1", "shape-1", "ttl-1",
    ),
    "What a lab keeps, what open weights are sold for, what a plan covers": (
        "margin-1", "margin-2", "open-1", "sub-1",
    ),
    "What a megawatt and an hour of an H100 cost": (
        "l1-1", "l1-2", "l1-3", "l1-4", "l1-5", "l1-6", "l2-1",
    ),
    "Who sells to whom, and at what margin": ("l3-1", "l3-2", "l3-3", "l4-1", "l4-2", "vert-1"),
    "Where a dollar goes, and what changes it": ("dollar-1", "util-1", "traj-1"),
}  # fmt: skip
"""The groups of the page, each with the claims that it answers."""

CLOSE: Final = 1.0
"""A difference that rounding of the published figure explains [%]."""


def claims_page(rows: Sequence[Example], width: int = 80) -> str:
    """Return the page, as plain text of a width [columns].

    An assumption that several rows in a row share stands under the last of them.
    """
    page = StringIO()
    console = Console(file=page, width=width, highlight=False, color_system=None)

    def put(text: str, indent: int = 0, style: str = "") -> None:
        for line in paragraph(Text(text, style), console, indent=indent):
            console.print(line, soft_wrap=True, highlight=False)

    put("Published claims, recomputed from their own inputs", style="bold")
    put(_summary(rows))
    for question, ids in QUESTIONS.items():
        console.print()
        put(question, style="bold")
        of_question = [row for row in rows if row.id in ids]
        for about, members in groupby(of_question, key=lambda row: (row.assumptions, CLAIM_SOURCES[row.id])):
            for row in members:
                put(f"{row.claim} [{row.id}]", indent=2)
                put(_figures(row), indent=6)
            put(f"{about[0]}; claimed in {', '.join(about[1])}", indent=6, style=SOFT)
    return page.getvalue()


def _figures(row: Example) -> str:
    if row.published is None:
        return f"ours {row.ours}"
    if row.difference == "none":
        return f"published {row.published}, ours {row.ours}: the same"
    return f"published {row.published}, ours {row.ours}: {row.difference}"


def _summary(rows: Sequence[Example]) -> str:
    published = [row for row in rows if row.difference is not None]
    same = sum(row.difference == "none" for row in published)
    close = sum(_is_close(row.difference or "") for row in published)
    return (
        f"{len(rows)} figures. {len(published)} have been published: ours are the same for {same}, within "
        f"{CLOSE:g} % for {close} more, and differ for {len(published) - same - close}, with the reason. The "
        f"other {len(rows) - len(published)} are ours alone. Sources of the claims: docs/chain.md."
    )


def _is_close(difference: str) -> bool:
    """Tell whether a difference is nothing but percentages of at most `CLOSE`, and not 0."""
    found = re.fullmatch(r"([+-][\d.]+) %", difference)
    return found is not None and abs(float(found[1])) <= CLOSE

"""Prompts that fork very often at one place: a system of bounded size is solved, and the bill adds up."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from conversations import START, made_block

from tokenprof.attribute import sizes
from tokenprof.attribute.engine import attribute
from tokenprof.attribute.solve import SegmentRow, Unknowns
from tokenprof.facts.types import Run, Turn
from tokenprof.pricing.usage import Usage

FORKS = 300
SHARED_TOKENS = 120


def forked(forks: int) -> Run:
    """A run whose prompts begin with the same two blocks and go on with one of their own."""
    shared = (made_block("system", "rules", 50), made_block("user", "task", 70, opens=True))
    turns = []
    for number in range(forks):
        own = made_block("user", f"way {number}", 20 + number % 7, opens=True)
        turns.append(
            Turn(
                id=f"r{number}",
                context=f"c{number}",
                provider="openai",
                requested_model="gpt-5.4",
                model="gpt-5.4",
                started_at=START,
                status="ok",
                usage=Usage(
                    uncached_input_tokens=SHARED_TOKENS + own.features.tokens["o200k_base"], output_tokens=1
                ),
                added=(*shared, own),
            )
        )
    return Run(tuple(turns))


def test_what_is_solved_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [placed.size.tokens for placed in attribute(forked(FORKS)).blocks.values()]
    monkeypatch.setattr(sizes, "MOST_ROWS_TOGETHER", FORKS)
    together = [placed.size.tokens for placed in attribute(forked(FORKS)).blocks.values()]
    assert max(abs(one - other) for one, other in zip(whole, together, strict=True)) <= 2

    solved: list[int] = []
    condition = sizes.condition

    def seen(unknowns: Unknowns, rows: Sequence[SegmentRow]) -> object:
        solved.append(len(rows))
        return condition(unknowns, rows)

    monkeypatch.setattr(sizes, "MOST_ROWS_TOGETHER", 16)
    monkeypatch.setattr(sizes, "condition", seen)
    in_parts = attribute(forked(FORKS))
    assert (max(solved), sum(solved)) == (16, FORKS)
    # Each prompt's blocks still hold exactly what was billed for it.
    by_name: dict[str, int] = {}
    for placed in in_parts.blocks.values():
        by_name[placed.block.name] = placed.size.tokens
    for number in range(FORKS):
        billed = SHARED_TOKENS + 20 + number % 7
        assert by_name["rules"] + by_name["task"] + by_name[f"way {number}"] == billed

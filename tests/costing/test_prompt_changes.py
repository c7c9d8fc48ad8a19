"""What changed from one prompt to the next, and which earlier context began like a new one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cached_calls import OTHER_MODEL, START, CachedCall, ledger_of, made_block

from tokenprof.costing.prompt_changes import EarlierCalls, changed_parameters, first_change
from tokenprof.facts.types import Block, Turn

HEAD = [made_block(f"tool {number}", 100, "tool") for number in range(4)]


def test_blocks_that_are_the_same_in_their_place_are_not_a_change() -> None:
    assert first_change(HEAD, HEAD, 4) is None
    assert first_change([*HEAD, made_block("new")], HEAD, 4) is None
    assert first_change([], [], 0) is None


def test_a_change_after_the_compared_blocks_does_not_count() -> None:
    edited = [*HEAD[:3], made_block("other", 100, "tool")]
    assert first_change(edited, HEAD, 3) is None
    change = first_change(edited, HEAD, 4)
    assert change is not None
    assert (change.cause, change.at, change.block, change.field) == ("changed", 3, edited[3], "added")


def test_a_prompt_that_just_ends_names_no_block() -> None:
    change = first_change(HEAD[:2], HEAD, 4)
    assert change is not None
    assert (change.cause, change.at, change.block, change.field) == ("changed", 2, None, None)


def test_a_deferred_tool_takes_no_place() -> None:
    waiting = made_block("waiting", 100, "tool", deferred=True)
    assert first_change([HEAD[0], waiting, *HEAD[1:]], HEAD, 4) is None
    assert first_change(HEAD, [waiting, *HEAD], 4) is None


def test_the_fields_that_differ_are_named() -> None:
    def tool(**fields: str) -> Block:
        return replace(made_block("search", 100, "tool", fields=fields), digest=f"{fields}")

    change = first_change([tool(name="a", description="new")], [tool(name="a", schema="x")], 1)
    assert change is not None
    assert change.field == "description, schema"
    unfielded = first_change([replace(HEAD[0], digest="edited")], HEAD, 1)
    assert unfielded is not None
    assert unfielded.field == "text"


def test_the_parameters_that_differ_are_named() -> None:
    turn = turns_at([0.0])[0]
    before = replace(turn, settings={"speed": "fast", "tool_choice": "auto"})
    after = replace(turn, settings={"speed": "fast", "tool_choice": "any", "model": "x"})
    assert changed_parameters(after, before) == ["model", "tool_choice"]
    assert changed_parameters(replace(before, settings={"speed": "fast"}), before) == ["tool_choice"]
    assert changed_parameters(before, before) == []


def turns_at(starts_s: list[float]) -> list[Turn]:
    """Calls of contexts of their own, with 2,000 cached tokens each and a response a second later."""
    system = made_block("instructions", 2_000, "system")
    calls = [CachedCall([system], [(0, "5m")], at_s, f"c{at}") for at, at_s in enumerate(starts_s)]
    return list(ledger_of(calls).run.turns)


def test_the_newest_context_that_shares_half_of_the_bytes_is_alike() -> None:
    turns = turns_at([0.0, 10.0, 20.0, 30.0])
    earlier = EarlierCalls(turns)
    earlier.open(0, HEAD)
    earlier.open(1, HEAD[:2])
    earlier.open(2, HEAD[:1])
    # Four tools of the same size: the second context shares two of them, the third only one.
    assert earlier.most_alike(turns[3], HEAD) == 1
    assert earlier.most_alike(turns[3], [*HEAD, made_block("more", 1, "tool")]) == 0
    assert earlier.most_alike(turns[3], [made_block("other", 100, "tool")]) is None


@pytest.mark.parametrize("other", ["another model", "nothing cached", "not begun"])
def test_a_context_whose_cache_cannot_help_is_not_alike(other: str) -> None:
    first, second = turns_at([0.0, 10.0])
    assert first.usage is not None
    if other == "another model":
        first = replace(first, model=OTHER_MODEL)
    elif other == "nothing cached":
        fresh = replace(first.usage, cache_write_5m_tokens=0, uncached_input_tokens=2_000)
        first = replace(first, usage=fresh)
    else:
        first = replace(first, started_at=START + timedelta(seconds=9.5))
    earlier = EarlierCalls([first, second])
    earlier.open(0, HEAD)
    assert earlier.most_alike(second, HEAD) is None

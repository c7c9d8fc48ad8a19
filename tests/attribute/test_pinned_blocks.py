"""A block is exact if the bill alone determines its size, and never if an estimate is needed for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tokenprof.attribute.engine import attribute
from tokenprof.facts.types import Block, Breakpoint, Features, Run, Section, Turn
from tokenprof.pricing.usage import Usage


def block(name: str, section: Section = "messages", role: str = "user") -> Block:
    features = Features(version=1, bytes=40, chars=40, tokens={"o200k_base": 10, "cl100k_base": 10})
    return Block("user", name, name, section, role, True, features)


def turn(number: int, prompt: list[Block], usage: Usage, *marks: Breakpoint) -> Turn:
    return Turn(
        id=f"r{number}",
        context="c1",
        provider="openai",
        requested_model="gpt-5.4",
        model="gpt-5.4",
        started_at=datetime(2026, 9, 1, 10, tzinfo=UTC) + timedelta(minutes=number),
        status="ok",
        usage=usage,
        added=tuple(prompt),
        breakpoints=marks,
    )


def sizes(*turns: Turn) -> dict[str, tuple[int, bool]]:
    found = attribute(Run(turns)).blocks.values()
    return {placed.block.name: (placed.size.tokens, placed.size.exact) for placed in found}


A, B, C, D = (block(name) for name in "ABCD")


def fresh(tokens: int) -> Usage:
    return Usage(uncached_input_tokens=tokens, output_tokens=0)


def test_what_one_call_has_more_than_another_is_exact_if_it_is_one_block() -> None:
    found = sizes(turn(0, [A], fresh(17)), turn(1, [A, B], fresh(40)), turn(2, [A, B, C], fresh(41)))
    assert found == {"A": (17, True), "B": (23, True), "C": (1, True)}


def test_two_new_blocks_are_estimated_and_their_sum_is_exact() -> None:
    found = sizes(turn(0, [A], fresh(17)), turn(1, [A, B, C], fresh(61)))
    assert found["A"] == (17, True)
    assert found["B"][0] + found["C"][0] == 44
    assert (found["B"][1], found["C"][1]) == (False, False)


def test_a_later_call_that_parts_them_makes_both_exact() -> None:
    found = sizes(turn(0, [A], fresh(17)), turn(1, [A, B, C], fresh(61)), turn(2, [A, B, D], fresh(50)))
    assert not found["B"][1]
    found = sizes(
        turn(0, [A], fresh(17)),
        turn(1, [A, B, C], fresh(61)),
        turn(2, [A, B, D], fresh(50)),
        turn(3, [A, B], fresh(30)),
    )
    assert found == {"A": (17, True), "B": (13, True), "C": (31, True), "D": (20, True)}


def test_the_end_of_a_written_part_pins_the_block_before_it() -> None:
    system = replace(block("S", "system", "system"), kind="system")
    usage = Usage(
        cache_write_1h_tokens=30, cache_write_5m_tokens=12, uncached_input_tokens=9, output_tokens=0
    )
    found = sizes(turn(0, [system, A, B], usage, Breakpoint(0, "1h"), Breakpoint(1, "5m")))
    assert found["S"] == (30, True)
    assert found["A"] == (12, True)
    assert found["B"][0] == 9


def test_the_end_of_what_was_read_pins_the_block_before_it() -> None:
    system = replace(block("S", "system", "system"), kind="system")
    marks = Breakpoint(0, "5m"), Breakpoint(1, "5m")
    wrote = Usage(cache_write_5m_tokens=42, uncached_input_tokens=0, output_tokens=0)
    read = Usage(cache_read_tokens=30, cache_write_5m_tokens=20, uncached_input_tokens=0, output_tokens=0)
    found = sizes(turn(0, [system, A], wrote, *marks), turn(1, [system, B], read, *marks))
    assert found == {"S": (30, True), "A": (12, True), "B": (20, True)}


def groups_of(*turns: Turn) -> dict[str, tuple[int, int] | None]:
    found = attribute(Run(turns)).blocks.values()
    return {
        placed.block.name: (placed.size.group.blocks, placed.size.group.tokens) if placed.size.group else None
        for placed in found
    }


def test_blocks_that_the_bill_gives_together_are_a_group_with_an_exact_sum() -> None:
    found = groups_of(turn(0, [A], fresh(17)), turn(1, [A, B, C], fresh(61)))
    assert found["A"] is None
    assert found["B"] == found["C"] == (2, 44)


def test_a_group_of_which_one_is_known_is_what_is_left() -> None:
    found = groups_of(
        turn(0, [A], fresh(17)),
        turn(1, [A, B, C, D], fresh(100)),
        turn(2, [A, B], fresh(30)),
    )
    assert found["B"] is None
    assert found["C"] == found["D"] == (2, 70)

"""Bills for less than the request holds: the oldest results of tools are what was cleared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from conversations import START, conversation, made_block

from tokenprof.attribute.cleared_results import follow_clearing
from tokenprof.attribute.engine import attribute
from tokenprof.facts.types import Block, Features, Run, Turn
from tokenprof.pricing.usage import Usage

RULES = made_block("user", "rules", 5_000, opens=True)
QUESTION = made_block("user", "question", 60, opens=True)


def result(number: int, tokens: int) -> Block:
    return made_block("tool_result", f"result {number}", tokens, opens=True, link=f"call {number}")


RESULTS = [result(number, 1_000 * number) for number in range(1, 6)]
"""Results of 1,000 to 5,000 tokens."""


def local_tokens(blocks: Iterable[Block]) -> int:
    return sum(block.features.tokens["o200k_base"] for block in blocks)


def made_run(blocks: Sequence[Block], billed: Sequence[int], *, is_log: bool = False) -> Run:
    """One block more in each turn. The last turns are `billed` so much, the others for what they hold."""
    whole = [local_tokens(blocks[: n + 1]) for n in range(len(blocks) - len(billed))]
    return Run(
        tuple(
            Turn(
                id=f"r{number}",
                context="c",
                provider="openai",
                requested_model="gpt-5.4",
                model="gpt-5.4",
                started_at=START,
                status="ok",
                usage=Usage(uncached_input_tokens=tokens, output_tokens=10),
                added=(blocks[number],),
                base=number - 1 if number else None,
                kept=number,
                hidden_prefix=is_log,
            )
            for number, tokens in enumerate([*whole, *billed])
        )
    )


def held_by_the_last_prompt(run: Run) -> dict[str, int]:
    """The tokens of each block of the last prompt, by name; those that hold none are left out."""
    attributed = attribute(run)
    held = {
        attributed.blocks[share.block].block.name: share.tokens
        for share in attributed.shares[-1]
        if share.cls == "uncached_input"
    }
    last = run.turns[-1].usage
    assert last is not None
    assert sum(held.values()) == last.input_tokens
    return held


def test_the_oldest_results_are_what_is_missing_when_a_bill_falls() -> None:
    # The results of 1,000, 2,000 and 3,000 tokens are gone.
    run = made_run([RULES, *RESULTS, QUESTION], [14_060])
    held = held_by_the_last_prompt(run)
    assert {name for name in held if name.startswith("result")} == {"result 4", "result 5"}
    assert held["rules"] == 5_000
    assert held["result 4"] == pytest.approx(4_000, rel=0.01)
    assert held["result 5"] == pytest.approx(5_000, rel=0.01)
    assert attribute(run).notes == (
        "Turn 6: the provider billed less than the request holds. The oldest 3 results of tools count as "
        "cleared from here on; the bill does not say which.",
    )


def test_what_comes_after_keeps_its_size() -> None:
    later = [result(6, 2_500), result(7, 7_000)]
    held = held_by_the_last_prompt(made_run([RULES, *RESULTS, QUESTION, *later], [14_060, 16_560, 23_560]))
    assert "result 3" not in held
    assert held["result 6"] == pytest.approx(2_500, rel=0.01)
    assert held["result 7"] == pytest.approx(7_000, rel=0.01)


def test_a_bill_that_grows_by_far_too_little_lacks_results_as_well() -> None:
    # 4,000 tokens are new, and 3,000 gone.
    blocks = [RULES, *RESULTS, result(6, 4_000)]
    held = held_by_the_last_prompt(made_run(blocks, [21_000]))
    assert not {"result 1", "result 2"} & held.keys()
    assert held["result 6"] == pytest.approx(4_000, rel=0.01)


def test_in_a_log_the_new_block_may_have_been_sent_shortened() -> None:
    blocks = [RULES, *RESULTS, result(6, 4_000)]
    held = held_by_the_last_prompt(made_run(blocks, [21_000], is_log=True))
    assert held["result 1"] == 1_000
    assert held["result 6"] <= 1_000


@pytest.mark.parametrize("kind", ["image", "thinking"])
def test_a_new_block_of_unknown_size_says_nothing_as_long_as_the_bill_grows(kind: str) -> None:
    unknown = replace(
        result(6, 4_000),
        kind=kind,
        features=Features(version=1, bytes=90_000, pixels=3_000_000, tokens={})
        if kind == "image"
        else result(6, 4_000).features,
    )
    held = held_by_the_last_prompt(made_run([RULES, *RESULTS, unknown], [21_000]))
    assert held["result 1"] == 1_000


def test_what_is_less_than_a_result_is_taken_from_all_blocks_alike() -> None:
    held = held_by_the_last_prompt(made_run([RULES, *RESULTS, QUESTION], [19_700]))
    assert held["result 1"] == pytest.approx(1_000, rel=0.03)
    assert held["result 5"] == pytest.approx(5_000, rel=0.03)


def test_what_is_more_than_all_results_is_taken_from_the_rest_too() -> None:
    held = held_by_the_last_prompt(made_run([RULES, *RESULTS, QUESTION], [2_530]))
    assert not any(name.startswith("result") for name in held)
    assert held["rules"] == pytest.approx(2_500, rel=0.02)


def test_nothing_was_cleared_where_the_client_took_something_out_itself() -> None:
    run = made_run([RULES, *RESULTS], [])
    last = run.turns[-1]
    shorter = replace(
        last,
        id="shorter",
        base=5,
        kept=3,
        added=(QUESTION,),
        usage=Usage(uncached_input_tokens=8_060, output_tokens=10),
    )
    attributed = attribute(Run((*run.turns, shorter)))
    assert attributed.notes == ()
    names = [attributed.blocks[share.block].block.name for share in attributed.shares[-1]]
    assert names[:4] == ["rules", "result 1", "result 2", "question"]


def test_bills_that_grow_as_their_prompts_are_not_followed() -> None:
    run = conversation(3, turns=30).run
    assert follow_clearing(run.turns, run.prompts(), range(len(run.turns))) is None


def test_thinking_that_the_provider_drops_is_not_taken_for_results() -> None:
    thought = made_block("thinking", "thought", 3_000, role="assistant")
    run = made_run([RULES, *RESULTS, thought, QUESTION], [23_000, 20_060])
    followed = follow_clearing(run.turns, run.prompts(), range(len(run.turns)))
    assert followed is not None
    for index in range(7):
        assert followed.take(index, index - 1 if index else None, index, ()) == 0
    assert followed.take(7, 6, 7, frozenset({6})) == 0
    # With the same bill and the thought still there, results of 3,000 tokens would be missing.
    assert followed.take(7, 6, 7, ()) == 2
    assert followed.in_prompt(7) == {1, 2}


def test_new_thinking_that_is_dropped_at_once_adds_nothing() -> None:
    thought = made_block("thinking", "thought", 3_000, role="assistant")
    run = made_run([RULES, *RESULTS, thought, QUESTION], [20_000, 17_000])
    followed = follow_clearing(run.turns, run.prompts(), range(len(run.turns)))
    assert followed is not None
    for index in range(6):
        followed.take(index, index - 1 if index else None, index, ())
    assert followed.take(6, 5, 6, frozenset({6})) == 0


def test_the_answer_says_how_many_were_cleared() -> None:
    run = made_run([RULES, *RESULTS, QUESTION], [17_060])
    told = Run((*run.turns[:-1], replace(run.turns[-1], cleared_tool_uses=2)))
    assert attribute(told).notes == ()
    held = held_by_the_last_prompt(told)
    assert not {"result 1", "result 2"} & held.keys()
    assert held["result 3"] == pytest.approx(3_000, rel=0.01)
    # By the bill alone it would be the first two as well; the answer is believed if it says otherwise.
    first = Run((*run.turns[:-1], replace(run.turns[-1], cleared_tool_uses=1)))
    assert "result 2" in held_by_the_last_prompt(first)


def test_a_first_prompt_may_have_lost_results_already() -> None:
    run = made_run([RULES], [])
    whole = replace(
        run.turns[0],
        added=(RULES, *RESULTS, QUESTION),
        usage=Usage(uncached_input_tokens=14_060, output_tokens=10),
        cleared_tool_uses=3,
    )
    held = held_by_the_last_prompt(Run((whole,)))
    assert {name for name in held if name.startswith("result")} == {"result 4", "result 5"}


def test_small_clearings_add_up() -> None:
    """At each turn a result of 700 tokens is cleared, as soon as it is not one of the last three."""
    results = [result(number, 700) for number in range(1, 21)]
    held = held_by_the_last_prompt(made_run([RULES, *results], [5_000 + 3 * 700] * 17))
    assert held["rules"] == 5_000
    gone = [f"result {number}" for number in range(1, 18)]
    # Less than 1,000 tokens are not judged yet, so up to two are still there.
    assert sum(held.get(name, 0) for name in gone) <= 2 * 700

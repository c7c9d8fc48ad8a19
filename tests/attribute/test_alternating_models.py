"""Models that are asked in turn with one history: each has sizes of its own, and extends its own prompts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from conversations import START, made_block

from tokenprof.attribute.engine import attribute
from tokenprof.attribute.tree import PathStep, Tree
from tokenprof.facts.types import Block, Run, Turn
from tokenprof.pricing.usage import Usage

TURNS = 40
RATIOS = {"gpt-5.4": 1.0, "gpt-5.4-mini": 1.5}
"""How many billed tokens each model makes of a local one."""

MODELS = tuple(RATIOS)


def turn_of(
    number: int, model: str, context: str, prompt: Sequence[Block], base: int | None, kept: int
) -> Turn:
    tokens = sum(round(block.features.tokens["o200k_base"] * RATIOS[model]) for block in prompt)
    return Turn(
        id=f"r{number}",
        context=context,
        provider="openai",
        requested_model=model,
        model=model,
        started_at=START,
        status="ok",
        usage=Usage(uncached_input_tokens=tokens, output_tokens=10),
        added=tuple(prompt[kept:]),
        base=base,
        kept=kept,
    )


def in_one_history(turns: int) -> Run:
    """Turn by turn the other model: `n` questions and the `n - 1` answers between them in prompt `n`."""
    prompt = [made_block("user", "question 0", 100, opens=True)]
    made = [turn_of(0, MODELS[0], "main", prompt, None, 0)]
    for number in range(1, turns):
        kept = len(prompt)
        prompt.append(made_block("output", f"answer {number}", 10, opens=True, role="assistant"))
        prompt.append(made_block("user", f"question {number}", 20 + 2 * (number % 5), opens=True))
        made.append(turn_of(number, MODELS[number % 2], "main", prompt, number - 1, kept))
    return Run(tuple(made))


def asked_beside(turns: int) -> Run:
    """After each call, another model is asked about the history so far, on a branch of its own."""
    prompt = [made_block("user", "question 0", 100, opens=True)]
    made = [turn_of(0, MODELS[0], "main", prompt, None, 0)]
    base = 0
    for number in range(1, turns):
        about = made_block("user", f"is {number} safe?", 30, opens=True)
        kept = len(prompt)
        made.append(turn_of(2 * number - 1, MODELS[1], "guard", [*prompt, about], base, kept))
        prompt.append(made_block("user", f"question {number}", 20, opens=True))
        made.append(turn_of(2 * number, MODELS[0], "main", prompt, base, kept))
        base = len(made) - 1
    return Run(tuple(made))


@pytest.fixture
def laid(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many blocks each prompt has put into a tree."""
    found: list[int] = []
    walk = Tree.walk

    def seen(self: Tree, steps: Sequence[PathStep], turn: int, after: int = 0) -> list[int]:
        found.append(len(steps))
        return walk(self, steps, turn, after)

    monkeypatch.setattr(Tree, "walk", seen)
    return found


def test_each_model_lays_out_each_block_once(laid: list[int]) -> None:
    attributed = attribute(in_one_history(TURNS))
    # The last prompt holds 40 questions and 39 answers, the other model's last one two blocks less.
    assert sum(laid) == 79 + 77
    assert len({id(shares.row) for shares in attributed.shares}) == len(MODELS)


def test_the_blocks_of_each_prompt_hold_what_its_model_was_billed() -> None:
    run = in_one_history(TURNS)
    attributed = attribute(run)
    held = [sum(share.tokens for share in shares if share.cls != "output") for shares in attributed.shares]
    assert held == [turn.usage.input_tokens for turn in run.turns if turn.usage is not None]
    sizes = [placed.size for placed in attributed.blocks.values() if placed.block.name == "question 0"]
    assert [(size.tokens, size.exact) for size in sizes if size.exact] == [(100, True)]
    assert len(sizes) == len(MODELS)


def test_questions_on_the_side_extend_what_the_other_model_has_seen(laid: list[int]) -> None:
    attribute(asked_beside(TURNS))
    # For each model the history once; the one on the side puts its own question after it each time.
    assert sum(laid) == 40 + 39 + 39

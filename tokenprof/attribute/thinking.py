"""Whether a provider still bills the thinking of earlier turns that a client sends along.

Some models drop thinking blocks that stand before the user's last message (those of the running tool
loop stay); newer ones keep all. The request looks the same, so the bill decides.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenprof.attribute.estimate import Estimator, features_of, unfitted
from tokenprof.types import Block, Turn

Prompts = Sequence[tuple[Block, ...]]


def earlier_thinking(prompt: Sequence[Block]) -> frozenset[int]:
    """Return the indices of thinking blocks before the user's last message that answers no tool call."""
    last = _last_user_message(prompt)
    return frozenset(i for i, block in enumerate(prompt[:last]) if block.kind == "thinking")


def _last_user_message(prompt: Sequence[Block]) -> int:
    last = 0
    for index, block in enumerate(prompt):
        if block.opens_message and block.role == "user" and block.section == "messages":
            answers_a_call = block.link is not None
            last = last if answers_a_call else index
    return last


def drops_earlier_thinking(turns: Sequence[Turn], prompts: Prompts, indices: Sequence[int]) -> bool:
    """Whether the growth of the billed prompts is better explained with earlier thinking left out.

    Judged over all calls of a model at which thinking would newly be dropped.
    """
    keeping = dropping = 0.0
    newest: dict[str, int] = {}
    reasoned: dict[str, int] = {}
    estimator: Estimator | None = None
    for index in indices:
        turn = turns[index]
        before = newest.get(turn.context)
        newest[turn.context] = index
        if before is None or turn.usage is None or (earlier := turns[before].usage) is None:
            continue
        reasoned[turn.context] = reasoned.get(turn.context, 0) + earlier.reasoning_tokens
        ours, theirs = prompts[index], prompts[before]
        newly = earlier_thinking(ours) - earlier_thinking(theirs)
        if not newly or len(ours) <= len(theirs) or turn.compacted:
            continue
        estimator = estimator or unfitted(turn.provider, turn.model)
        grown = turn.usage.input_tokens - earlier.input_tokens
        added = _expected(estimator, ours[len(theirs) :])
        thought = reasoned.pop(turn.context) or _expected(estimator, [ours[i] for i in newly])
        keeping += abs(grown - added)
        dropping += abs(grown - (added - thought))
    return dropping < keeping


def _expected(estimator: Estimator, blocks: Sequence[Block]) -> float:
    return sum(estimator.expected(features_of(block)) for block in blocks)

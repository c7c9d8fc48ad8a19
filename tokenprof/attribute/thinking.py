"""Whether a provider still bills the thinking of earlier turns that a client sends along.

Some models drop thinking blocks that stand before the user's last message (those of the running tool
loop stay); newer ones keep all. The request looks the same, so the bill decides.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenprof.attribute.estimate import Estimator, features_of, unfitted
from tokenprof.facts.types import Block, Turn

Prompts = Sequence[Sequence[Block]]


def earlier_thinking(prompt: Sequence[Block]) -> frozenset[int]:
    """Return the indices of thinking blocks before the user's last message that answers no tool call."""
    last = _last_user_message(prompt)
    return frozenset(i for i, block in enumerate(prompt[:last]) if block.kind == "thinking")


def _last_user_message(prompt: Sequence[Block], kept: int = 0, in_kept: int = 0) -> int:
    """Return where the user's last message begins; `in_kept` is where it does in the first `kept` blocks."""
    for index in range(len(prompt) - 1, kept - 1, -1):
        if _opens_user_message(prompt[index]):
            return index
    return in_kept


def _opens_user_message(block: Block) -> bool:
    """Whether a message of the user's own begins here, and not one that answers a tool call."""
    is_user = block.role == "user" and block.section == "messages"
    return is_user and block.opens_message and block.link is None


def drops_earlier_thinking(turns: Sequence[Turn], prompts: Prompts, indices: Sequence[int]) -> bool:
    """Whether the growth of the billed prompts is better explained with earlier thinking left out.

    Judged over all calls of a model at which thinking would newly be dropped.
    """
    keeping = dropping = 0.0
    newest: dict[str, int] = {}
    reasoned: dict[str, int] = {}
    last_message: dict[int, int] = {}
    estimator: Estimator | None = None
    for index in indices:
        turn = turns[index]
        before = newest.get(turn.context)
        newest[turn.context] = index
        in_base = last_message.get(index if turn.base is None else turn.base, turn.kept)
        kept = turn.kept if in_base < turn.kept else 0
        last_message[index] = _last_user_message(prompts[index], kept, in_base if kept else 0)
        if before is None or turn.usage is None or (earlier := turns[before].usage) is None:
            continue
        reasoned[turn.context] = reasoned.get(turn.context, 0) + earlier.reasoning_tokens
        ours, theirs = prompts[index], prompts[before]
        between = range(last_message[before], last_message[index])
        newly = [i for i in between if ours[i].kind == "thinking"]
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

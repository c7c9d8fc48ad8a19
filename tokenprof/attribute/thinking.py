"""Whether a provider bills the thinking of earlier turns that a client sends again.

Some models drop thinking blocks from before the user's last message and keep those of the current tool
loop; newer models keep all of them. The request looks the same, so the bill decides.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenprof.attribute.estimator.estimate import BlockFeatures, Estimator, unfitted
from tokenprof.facts.types import Block, Turn

Prompts = Sequence[Sequence[Block]]


def earlier_thinking(prompt: Sequence[Block]) -> frozenset[int]:
    """Return the indices of the thinking blocks before the user's last message (tool results are not one)."""
    last = _last_user_message(prompt)
    return frozenset(i for i, block in enumerate(prompt[:last]) if block.kind == "thinking")


def _last_user_message(prompt: Sequence[Block], kept: int = 0, in_kept: int = 0) -> int:
    """Return where the user's last message begins; `in_kept` is the answer for the first `kept` blocks."""
    for index in range(len(prompt) - 1, kept - 1, -1):
        if _opens_user_message(prompt[index]):
            return index
    return in_kept


def _opens_user_message(block: Block) -> bool:
    """Whether a block begins a message by the user, rather than one with tool results."""
    is_user = block.role == "user" and block.section == "messages"
    return is_user and block.opens_message and block.link is None


def drops_earlier_thinking(turns: Sequence[Turn], prompts: Prompts, indices: Sequence[int]) -> bool:
    """Whether leaving out earlier thinking explains the growth of the billed prompts better.

    Judged over all calls of a model at which more thinking would be dropped than before.
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
    return float(estimator.expected(BlockFeatures.of(blocks)).sum())

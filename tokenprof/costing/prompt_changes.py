"""What changed from one prompt to the next: the first block that differs, and what of it does."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Literal

from tokenprof.costing.cache_replay import cached_tokens, response_began_s
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Block, Turn, block_key

OPENINGS_REMEMBERED = 32
"""How many contexts that began with a block are remembered, per block; older ones are forgotten."""


@frozen
class PromptChange:
    """The first difference between two prompts.

    `at` counts the blocks that they have in common, `block` is the first of the new prompt that differs
    (None if the new one just ends), `field` what of it differs (`description`, `input_schema`, …).
    """

    cause: Literal["changed", "reordered"]
    at: int
    block: Block | None
    field: str | None


def first_change(ours: Sequence[Block], theirs: Sequence[Block], compared: int) -> PromptChange | None:
    """Return the first of the first `compared` blocks of `theirs` that `ours` does not repeat in its place.

    Deferred tools take no place in a prompt. None if all `compared` blocks are the same.
    """
    pairs = zip_longest(_in_place(ours), _in_place(theirs))
    for at, (mine, other) in enumerate(pairs):
        if at >= compared or other is None:
            return None
        if mine is None:
            return PromptChange("changed", at, None, None)
        if block_key(mine) != block_key(other):
            cause: Literal["changed", "reordered"]
            cause = "reordered" if _is_reordered(ours, theirs, mine.section) else "changed"
            return PromptChange(cause, at, mine, _changed_field(mine, theirs))
    return None


def changed_parameters(turn: Turn, earlier: Turn) -> list[str]:
    """Return the names of the request parameters that differ between two calls, in alphabetical order."""
    names = sorted({*turn.settings, *earlier.settings})
    return [name for name in names if turn.settings.get(name) != earlier.settings.get(name)]


def _in_place(prompt: Sequence[Block]) -> Iterator[Block]:
    return (block for block in prompt if not block.deferred)


def _is_reordered(ours: Sequence[Block], theirs: Sequence[Block], section: str) -> bool:
    mine = [block.digest for block in _in_place(ours) if block.section == section]
    other = [block.digest for block in _in_place(theirs) if block.section == section]
    return section != "messages" and mine != other and Counter(mine) == Counter(other)


def _changed_field(block: Block, theirs: Sequence[Block]) -> str | None:
    """Return which fields of a block differ from its earlier wording; `added` if there is no earlier one."""
    earlier = next((b for b in _in_place(theirs) if b.kind == block.kind and b.name == block.name), None)
    if earlier is None:
        return "added"
    before: Mapping[str, str] = earlier.fields
    changed = [name for name in block.fields if block.fields[name] != before.get(name)]
    changed += [name for name in before if name not in block.fields]
    return ", ".join(changed) or "text"


class EarlierCalls:
    """The calls of a run by the blocks of their prompts: which one the first call of a context repeats."""

    def __init__(self, turns: Sequence[Turn]):
        self._turns = turns
        self._openings: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=OPENINGS_REMEMBERED))
        self._newest: dict[str, int] = {}
        self._context_of: dict[str, str] = {}
        self._waiting: list[int] = []

    def most_alike(self, turn: Turn, prompt: Sequence[Block]) -> int | None:
        """Return the call that had cached, with the same model, at least half of a prompt's bytes.

        That is the newest first call of a context; or else, since a prompt may change in the middle of a
        conversation, the newest call of the conversation that its blocks come from. Only calls whose response
        had begun count; nobody can read what others have not written.
        """
        sizes = {block.digest: block.features.bytes for block in _in_place(prompt)}
        half = sum(sizes.values()) / 2
        if not half:
            return None
        common: dict[int, int] = defaultdict(int)
        for digest, size in sizes.items():
            for other in self._openings.get(digest, ()):
                common[other] += size
        found = max(
            (at for at, size in common.items() if size >= half and self._helps(turn, at)), default=None
        )
        return self._conversation(turn, sizes, half) if found is None else found

    def _conversation(self, turn: Turn, sizes: Mapping[str, int], half: float) -> int | None:
        """Return the newest call of the context from which at least half of a prompt's bytes come."""
        for index in self._waiting:
            self._context_of.update(
                (block.digest, self._turns[index].context) for block in self._turns[index].added
            )
        self._waiting.clear()
        common: dict[str, int] = defaultdict(int)
        for digest, size in sizes.items():
            if digest in self._context_of:
                common[self._context_of[digest]] += size
        alike = [self._newest[context] for context, size in common.items() if size >= half]
        return max((at for at in alike if self._helps(turn, at)), default=None)

    def _helps(self, turn: Turn, other: int) -> bool:
        earlier = self._turns[other]
        return (
            earlier.model == turn.model
            and cached_tokens(earlier) > 0
            and response_began_s(earlier) <= turn.started_at.timestamp()
        )

    def open(self, index: int, prompt: Sequence[Block]) -> None:
        """Note the first call of a context."""
        for digest in {block.digest for block in prompt}:
            self._openings[digest].append(index)
        self.follow(index)

    def follow(self, index: int) -> None:
        """Note a call as the newest of its context."""
        self._newest[self._turns[index].context] = index
        self._waiting.append(index)

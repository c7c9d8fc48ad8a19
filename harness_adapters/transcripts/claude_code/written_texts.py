"""Local counts of what answers wrote, for readings without blocks; counted many at once, which is faster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tokenprof.facts.types import Block, Features
from tokenprof.harness_adapters.wires.anthropic_content import describe_written
from tokenprof.record.block_facts import canonical, sizes_of
from tokenprof.record.wire_values import Wire

COUNTED_AT_ONCE_CHARS = 2**20
"""So many characters of texts are held at most before they are counted."""


class Written(Protocol):
    """An answer whose output is to be measured."""

    output: tuple[Block, ...]


class WrittenTexts:
    """Texts of answers that are yet to be counted. Blocks that stand for them are added to the outputs."""

    def __init__(self) -> None:
        self._answers: list[Written] = []
        self._texts: list[str] = []
        self._chars = 0

    def add(self, answer: Written, items: Sequence[Wire]) -> None:
        """Take the content of an answer."""
        for item in items:
            text = describe_written(item)[2]
            if text is None:
                size = len(canonical(item))
                answer.output += (_block_of(Features(version=1, bytes=size)),)
                continue
            self._answers.append(answer)
            self._texts.append(text)
            self._chars += len(text)
        if self._chars > COUNTED_AT_ONCE_CHARS:
            self.count()

    def count(self) -> None:
        """Count the texts that were taken."""
        for answer, features in zip(self._answers, sizes_of(self._texts), strict=True):
            answer.output += (_block_of(features),)
        self._answers, self._texts, self._chars = [], [], 0


def _block_of(features: Features) -> Block:
    return Block(
        kind="output",
        name="",
        digest="",
        section="messages",
        role="assistant",
        opens_message=False,
        features=features,
    )

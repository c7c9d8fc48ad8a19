"""What attribution finds: blocks where they stood, and each turn's tokens on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tokenprof.facts.types import Block, BlockKind, Features, Section


@dataclass(frozen=True, slots=True)
class Size:
    """The size of one occurrence of a block, in tokens, and bounds on it; equal to it when exact."""

    tokens: int
    low: int
    high: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """A block as the report lists it: where it stood, when it came and went, how large it is.

    `evicted_by` says why it left its context (`compaction`, `changed`); `replaces` is the id of the
    earlier wording of the same tool or instruction.
    """

    id: str
    block: Block
    context: str
    size: Size
    born_turn: int
    last_turn: int
    evicted_by: str | None = None
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """Tokens of one turn, of one cache class, on one block.

    `start` is the position of the first of them in the prompt (0 for output); `count` is of uses, for fees.
    """

    block: str
    cls: str
    tokens: int
    exact: bool
    start: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Attribution:
    """Blocks by id, and per turn the shares in prompt order, then output.

    `notes` say where the bill and the blocks that were sent disagree.
    """

    blocks: Mapping[str, Placed]
    shares: Sequence[Sequence[Share]]
    notes: tuple[str, ...] = ()


def nameless(kind: BlockKind, name: str, *, section: Section = "messages", role: str = "provider") -> Block:
    """Return a block for tokens that stand on no block of the wire, or whose content is not known."""
    return Block(
        kind=kind,
        name=name,
        digest="",
        section=section,
        role=role,
        opens_message=False,
        features=Features(version=0, bytes=0),
    )

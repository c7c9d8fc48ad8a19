"""What attribution finds: the blocks, where they were, and the tokens that each turn was billed for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Block, BlockKind, Features, Section


@frozen
class ExactGroup:
    """Blocks whose sizes the bill gives only together: `blocks` of them have exactly `tokens` in all."""

    number: int
    blocks: int
    tokens: int


@frozen
class Size:
    """The size of one occurrence of a block in tokens, with bounds that equal it if it is exact.

    `group` are the blocks with which an estimated size adds up to an exact one, if there are any.
    """

    tokens: int
    low: int
    high: int
    exact: bool
    group: ExactGroup | None = None


@frozen
class Placed:
    """A block as the report lists it: where it was, when it came and went, and how large it is.

    `evicted_by` says why it left its context (`compaction`, `changed`). `replaces` is the id of the
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


@frozen
class Share:
    """The tokens of one turn and one price class that fall on one block.

    `start` is the position of the first of them in the prompt (0 for output). `count` is the number of uses
    that a fee was charged for.
    """

    block: str
    cls: str
    tokens: int
    exact: bool
    start: int = 0
    count: int = 0


@frozen
class Attribution:
    """Blocks by id, and the shares of each turn: the prompt in order, then the output.

    `notes` list where the bill disagrees with the blocks that were sent. `output_estimates` hold, by turn,
    the size of an output without a final count, as a later prompt repeats it; they are in no share.
    """

    blocks: Mapping[str, Placed]
    shares: Sequence[Sequence[Share]]
    notes: tuple[str, ...] = ()
    output_estimates: Mapping[int, Size] = field(default_factory=dict)


def nameless(kind: BlockKind, name: str, *, section: Section = "messages", role: str = "provider") -> Block:
    """Return a block for tokens that belong to no block on the wire, or whose content is unknown."""
    return Block(
        kind=kind,
        name=name,
        digest="",
        section=section,
        role=role,
        opens_message=False,
        features=Features(version=0, bytes=0),
    )

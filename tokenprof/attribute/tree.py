"""Prompts as paths in a tree, and the places on them that the bill pins.

Two prompts that begin with the same blocks share the nodes for those blocks. A *pin* is the exact number of
billed tokens up to a node: the end of a billed prompt, or of a cached part. The nodes between two pins
on a path are a *segment*, whose total is therefore exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tokenprof.attribute.estimator.estimate import BlockFeatures, local_tokens
from tokenprof.attribute.model import nameless
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Block

ROOT = 0
REWORDED_KINDS = frozenset({"tool", "system", "skills_index"})
"""Kinds whose blocks keep their name when their text is edited: one size says something about the next."""

UNKNOWN_KINDS = frozenset({"server_state", "unattributed"})
"""Kinds of blocks that stand for content that nobody has seen, so that their size is anyone's guess."""

_NO_BLOCK = nameless("unattributed", "")

Role = Literal["sent", "overhead", "hidden", "unseen"]
"""What a node holds: a block that was sent; tokens that the provider adds; content before the first block
that the source never shows; content between messages that a transcript may not show."""


@frozen
class PathStep:
    """A block to put into the tree; the same key below the same parent is the same node."""

    key: str
    block: Block
    role: Role = "sent"


@dataclass(slots=True)
class Node:
    """A block at its place in a history. `pin` is the billed tokens up to and including it, if known."""

    block: Block
    key: str
    parent: int
    depth: int
    first_turn: int
    role: Role = "sent"
    pin: int | None = None


@frozen
class Segment:
    """Nodes between two pins on one path, and the exact number of tokens that they hold together."""

    nodes: tuple[int, ...]
    tokens: int
    first_turn: int


@dataclass(slots=True)
class Tree:
    """The prompts of one model. With another tokenizer, the same text has another size.

    The root is the place before every prompt: no block, pinned at 0 tokens.
    """

    nodes: list[Node] = field(default_factory=lambda: [Node(_NO_BLOCK, "", -1, 0, 0, "overhead", 0)])
    _children: dict[tuple[int, str], int] = field(default_factory=dict)

    def walk(self, steps: Sequence[PathStep], turn: int, after: int = ROOT) -> list[int]:
        """Return the nodes for steps that follow node `after`; `turn` is recorded on new ones."""
        path: list[int] = []
        at = after
        for step in steps:
            child = self._children.get((at, step.key))
            if child is None:
                child = len(self.nodes)
                depth = self.nodes[at].depth + 1
                self.nodes.append(Node(step.block, step.key, at, depth, turn, step.role))
                self._children[at, step.key] = child
            path.append(child)
            at = child
        return path

    def pin(self, node: int, tokens: int) -> bool:
        """Pin the prompt up to `node` at `tokens`. Returns False if that contradicts what is known."""
        known = self.nodes[node].pin
        if known is not None:
            return known == tokens
        below = self.nodes[self.pinned_above(node)].pin or 0
        if tokens < below:
            return False
        self.nodes[node].pin = tokens
        return True

    def pinned_above(self, node: int) -> int:
        """Return the nearest pinned ancestor of a node. The root is pinned at 0."""
        at = self.nodes[node].parent
        while self.nodes[at].pin is None:
            at = self.nodes[at].parent
        return at

    def segments(self) -> list[Segment]:
        """Return the segments between pins, in the order of the turns that first sent them."""
        found = []
        for index, node in enumerate(self.nodes):
            if node.pin is None or index == ROOT:
                continue
            inside = [index]
            at = node.parent
            while self.nodes[at].pin is None:
                inside.append(at)
                at = self.nodes[at].parent
            tokens = node.pin - (self.nodes[at].pin or 0)
            found.append(Segment(tuple(reversed(inside)), tokens, node.first_turn))
        return sorted(found, key=lambda segment: segment.first_turn)


@frozen
class NodeColumns:
    """The nodes of a tree by their numbers, the root included.

    `floors` are the least tokens that each can hold: 1 if it has any text. `texts` are the keys of the blocks
    that were sent, None for what stands for something else. `names` are the kind and name of blocks that may
    be reworded, None for the others, and `local_tokens` the local counts of those.
    """

    roles: list[Role]
    features: BlockFeatures
    floors: list[int]
    opens_message: list[bool]
    is_guess: list[bool]
    texts: list[str | None]
    names: Sequence[tuple[str, str] | None]
    local_tokens: dict[int, float]

    @classmethod
    def of(cls, tree: Tree) -> NodeColumns:
        """Return the columns of a tree."""
        nodes = tree.nodes
        blocks = [node.block for node in nodes]
        names = [
            (block.kind, block.name) if node.role == "sent" and block.kind in REWORDED_KINDS else None
            for node, block in zip(nodes, blocks, strict=True)
        ]
        return cls(
            roles=[node.role for node in nodes],
            features=BlockFeatures.of(blocks),
            floors=[1 if block.features.bytes else 0 for block in blocks],
            opens_message=[block.opens_message for block in blocks],
            is_guess=[block.kind in UNKNOWN_KINDS for block in blocks],
            texts=[node.key if node.role == "sent" else None for node in nodes],
            names=names,
            local_tokens={at: local_tokens(blocks[at]) for at, name in enumerate(names) if name},
        )

"""Where a run's dollars, tokens and compute went, as a tree: run, agent, tool or kind, call, block.

Every node holds the sums of all blocks below it, so that a renderer only draws. A block that has no bill
counts for nothing in the sum of dollars; the run's totals say what they leave out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.rows.row_types import BlockRow
from tokenprof.data_classes.frozen import frozen
from tokenprof.pictures.views.names import OTHERS, agent_label, labelled, source_of
from tokenprof.pictures.views.needless_dollars import needless_usd_by_block
from tokenprof.report.labels_in_words import kind_label

MOST_LEAVES: Final = 3000
"""Blocks that a tree shows one by one; the rest of each group is one leaf, so that its sums stay whole."""

MOST_GROUPS: Final = 300
"""Tools and kinds of agents that a tree shows; the rest is one group of its agent, or of other agents."""

RUN: Final = "run"
OTHER_AGENTS: Final = "other agents"


@frozen
class Weights:
    """What a node of the tree stands for, summed over the blocks below it."""

    billed_usd: Decimal = Decimal(0)
    tokens: int = 0
    compute_usd: float = 0.0
    needless_usd: Decimal = Decimal(0)

    def plus(self, other: Weights) -> Weights:
        """Return the sum of both."""
        return Weights(
            self.billed_usd + other.billed_usd,
            self.tokens + other.tokens,
            self.compute_usd + other.compute_usd,
            self.needless_usd + other.needless_usd,
        )


@frozen
class TreeColumns:
    """The nodes of the tree, parents before children; `parent` of the root is -1.

    `kind` is the kind of a block, and empty above blocks. `block` is the number of a block in the report, -1
    for a node that is not one block. `level` names what the nodes of each depth are.
    """

    level: tuple[str, ...]
    parent: tuple[int, ...]
    name: tuple[str, ...]
    kind: tuple[str, ...]
    block: tuple[int, ...]
    billed_usd: tuple[Decimal, ...]
    tokens: tuple[int, ...]
    compute_usd: tuple[float, ...]
    needless_usd: tuple[Decimal, ...]


LEVELS: Final = ("run", "agent", "tool or kind", "call", "block")


@dataclass(slots=True)
class _Node:
    name: str
    kind: str = ""
    block: int = -1
    weights: Weights = field(default_factory=Weights)
    below: dict[str, _Node] = field(default_factory=dict)

    def child(self, key: str, name: str, kind: str = "") -> _Node:
        return self.below.setdefault(key, _Node(name, kind))


def spending_tree(
    analysis: Analysis, most_leaves: int = MOST_LEAVES, most_groups: int = MOST_GROUPS
) -> TreeColumns:
    """Return the tree of a run.

    Blocks beyond the `most_leaves` with the largest bills are put together in their tool or kind, and tools
    and kinds of agents beyond the `most_groups` with the largest bills in one group of their own.
    """
    agents = agents_of_contexts(analysis)
    placed = analysis.ledger.attribution.blocks
    needless = needless_usd_by_block(analysis)
    rows = [(number, row) for number, row in enumerate(analysis.blocks) if row.billed_tokens or row.known_usd]
    ranked = sorted(rows, key=lambda each: (-(each[1].known_usd or Decimal(0)), each[0]))
    alone = {number for number, _ in ranked[:most_leaves]}
    group_of = {
        number: (agents.get(row.context or "", ""), source_of(placed[row.id].block)) for number, row in rows
    }
    kept = _largest_groups(rows, group_of, most_groups)
    shown_agents = {agent for agent, _ in kept}
    root = _Node(RUN)
    for number, row in rows:
        agent, source = group_of[number]
        if (agent, source) not in kept:
            agent = agent if agent in shown_agents else OTHER_AGENTS
            source = OTHERS
        group = root.child(agent, agent).child(source, source)
        if number not in alone or source == OTHERS:
            leaf = group.child("rest", "smaller blocks", kind_label(row.kind))
        else:
            block = placed[row.id].block
            if block.link:
                turn = placed[row.id].born_turn
                group = group.child(f"l:{block.link}", f"call of turn {turn}")
            leaf = group.child(f"b:{number}", labelled(row.kind, row.name), kind_label(row.kind))
            leaf.block = number
        leaf.weights = leaf.weights.plus(weights_of(row, needless))
    _sum_up(root)
    return _columns(root)


def _largest_groups(
    rows: Sequence[tuple[int, BlockRow]], group_of: Mapping[int, tuple[str, str]], most: int
) -> Collection[tuple[str, str]]:
    """Return the agents' tools and kinds that are shown: those with the largest bills."""
    billed_usd: dict[tuple[str, str], Decimal] = {}
    for number, row in rows:
        group = group_of[number]
        billed_usd[group] = billed_usd.get(group, Decimal(0)) + (row.known_usd or Decimal(0))
    return set(sorted(billed_usd, key=lambda group: (-billed_usd[group], group))[:most])


def _sum_up(node: _Node) -> None:
    for child in node.below.values():
        _sum_up(child)
        node.weights = node.weights.plus(child.weights)


def agents_of_contexts(analysis: Analysis) -> Mapping[str, str]:
    """Return the name of the agent that each context belongs to."""
    found: dict[str, str] = {}
    for turn in analysis.turns:
        found.setdefault(turn.context, agent_label(turn.agent))
    return found


def weights_of(row: BlockRow, needless: Mapping[str, Decimal]) -> Weights:
    """Return what one block stands for."""
    return Weights(
        billed_usd=row.known_usd or Decimal(0),
        tokens=row.billed_tokens or 0,
        compute_usd=0.0 if row.hardware_usd is None else float(row.hardware_usd.mid),
        needless_usd=needless.get(row.id, Decimal(0)),
    )


def _columns(root: _Node) -> TreeColumns:
    nodes: list[tuple[_Node, int]] = [(root, -1)]
    at = 0
    while at < len(nodes):
        nodes += [(child, at) for child in _in_order(nodes[at][0].below.values())]
        at += 1
    return TreeColumns(
        level=LEVELS,
        parent=tuple(parent for _, parent in nodes),
        name=tuple(node.name for node, _ in nodes),
        kind=tuple(node.kind for node, _ in nodes),
        block=tuple(node.block for node, _ in nodes),
        billed_usd=tuple(node.weights.billed_usd for node, _ in nodes),
        tokens=tuple(node.weights.tokens for node, _ in nodes),
        compute_usd=tuple(node.weights.compute_usd for node, _ in nodes),
        needless_usd=tuple(node.weights.needless_usd for node, _ in nodes),
    )


def _in_order(nodes: Collection[_Node]) -> Sequence[_Node]:
    return sorted(nodes, key=lambda node: (-node.weights.billed_usd, -node.weights.tokens, node.name))

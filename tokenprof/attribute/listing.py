"""The report's list of blocks, kept while the turns are walked: who is new, who is still there, who went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tokenprof.attribute.model import Placed, Size, nameless
from tokenprof.types import Block, BlockKind

REWORDED_KINDS = frozenset({"tool", "system", "skills_index", "memory"})
"""Kinds whose blocks keep their name when their text is edited, so that one can replace another."""


@dataclass(slots=True)
class Listing:
    """Blocks by their id in the report; a text that stands in two contexts is listed in each."""

    blocks: dict[str, Placed] = field(default_factory=dict)
    _present: dict[tuple[str, str], dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    _deferred: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def show_prompt(
        self,
        context: str,
        model: str,
        turn: int,
        nodes: Sequence[tuple[int, Block, Size]],
        *,
        compacted: bool,
    ) -> list[str]:
        """Note the blocks of a prompt, given with their nodes and sizes; returns their ids in order."""
        here = self._present[context, model]
        sent = {node for node, _, _ in nodes}
        gone = {n: i for n, i in here.items() if n not in sent and self.blocks[i].evicted_by is None}
        reworded = self._reworded(gone)
        ids = []
        for node, block, size in nodes:
            block_id = here.get(node)
            if block_id is None:
                block_id = here[node] = self._new_id(context, model, node)
                self.blocks[block_id] = Placed(
                    id=block_id,
                    block=block,
                    context=context,
                    size=size,
                    born_turn=turn,
                    last_turn=turn,
                    replaces=reworded.pop((block.kind, block.name), None),
                )
                self._forget_deferred(context, block)
            else:
                self.blocks[block_id] = replace(self.blocks[block_id], last_turn=turn, evicted_by=None)
            ids.append(block_id)
        for block_id in gone.values():
            reason = "compaction" if compacted else "changed"
            self.blocks[block_id] = replace(self.blocks[block_id], evicted_by=reason)
        return ids

    def show_deferred(self, context: str, turn: int, blocks: Sequence[Block]) -> None:
        """Note tools whose schemas are not in the prompt until they are referenced."""
        known = self._deferred[context]
        for block in blocks:
            block_id = known.get(block.name)
            if block_id is None:
                block_id = known[block.name] = f"{context}/deferred:{block.name}"
                self.blocks[block_id] = Placed(block_id, block, context, Size(0, 0, 0, True), turn, turn)
            else:
                self.blocks[block_id] = replace(self.blocks[block_id], last_turn=turn)

    def extra(self, context: str, turn: int, kind: BlockKind, name: str, tokens: int, *, exact: bool) -> str:
        """Note tokens that stand on no block of the wire: one block per context, kind and name."""
        block_id = f"{context}/{kind}:{name}"
        known = self.blocks.get(block_id)
        if known is None:
            size = Size(tokens, tokens, tokens, exact)
            self.blocks[block_id] = Placed(block_id, nameless(kind, name), context, size, turn, turn)
        elif known.size.tokens == tokens:
            self.blocks[block_id] = replace(known, last_turn=turn)
        else:
            size = Size(tokens, min(known.size.low, tokens), max(known.size.high, tokens), False)
            self.blocks[block_id] = replace(known, last_turn=turn, size=size)
        return block_id

    def output(self, context: str, turn: int, place: str, block: Block, size: Size) -> str:
        """Note a block that a turn put out."""
        block_id = f"{context}/{turn}.{place}"
        self.blocks[block_id] = Placed(block_id, block, context, size, turn, turn)
        return block_id

    def _new_id(self, context: str, model: str, node: int) -> str:
        block_id = f"{context}/{node}"
        return block_id if block_id not in self.blocks else f"{context}/{model}/{node}"

    def _forget_deferred(self, context: str, block: Block) -> None:
        """A referenced tool is listed where it stands, not a second time as deferred."""
        placeholder = self._deferred[context].pop(block.name, None) if block.kind == "tool" else None
        if placeholder is not None:
            del self.blocks[placeholder]

    def _reworded(self, gone: Mapping[int, str]) -> dict[tuple[str, str], str]:
        placed = [self.blocks[block_id] for block_id in gone.values()]
        return {(p.block.kind, p.block.name): p.id for p in placed if p.block.kind in REWORDED_KINDS}

"""The report's list of blocks, kept up to date turn by turn: which are new, which stay, which are gone."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tokenprof.attribute.model import Placed, Size, nameless
from tokenprof.attribute.paths import Path
from tokenprof.data_classes.frozen import replaced
from tokenprof.facts.types import Block, BlockKind, block_key

REWORDED_KINDS = frozenset({"tool", "system", "skills_index", "memory"})
"""Kinds whose blocks keep their name when their text is edited, so that one block can replace another."""


@dataclass(slots=True)
class _Listed:
    """A `Placed` that is still being filled in."""

    id: str
    block: Block
    context: str
    size: Size
    born_turn: int
    last_turn: int
    evicted_by: str | None = None
    replaces: str | None = None

    def placed(self) -> Placed:
        return Placed(
            self.id,
            self.block,
            self.context,
            self.size,
            self.born_turn,
            self.last_turn,
            self.evicted_by,
            self.replaces,
        )


def _common(before: Path, path: Path) -> int:
    """Return how many leading nodes two prompts share."""
    if path.base == before.turn:
        return path.shared
    pairs = zip(before.nodes, path.nodes, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(before.nodes), len(path.nodes)))


def _by_text(gone: Iterable[_Listed]) -> dict[str, deque[_Listed]]:
    waiting: dict[str, deque[_Listed]] = defaultdict(deque)
    for listed in gone:
        waiting[block_key(listed.block)].append(listed)
    return waiting


@dataclass(slots=True)
class Listing:
    """Blocks by their id in the report. A text that appears in two contexts is listed in both."""

    _blocks: dict[str, _Listed] = field(default_factory=dict)
    _known: dict[tuple[str, str], dict[int, _Listed]] = field(default_factory=lambda: defaultdict(dict))
    _present: dict[tuple[str, str], Path] = field(default_factory=dict)
    _deferred: dict[str, dict[str, _Listed]] = field(default_factory=lambda: defaultdict(dict))

    def blocks(self) -> dict[str, Placed]:
        """Return all blocks by id, in order of first appearance."""
        for key, path in self._present.items():
            for node in path.nodes:
                if node in self._known[key]:
                    self._known[key][node].last_turn = path.turn
        whole = self._whole_groups()
        for listed in self._blocks.values():
            group = listed.size.group
            if group is not None and (listed.context, group.number) not in whole:
                listed.size = replaced(listed.size, group=None)
        return {block_id: listed.placed() for block_id, listed in self._blocks.items()}

    def _whole_groups(self) -> set[tuple[str, int]]:
        """Return the groups, by context, of which all blocks are listed; of others the sum would not hold."""
        left: dict[tuple[str, int], int] = {}
        for one in self._blocks.values():
            group = one.size.group
            if group is not None:
                key = one.context, group.number
                left[key] = left.get(key, group.blocks) - 1
        return {key for key, blocks in left.items() if not blocks}

    def show_prompt(
        self,
        key: tuple[str, str],
        path: Path,
        kept: int,
        shown: Sequence[tuple[int, Block, Size] | None],
        *,
        compacted: bool,
    ) -> list[str]:
        """Record the blocks of a prompt and return the ids of those after the first `kept` nodes of its path.

        `key` is the context and the model. `shown` holds (node, block, size) for each of those blocks, or
        None for an empty place.
        """
        context, model = key
        here = self._known[key]
        before = self._present.get(key)
        # Only what differs from the previous prompt is looked at, however long both are.
        same = _common(before, path) if before else 0
        arrived = [(at, item) for at, item in enumerate(shown, kept) if item is not None]
        sent = {item[0] for _, item in arrived} | set(path.nodes[same:kept])
        gone = [
            here[node]
            for node in (before.nodes[same:] if before else ())
            if node not in sent and node in here
        ]
        moved = _by_text(gone)
        for _, (node, block, size) in arrived:
            # After a change further up, the same blocks have other places in the tree.
            alike = moved.get(block_key(block)) if moved and node not in here else None
            if alike:
                here[node] = alike.popleft()
                if size.exact and not here[node].size.exact:
                    here[node].size = size
        reworded = {
            (listed.block.kind, listed.block.name): listed.id
            for waiting in moved.values()
            for listed in waiting
            if listed.block.kind in REWORDED_KINDS
        }
        ids = [""] * len(shown)
        for at, (node, block, size) in arrived:
            listed = here.get(node)
            if listed is None:
                replaces = reworded.pop((block.kind, block.name), None)
                block_id = self._new_id(context, model, node)
                listed = here[node] = self._add(block_id, block, context, size, path.turn, replaces)
                self._forget_deferred(context, block)
            ids[at - kept] = listed.id
        for node in sent & here.keys():
            here[node].evicted_by = None
        for waiting in moved.values():
            for listed in waiting:
                listed.evicted_by = "compaction" if compacted else "changed"
        if before:
            for node in before.nodes[same:]:
                if node in here:
                    here[node].last_turn = max(here[node].last_turn, before.turn)
        self._present[key] = path
        return ids

    def show_deferred(self, context: str, turn: int, blocks: Sequence[Block]) -> None:
        """Record tools whose schemas are not in the prompt until they are referenced."""
        known = self._deferred[context]
        for block in blocks:
            if block.name in known:
                known[block.name].last_turn = turn
            else:
                block_id = f"{context}/deferred:{block.name}"
                known[block.name] = self._add(block_id, block, context, Size(0, 0, 0, True), turn)

    def extra(self, context: str, turn: int, kind: BlockKind, name: str, tokens: int, *, exact: bool) -> str:
        """Record tokens that belong to no block on the wire, as one block per context, kind and name."""
        block_id = f"{context}/{kind}:{name}"
        known = self._blocks.get(block_id)
        if known is None:
            self._add(block_id, nameless(kind, name), context, Size(tokens, tokens, tokens, exact), turn)
            return block_id
        known.last_turn = turn
        if known.size.tokens != tokens:
            size = known.size
            known.size = Size(tokens, min(size.low, tokens), max(size.high, tokens), False)
        return block_id

    def output(self, context: str, turn: int, place: str, block: Block, size: Size) -> str:
        """Record a block that a turn wrote, and return its id."""
        return self._add(f"{context}/{turn}.{place}", block, context, size, turn).id

    def _add(
        self, block_id: str, block: Block, context: str, size: Size, turn: int, replaces: str | None = None
    ) -> _Listed:
        listed = _Listed(block_id, block, context, size, turn, turn, replaces=replaces)
        self._blocks[block_id] = listed
        return listed

    def _new_id(self, context: str, model: str, node: int) -> str:
        block_id = f"{context}/{node}"
        return block_id if block_id not in self._blocks else f"{context}/{model}/{node}"

    def _forget_deferred(self, context: str, block: Block) -> None:
        """Drop a tool from the deferred ones once it is referenced, so that it is not listed twice."""
        placeholder = self._deferred[context].pop(block.name, None) if block.kind == "tool" else None
        if placeholder is not None:
            del self._blocks[placeholder.id]

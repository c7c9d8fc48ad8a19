"""Attribution of a run: which block each billed token of each turn belongs to.

A turn's prompt is laid out in billing order, and its cache classes are consecutive intervals of that
order. If the bill pins the size of a block, that size is used; otherwise the block gets an estimated part of
the smallest group that the bill does pin (`sizes`). For every turn and class, the tokens of the shares add
up to the tokens of the usage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tokenprof.attribute.classes import Piece
from tokenprof.attribute.cleared_results import follow_clearing, is_result, oldest_that_fit
from tokenprof.attribute.counts import Counts, counted_places
from tokenprof.attribute.listing import Listing
from tokenprof.attribute.model import Attribution, Size
from tokenprof.attribute.outputs import expected_outputs, output_shares
from tokenprof.attribute.paths import OutputHint, Path, find_end_tokens, lay_out, output_hints, pin, pin_count
from tokenprof.attribute.repeated_outputs import repeated_outputs
from tokenprof.attribute.shares import PieceRow, TurnShares
from tokenprof.attribute.sizes import solve_sizes
from tokenprof.attribute.solve import largest_remainder
from tokenprof.attribute.thinking import drops_earlier_thinking, earlier_thinking
from tokenprof.attribute.tree import Tree
from tokenprof.facts.shared_prefix import Trail
from tokenprof.facts.types import Block, Run, Turn
from tokenprof.pricing.usage import Usage

UNPLACED_NAME = "in the bill, on no block of the request"
END_NAME = "end-of-prompt tokens"

Prompts = Sequence[Trail[Block]]


def attribute(run: Run, counts: Counts | None = None) -> Attribution:
    """Attribute every billed token of a run. Models are solved separately, as each has its own tokenizer.

    `counts` are the provider's own counts of how these prompts begin, if `tokenprof count` has been run.
    """
    prompts = run.prompts()
    by_model: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, turn in enumerate(run.turns):
        by_model[turn.provider, turn.model].append(index)
    layouts: dict[int, tuple[Tree, Path, Sequence[Size]]] = {}
    outputs: dict[int, Size] = {}
    notes: list[str] = []
    segments = 0
    for (provider, model), indices in by_model.items():
        tree = Tree()
        paths = _lay_out_all(tree, run.turns, prompts, indices, notes)
        hints = _take_in_the_bill(tree, run.turns, paths)
        for i, path in paths.items() if counts else ():
            for block, tokens in counted_places(run.turns[i].model, prompts[i], counts or {}):
                # The count of a prompt that ends in a message includes the provider's closing tokens.
                closing = path.end_tokens if prompts[i][block].section == "messages" else 0
                pin_count(tree, path, block, tokens - closing)
        sizes = solve_sizes(tree, provider, model, hints, segments)
        segments += len(tree.nodes)
        layouts |= {i: (tree, path, sizes) for i, path in paths.items()}
        outputs |= repeated_outputs(run.turns, paths, tree, sizes)
    listing = Listing()
    rows = _Rows(listing, expected_outputs(run.turns), notes)
    shares = [rows.shares_of(turn, prompts[i], *layouts[i]) for i, turn in enumerate(run.turns)]
    return Attribution(listing.blocks(), tuple(shares), tuple(notes), outputs)


def _lay_out_all(
    tree: Tree, turns: Sequence[Turn], prompts: Prompts, indices: Sequence[int], notes: list[str]
) -> dict[int, Path]:
    forgets = drops_earlier_thinking(turns, prompts, indices)
    cleared = follow_clearing(turns, prompts, indices)
    paths: dict[int, Path] = {}
    newest: dict[str, int] = {}
    for index in indices:
        turn = turns[index]
        base, same = turn.base, turn.kept
        if base is not None and base not in paths:
            # Another model was asked last: this one counts otherwise, and extends what it was sent itself.
            base = newest.get(turn.context)
            same = 0 if base is None else prompts[index].shared_with(prompts[base])
        newest[turn.context] = index
        path = paths[base] if base is not None else None
        left_out = earlier_thinking(prompts[index]) if forgets else frozenset()
        if cleared is not None:
            if newly := cleared.take(index, base, same, left_out - path.absent if path else ()):
                notes.append(_cleared_note(index, newly))
            left_out |= cleared.in_prompt(index)
        paths[index] = lay_out(tree, turn, prompts[index], index, path, same, left_out)
    return paths


def _cleared_note(turn: int, results: int) -> str:
    oldest = "result of a tool counts" if results == 1 else f"{results:,} results of tools count"
    return (
        f"Turn {turn}: the provider billed less than the request holds. The oldest {oldest} as cleared from "
        "here on; the bill does not say which."
    )


def _take_in_the_bill(tree: Tree, turns: Sequence[Turn], paths: Mapping[int, Path]) -> list[OutputHint]:
    """Set the pins of all bills, in time order. Return what outputs say about the messages they became."""
    usual_end = find_end_tokens(turns, paths)
    hints: list[OutputHint] = []
    newest: dict[str, Turn] = {}
    for index, path in paths.items():
        turn = turns[index]
        pin(tree, turn, path, usual_end)
        hints += output_hints(tree, newest.get(turn.context), path)
        newest[turn.context] = turn
    return hints


@dataclass(slots=True)
class _Rows:
    """The prompts of a run as rows of listed blocks. Each row extends that of an earlier turn.

    `outputs` are the expected sizes of outputs, as `expected_outputs` gives them.
    """

    listing: Listing
    outputs: Mapping[int, Sequence[float]]
    notes: list[str]
    _rows: dict[int, tuple[tuple[str, str], PieceRow, int]] = field(default_factory=dict)

    def shares_of(
        self, turn: Turn, prompt: Sequence[Block], tree: Tree, path: Path, sizes: Sequence[Size]
    ) -> TurnShares:
        """List the blocks of a turn and return its shares; an unmeasured turn has blocks but no shares."""
        row = self._row_of(turn, tree, path, sizes)
        length = len(path.nodes)
        deferred = [block for block in (prompt[i] for i in sorted(path.absent)) if block.deferred]
        self.listing.show_deferred(turn.context, path.turn, deferred)
        if turn.usage is None:
            return TurnShares()
        row, extra = self._fit_to_bill(turn, turn.usage, row, tree, path)
        expected = self.outputs.get(path.turn, ())
        output = tuple(output_shares(turn, turn.usage, path.turn, expected, self.listing))
        breakpoints = tuple((path.reach(b.after), b.ttl) for b in turn.breakpoints)
        return TurnShares(row, length, extra, turn.usage, output, breakpoints)

    def _row_of(self, turn: Turn, tree: Tree, path: Path, sizes: Sequence[Size]) -> PieceRow:
        """Return the row whose first blocks are the nodes of the turn. An empty node has no block."""
        listed_by = (turn.context, turn.model)
        shown_by, base_row, base_length = self._rows.get(
            -1 if path.base is None else path.base, (listed_by, PieceRow(), 0)
        )
        kept = min(path.shared, base_length) if shown_by == listed_by else 0
        row = base_row.upto(kept)
        nodes = tree.nodes
        shown = [
            (node, nodes[node].block, sizes[node])
            if nodes[node].role != "unseen" or sizes[node].tokens
            else None
            for node in path.nodes[kept:]
        ]
        ids = self.listing.show_prompt(listed_by, path, kept, shown, compacted=turn.compacted)
        for id_, item in zip(ids, shown, strict=True):
            row.add(Piece(id_, 0, True) if item is None else Piece(id_, item[2].tokens, item[2].exact))
        self._rows[path.turn] = (listed_by, row, len(path.nodes))
        return row

    def _fit_to_bill(
        self, turn: Turn, usage: Usage, row: PieceRow, tree: Tree, path: Path
    ) -> tuple[PieceRow, tuple[Piece, ...]]:
        """Return pieces that add up to the billed input; a surplus or deficit is named, not spread."""
        extra: list[Piece] = []
        length = len(path.nodes)
        content_tokens = usage.input_tokens - path.end_tokens
        surplus = content_tokens - (row.ends[length - 1] if length else 0)
        if surplus < 0:
            blocks = [tree.nodes[node].block for node in path.nodes]
            shrunk = PieceRow()
            for piece in _shrunk(row.pieces[:length], blocks, content_tokens):
                shrunk.add(piece)
            row = shrunk
            self.notes.append(
                f"Turn {path.turn}: the provider billed {-surplus:,} tokens less than these blocks held "
                "before; it dropped or changed part of the history."
            )
        elif surplus:
            name = UNPLACED_NAME
            id_ = self.listing.extra(turn.context, path.turn, "unattributed", name, surplus, exact=False)
            extra.append(Piece(id_, surplus, False))
        if path.end_tokens:
            tokens, seen = path.end_tokens, path.end_is_seen
            id_ = self.listing.extra(
                turn.context, path.turn, "provider_overhead", END_NAME, tokens, exact=seen
            )
            extra.append(Piece(id_, tokens, seen))
        return row, tuple(extra)


def _shrunk(pieces: Sequence[Piece], blocks: Sequence[Block], total: int) -> list[Piece]:
    """Take a deficit from what providers and harnesses leave out, and the rest from all blocks alike.

    First from thinking, then from whole results of tools, the oldest first.
    """
    tokens = [piece.tokens for piece in pieces]
    deficit = sum(tokens) - total
    for index, block in enumerate(blocks):
        if block.kind == "thinking" and deficit > 0:
            taken = min(deficit, tokens[index])
            tokens[index] -= taken
            deficit -= taken
    results = [index for index, block in enumerate(blocks) if is_result(block) and tokens[index]]
    for index in results[: oldest_that_fit([tokens[at] for at in results], deficit)] if deficit > 0 else ():
        deficit -= tokens[index]
        tokens[index] = 0
    if deficit:
        tokens = largest_remainder([float(t) for t in tokens], total)
    return [Piece(piece.block, left, False) for piece, left in zip(pieces, tokens, strict=True)]

"""Attribution of a run: which block each billed token of each turn belongs to.

A turn's prompt is laid out in the order in which it is billed; its cache classes are consecutive
intervals of that order. Sizes of blocks come from the bill where it pins them and from an estimate
inside the smallest group that it pins (`sizes`). The invariant, per turn and class: the tokens of
the shares are the tokens of the usage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tokenprof.attribute.classes import Piece, classify
from tokenprof.attribute.listing import Listing
from tokenprof.attribute.model import Attribution, Share, Size
from tokenprof.attribute.outputs import output_shares
from tokenprof.attribute.paths import OutputHint, Path, find_end_tokens, lay_out, output_hints, pin
from tokenprof.attribute.sizes import solve_sizes
from tokenprof.attribute.solve import largest_remainder
from tokenprof.attribute.thinking import drops_earlier_thinking, earlier_thinking
from tokenprof.attribute.tree import Tree
from tokenprof.pricing.usage import Usage
from tokenprof.types import Block, Run, Turn

UNPLACED_NAME = "in the bill, on no block of the request"
END_NAME = "end-of-prompt tokens"

Prompts = Sequence[tuple[Block, ...]]


def attribute(run: Run) -> Attribution:
    """Attribute every billed token of a run, each model apart (its tokenizer is its own)."""
    prompts = run.prompts()
    by_model: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, turn in enumerate(run.turns):
        by_model[turn.provider, turn.model].append(index)
    layouts: dict[int, tuple[Tree, Path, Mapping[int, Size]]] = {}
    for (provider, model), indices in by_model.items():
        tree = Tree()
        paths = _lay_out_all(tree, run.turns, prompts, indices)
        hints = _take_in_the_bill(tree, run.turns, paths)
        sizes = solve_sizes(tree, provider, model, hints)
        layouts |= {i: (tree, path, sizes) for i, path in paths.items()}
    listing = Listing()
    notes: list[str] = []
    shares = [_shares_of(turn, prompts[i], *layouts[i], listing, notes) for i, turn in enumerate(run.turns)]
    return Attribution(listing.blocks(), tuple(shares), tuple(notes))


def _lay_out_all(
    tree: Tree, turns: Sequence[Turn], prompts: Prompts, indices: Sequence[int]
) -> dict[int, Path]:
    forgets = drops_earlier_thinking(turns, prompts, indices)
    paths: dict[int, Path] = {}
    for index in indices:
        base = turns[index].base
        paths[index] = lay_out(
            tree,
            turns[index],
            prompts[index],
            index,
            paths.get(base) if base is not None else None,
            earlier_thinking(prompts[index]) if forgets else frozenset(),
        )
    return paths


def _take_in_the_bill(tree: Tree, turns: Sequence[Turn], paths: Mapping[int, Path]) -> list[OutputHint]:
    """Pin what the bills pin, in time order, and return what outputs say of the messages they became."""
    usual_end = find_end_tokens(turns, paths)
    hints: list[OutputHint] = []
    newest: dict[str, Turn] = {}
    for index, path in paths.items():
        turn = turns[index]
        pin(tree, turn, path, usual_end)
        hints += output_hints(tree, newest.get(turn.context), path)
        newest[turn.context] = turn
    return hints


def _shares_of(
    turn: Turn,
    prompt: Sequence[Block],
    tree: Tree,
    path: Path,
    sizes: Mapping[int, Size],
    listing: Listing,
    notes: list[str],
) -> tuple[Share, ...]:
    """Return the shares of a turn, and list its blocks; an unmeasured turn has blocks and no shares."""
    shown = [
        (node, tree.block(node), sizes[node])
        for node in path.nodes
        if tree.nodes[node].role != "unseen" or sizes[node].tokens
    ]
    ids = listing.show_prompt(turn.context, turn.model, path.turn, shown, compacted=turn.compacted)
    listing.show_deferred(turn.context, path.turn, [block for block in prompt if block.deferred])
    if turn.usage is None:
        return ()
    pieces = [Piece(i, size.tokens, size.exact) for i, (_, _, size) in zip(ids, shown, strict=True)]
    pieces = _fit_to_bill(pieces, shown, turn, turn.usage, path, listing, notes)
    shares = [
        Share(piece.block, cls, tokens, piece.exact, start)
        for piece, cls, tokens, start in classify(pieces, turn.usage)
    ]
    return (*shares, *output_shares(turn, turn.usage, path.turn, listing))


def _fit_to_bill(
    pieces: list[Piece],
    shown: Sequence[tuple[int, Block, Size]],
    turn: Turn,
    usage: Usage,
    path: Path,
    listing: Listing,
    notes: list[str],
) -> list[Piece]:
    """Return pieces that hold exactly the billed input: what is over or short is named, not spread."""
    content_tokens = usage.input_tokens - path.end_tokens
    surplus = content_tokens - sum(piece.tokens for piece in pieces)
    if surplus < 0:
        pieces = _shrunk(pieces, [block for _, block, _ in shown], content_tokens)
        notes.append(
            f"Turn {path.turn}: the provider billed {-surplus:,} tokens less than these blocks held before; "
            "it dropped or changed part of the history."
        )
    elif surplus:
        extra = listing.extra(turn.context, path.turn, "unattributed", UNPLACED_NAME, surplus, exact=False)
        pieces = [*pieces, Piece(extra, surplus, False)]
    if path.end_tokens:
        end = listing.extra(
            turn.context, path.turn, "provider_overhead", END_NAME, path.end_tokens, exact=path.end_is_seen
        )
        pieces = [*pieces, Piece(end, path.end_tokens, path.end_is_seen)]
    return pieces


def _shrunk(pieces: Sequence[Piece], blocks: Sequence[Block], total: int) -> list[Piece]:
    """Take a deficit from thinking first (which providers drop from the history), then from all alike."""
    tokens = [piece.tokens for piece in pieces]
    deficit = sum(tokens) - total
    for index, block in enumerate(blocks):
        if block.kind == "thinking" and deficit > 0:
            taken = min(deficit, tokens[index])
            tokens[index] -= taken
            deficit -= taken
    if deficit > 0:
        tokens = largest_remainder([float(t) for t in tokens], total)
    return [Piece(piece.block, left, False) for piece, left in zip(pieces, tokens, strict=True)]

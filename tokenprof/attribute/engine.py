"""Attribution of a run: which block each billed token of each turn belongs to.

A turn's prompt is laid out in the order in which it is billed; its cache classes are consecutive
intervals of that order. Sizes of blocks come from the bill where it pins them and from an estimate
inside the smallest group that it pins (`sizes`). The invariant, per turn and class: the tokens of
the shares are the tokens of the usage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tokenprof.attribute.classes import Piece, classify
from tokenprof.attribute.estimate import features_of, fit
from tokenprof.attribute.sizes import OutputHint, Size, solve_sizes
from tokenprof.attribute.solve import largest_remainder
from tokenprof.attribute.tree import Tree
from tokenprof.types import Block, Features, Run, Turn, block_key

Key = tuple[str, int]
"""A block in the report: the context it stands in, and its node."""

OUTPUT_HINT_RELATIVE_SD = 0.02
OUTPUT_HINT_SD_TOKENS = 6.0
MAX_END_TOKENS = 64
"""More fresh tokens than this behind the last breakpoint are content, not a provider's closing tokens."""


@dataclass(frozen=True, slots=True)
class Share:
    """Tokens of one turn, of one cache class, on one block. `count` is of uses, for fees."""

    block: str
    cls: str
    tokens: int
    exact: bool
    start: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """A block as the report lists it: where it stood, when it came and went, how large it is."""

    id: str
    block: Block
    context: str
    size: Size
    born_turn: int
    last_turn: int
    evicted_by: str | None = None
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Allocation:
    """The shares of one turn, in prompt order, then output."""

    turn: int
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Attribution:
    """Blocks and shares of a whole run; `notes` say what could not be pinned and why."""

    blocks: Mapping[str, Placed]
    allocations: tuple[Allocation, ...]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _TurnPath:
    turn: int
    nodes: list[int]
    prefix_nodes: int
    end_tokens: int = 0
    pinned: bool = False


@dataclass(slots=True)
class _Listing:
    """Collects the blocks of the report while the turns are walked."""

    blocks: dict[str, Placed] = field(default_factory=dict)
    current: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))


def attribute(run: Run) -> Attribution:
    """Attribute every billed token of a run."""
    prompts = run.prompts()
    by_model: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, turn in enumerate(run.turns):
        by_model[turn.provider, turn.model].append(index)
    listing = _Listing()
    allocations: dict[int, Allocation] = {}
    notes: list[str] = []
    for (provider, model), indices in by_model.items():
        _attribute_model(run, prompts, provider, model, indices, listing, allocations, notes)
    ordered = tuple(allocations[i] for i in range(len(run.turns)))
    return Attribution(listing.blocks, ordered, tuple(notes))


def _attribute_model(
    run: Run,
    prompts: Sequence[tuple[Block, ...]],
    provider: str,
    model: str,
    indices: Sequence[int],
    listing: _Listing,
    allocations: dict[int, Allocation],
    notes: list[str],
) -> None:
    tree = Tree()
    paths = {i: _path_of(tree, run.turns[i], prompts[i], i) for i in indices}
    preambles = frozenset(
        n for n, node in enumerate(tree.nodes) if node.block is not None and node.block.kind == "provider_overhead"
    )
    usual_end = _find_end_tokens(run, prompts, paths)
    hints: list[OutputHint] = []
    newest: dict[str, Turn] = {}
    for i in indices:
        turn = run.turns[i]
        _pin(tree, turn, paths[i], usual_end)
        hints.extend(_output_hints(tree, newest.get(turn.context), paths[i]))
        newest[turn.context] = turn
    sizes = solve_sizes(tree, provider, model, hints, preambles)
    estimator = fit(model, provider, [])
    for i in indices:
        turn = run.turns[i]
        shares = [] if turn.usage is None else _prompt_shares(tree, turn, paths[i], sizes, listing, notes)
        if turn.usage is not None:
            shares += _output_shares(turn, i, listing, lambda b: estimator.expected(features_of(b)))
        else:
            _list_prompt(tree, turn, paths[i], sizes, listing)
        allocations[i] = Allocation(i, tuple(shares))


def _overhead(name: str, kind: str = "provider_overhead", *, section: str = "tools") -> Block:
    return Block(
        kind=kind,  # type: ignore[arg-type]
        name=name,
        digest="",
        section=section,  # type: ignore[arg-type]
        role="provider",
        opens_message=False,
        features=Features(version=0, bytes=0),
    )


def _path_of(tree: Tree, turn: Turn, prompt: Sequence[Block], index: int) -> _TurnPath:
    """Lay a prompt out in the tree, with what stands before it unseen; unreferenced deferred tools take no place."""
    steps: list[tuple[str, Block, bool]] = []
    if turn.hidden_prefix:
        hidden = _overhead("system prompt and tools, not in the transcript", "unattributed")
        steps.append((f"hidden:{turn.agent}:{'tools' if turn.context else ''}", hidden, True))
    elif any(block.section == "tools" and not block.deferred for block in prompt):
        steps.append(("preamble", _overhead("tools-present preamble"), False))
    steps += [(block_key(block), block, False) for block in prompt if not block.deferred]
    nodes = tree.walk(steps, index)
    return _TurnPath(index, nodes, len(steps) - sum(not block.deferred for block in prompt))


def _node_at(path: _TurnPath, prompt: Sequence[Block], after: int) -> int:
    """Return how many nodes of a path lie up to and including block `after` of the prompt."""
    return path.prefix_nodes + sum(not block.deferred for block in prompt[: after + 1])


def _find_end_tokens(
    run: Run, prompts: Sequence[tuple[Block, ...]], paths: Mapping[int, _TurnPath]
) -> int:
    """Note, per turn, the closing tokens that follow the last block, where a breakpoint on it shows them."""
    found = []
    for i, path in paths.items():
        turn = run.turns[i]
        if turn.usage is None or not turn.breakpoints or not path.nodes:
            continue
        at_end = _node_at(path, prompts[i], max(b.after for b in turn.breakpoints)) == len(path.nodes)
        fresh = turn.usage.uncached_input_tokens
        cached = turn.usage.input_tokens - fresh
        if at_end and cached and fresh <= MAX_END_TOKENS:
            path.end_tokens, path.pinned = fresh, True
            found.append(fresh)
    return int(median(found)) if found else 0


def _pin(tree: Tree, turn: Turn, path: _TurnPath, usual_end: int) -> None:
    """Pin what the bill of a turn says: the whole prompt, and the ends of its cached parts."""
    usage = turn.usage
    if usage is None or not path.nodes:
        return
    if not path.pinned:
        path.end_tokens = min(usual_end, usage.uncached_input_tokens)
    tree.pin(path.nodes[-1], usage.input_tokens - path.end_tokens)
    written = usage.input_tokens - usage.uncached_input_tokens
    points = sorted(turn.breakpoints, key=lambda b: b.after)
    if not points or not written:
        return
    offset = path.prefix_nodes
    last = points[-1].after + offset
    if last < len(path.nodes) and written > usage.cache_read_tokens:
        tree.pin(path.nodes[last], written)
    long_lived = [b for b in points if b.ttl in ("1h", "12h")]
    long_written = usage.cache_write_1h_tokens + usage.cache_write_12h_tokens
    if long_lived and long_written and long_lived[-1].after + offset < len(path.nodes):
        tree.pin(path.nodes[long_lived[-1].after + offset], usage.cache_read_tokens + long_written)


def _output_hints(tree: Tree, previous: Turn | None, path: _TurnPath) -> list[OutputHint]:
    """Tie the newest assistant message of a prompt to the output that the context's previous call was billed."""
    if previous is None or previous.usage is None or previous.output_incomplete:
        return []
    new = [n for n in path.nodes if tree.nodes[n].first_turn == path.turn]
    message: list[int] = []
    for node in new:
        block = tree.nodes[node].block
        if block is None:
            continue
        if block.role == "assistant" and (message or block.opens_message):
            if block.opens_message and message:
                break
            message.append(node)
        elif message:
            break
    visible = tuple(n for n in message if (b := tree.nodes[n].block) is not None and b.kind != "thinking")
    thinking = tuple(n for n in message if n not in visible)
    usage = previous.usage
    if usage.reasoning_tokens or not thinking:
        billed = [(visible, usage.output_tokens), (thinking, usage.reasoning_tokens)]
    else:
        billed = [(tuple(message), usage.all_output_tokens)]
    return [
        OutputHint(nodes, tokens, (OUTPUT_HINT_SD_TOKENS + OUTPUT_HINT_RELATIVE_SD * tokens) ** 2)
        for nodes, tokens in billed
        if nodes
    ]


def _prompt_shares(
    tree: Tree, turn: Turn, path: _TurnPath, sizes: Mapping[int, Size], listing: _Listing, notes: list[str]
) -> list[Share]:
    """Return the input shares of a turn: sizes in prompt order, cut into the billed classes."""
    usage = turn.usage
    if usage is None:
        return []
    _list_prompt(tree, turn, path, sizes, listing)
    here = listing.current[turn.context]
    pieces = [Piece(here[n], sizes[n].tokens, sizes[n].exact) for n in path.nodes]
    surplus = usage.input_tokens - path.end_tokens - sum(piece.tokens for piece in pieces)
    if surplus < 0:
        pieces = _shrink(pieces, usage.input_tokens - path.end_tokens, [tree.nodes[n].block for n in path.nodes])
        notes.append(
            f"turn {path.turn}: the provider billed {-surplus:,} tokens less than the blocks sent had held before; "
            "blocks of the history were dropped or changed on its side."
        )
    elif surplus > 0:
        pieces.append(_extra(listing, turn, path.turn, "unattributed", "in the bill, on no block of the request", surplus))
    if path.end_tokens:
        name = "end-of-prompt tokens"
        pieces.append(_extra(listing, turn, path.turn, "provider_overhead", name, path.end_tokens))
    return [
        Share(piece.block, cls, tokens, piece.exact, start)
        for piece, cls, tokens, start in classify(pieces, usage)
    ]


def _shrink(pieces: Sequence[Piece], total: int, blocks: Sequence[Block | None]) -> list[Piece]:
    """Take a deficit from thinking first (which providers drop), then from all blocks alike."""
    deficit = sum(piece.tokens for piece in pieces) - total
    tokens = [piece.tokens for piece in pieces]
    for index, block in enumerate(blocks):
        if deficit > 0 and block is not None and block.kind == "thinking":
            taken = min(deficit, tokens[index])
            tokens[index] -= taken
            deficit -= taken
    if deficit > 0:
        tokens = largest_remainder([float(t) for t in tokens], total)
    return [Piece(piece.block, t, False) for piece, t in zip(pieces, tokens, strict=True)]


def _extra(listing: _Listing, turn: Turn, index: int, kind: str, name: str, tokens: int) -> Piece:
    """List a block for tokens that stand on no block of the wire: one per context and name."""
    block_id = f"{turn.context}/{kind}:{name}"
    known = listing.blocks.get(block_id)
    exact = kind == "provider_overhead"
    size = Size(tokens, tokens, tokens, exact)
    if known is not None and known.size.tokens != tokens:
        size = Size(tokens, min(known.size.low, tokens), max(known.size.high, tokens), False)
    listing.blocks[block_id] = Placed(
        id=block_id,
        block=_overhead(name, kind, section="messages"),
        context=turn.context,
        size=size,
        born_turn=known.born_turn if known else index,
        last_turn=index,
    )
    return Piece(block_id, tokens, exact)


def _list_prompt(
    tree: Tree, turn: Turn, path: _TurnPath, sizes: Mapping[int, Size], listing: _Listing
) -> None:
    """Keep the report's list of a context's blocks: who is new, who is still there, who went."""
    here = listing.current[turn.context]
    present = set(path.nodes)
    gone = {n: i for n, i in here.items() if n not in present and listing.blocks[i].evicted_by is None}
    replaced = _replaced(tree, gone, listing)
    for node in path.nodes:
        known = here.get(node)
        if known is not None:
            listing.blocks[known] = _with(listing.blocks[known], last_turn=path.turn, evicted_by=None)
            continue
        block = tree.nodes[node].block
        if block is None:
            continue
        block_id = f"{turn.context}/{node}" if turn.provider == "anthropic" else f"{turn.context}/{turn.model}/{node}"
        while block_id in listing.blocks:
            block_id += "'"
        here[node] = block_id
        listing.blocks[block_id] = Placed(
            id=block_id,
            block=block,
            context=turn.context,
            size=sizes[node],
            born_turn=path.turn,
            last_turn=path.turn,
            replaces=replaced.pop((block.kind, block.name, block.section), None),
        )
    reason = "compaction" if turn.compacted else "changed"
    for block_id in gone.values():
        listing.blocks[block_id] = _with(listing.blocks[block_id], evicted_by=reason)


def _replaced(tree: Tree, gone: Mapping[int, str], listing: _Listing) -> dict[tuple[str, str, str], str]:
    """Return, by kind and name, the blocks that left the context and that a new wording may replace."""
    found = {}
    for block_id in gone.values():
        block = listing.blocks[block_id].block
        if block.kind in ("tool", "system", "skills_index", "memory"):
            found[block.kind, block.name, block.section] = block_id
    return found


def _with(placed: Placed, **changes: object) -> Placed:
    from dataclasses import replace

    return replace(placed, **changes)  # type: ignore[arg-type]


def _output_shares(turn: Turn, index: int, listing: _Listing, expected: object) -> list[Share]:
    """Return the output shares of a turn: reasoning on thinking blocks, the rest on the others."""
    usage = turn.usage
    if usage is None:
        return []
    shares: list[Share] = []
    thinking = [b for b in turn.output if b.role == "reasoning"]
    others = [b for b in turn.output if b.role != "reasoning"]
    if not usage.reasoning_tokens:
        # Without a count of their own, thinking blocks share what was billed as output.
        thinking, others = [], list(turn.output)
    named = [(b, "reasoning") for b in thinking] + [(b, "output") for b in others]
    by_class = {"reasoning": usage.reasoning_tokens, "output": usage.output_tokens}
    order = [b for b in turn.output] or []
    tokens_of: dict[int, tuple[str, int, bool]] = {}
    for cls, total in by_class.items():
        blocks = [b for b, c in named if c == cls]
        if not total:
            continue
        if not blocks:
            extra = _output_block("reasoning, not shown" if cls == "reasoning" else "output")
            order.append(extra)
            tokens_of[id(extra)] = (cls, total, True)
            continue
        parts = largest_remainder([expected(b) for b in blocks], total, [1] * len(blocks))  # type: ignore[operator]
        for block, tokens in zip(blocks, parts, strict=True):
            tokens_of[id(block)] = (cls, tokens, len(blocks) == 1)
    for position, block in enumerate(order):
        cls, tokens, exact = tokens_of.get(id(block), ("output", 0, True))
        block_id = f"{turn.context}/out{index}.{position}"
        low, high = (tokens, tokens) if exact else (min(1, tokens), by_class[cls])
        listing.blocks[block_id] = Placed(block_id, block, turn.context, Size(tokens, low, high, exact), index, index)
        if tokens:
            shares.append(Share(block_id, cls, tokens, exact))
    for unit, count in usage.fees:
        block_id = f"{turn.context}/fee{index}.{unit}"
        block = _output_block(unit)
        listing.blocks[block_id] = Placed(block_id, block, turn.context, Size(0, 0, 0, True), index, index)
        shares.append(Share(block_id, "fee", 0, True, count=count))
    return shares


def _output_block(name: str) -> Block:
    return Block(
        kind="output",
        name=name,
        digest="",
        section="messages",
        role="assistant",
        opens_message=False,
        features=Features(version=0, bytes=0),
    )

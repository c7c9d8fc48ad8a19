"""Prompts as paths in the tree, with the pins and hints that their bills give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tokenprof.attribute.model import nameless
from tokenprof.attribute.tree import PathStep, Tree
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.shared_prefix import Trail
from tokenprof.facts.types import Block, Turn, block_key

OUTPUT_HINT_RELATIVE_SD = 0.02
OUTPUT_HINT_SD_TOKENS = 6.0
MAX_END_TOKENS = 64
"""More fresh tokens than this after the last breakpoint are content, not the provider's closing tokens."""

MAX_UNMARKED_END_TOKENS = 8
"""The same if breakpoints are unknown; calls of Claude Code show 1 to 3."""

LEADING_ROLES = ("hidden", "overhead")

HIDDEN = nameless("unattributed", "system prompt and tools, not in the source", section="tools")
PREAMBLE = nameless("provider_overhead", "tools-present preamble", section="tools")
UNSEEN = nameless("unattributed", "sent with a message, not in the source")


@dataclass(slots=True)
class Path:
    """One turn's prompt as nodes of the tree.

    The first `shared` nodes are also the first of turn `base`. `places` gives, per block of the prompt, its
    index in `nodes`, or None for those in `absent`: deferred tools, and blocks that the provider dropped.
    `marks` are the nodes with breakpoints of this turn and of the turns it extends. `end_tokens` follow the
    last block and belong to the provider; `end_is_seen` says that this turn's own bill shows them.
    """

    turn: int
    nodes: Trail[int]
    places: Trail[int | None]
    absent: frozenset[int] = frozenset()
    base: int | None = None
    shared: int = 0
    marks: Trail[int] = field(default_factory=Trail)
    end_tokens: int = 0
    end_is_seen: bool = False

    def reach(self, after: int) -> int:
        """Return how many nodes the prompt has up to and including block `after`."""
        at = min(after, len(self.places) - 1)
        while at >= 0 and self.places[at] is None:
            at -= 1
        place = self.places[at] if at >= 0 else None
        return 0 if place is None else place + 1


@frozen
class OutputHint:
    """Nodes that one call wrote, the output tokens that it was billed for them, and their variance."""

    nodes: tuple[int, ...]
    tokens: float
    variance: float


def lay_out(
    tree: Tree,
    turn: Turn,
    prompt: Sequence[Block],
    index: int,
    base: Path | None,
    same: int = 0,
    dropped: frozenset[int] = frozenset(),
) -> Path:
    """Return the path of a prompt in the tree, after a node for any text that precedes it unseen.

    `base` is the path of an earlier turn, whose first `same` blocks are also the first of this prompt.

    Deferred tools have no place until they are referenced, and neither have the blocks with indices in
    `dropped`, which the provider left out. A transcript may not show all that was sent with a message, so
    each of its prompts ends in a place for what is missing. Later prompts keep that place, and it stays
    empty unless the bill shows otherwise.
    """
    kept = 0 if base is None else min(same, len(base.places))
    before = frozenset() if base is None else frozenset(i for i in base.absent if i < kept)
    deferred = {i for i in before if prompt[i].deferred}
    deferred.update(i for i, block in enumerate(prompt[kept:], kept) if block.deferred)
    absent = dropped | deferred
    kept = min((i for i in absent ^ before if i < kept), default=kept)
    path = Path(index, Trail(), Trail(), absent)
    led = base is not None and bool(base.nodes) and tree.nodes[base.nodes[0]].role in LEADING_ROLES
    steps = [] if led else _lead(turn, prompt if base is None else prompt[same:])
    if base is not None and not steps:
        path.base = base.turn
        path.shared = len(base.nodes) if kept == len(base.places) else base.reach(kept - 1)
    if base is None or not path.shared:
        base, kept, steps = None, 0, _lead(turn, prompt)
    places: list[int | None] = []
    for at, block in enumerate(prompt[kept:], kept):
        if at in absent:
            places.append(None)
        else:
            places.append(path.shared + len(steps))
            steps.append(PathStep(block_key(block), block))
    if turn.hidden_prefix:
        steps.append(PathStep(f"unseen after {index}", UNSEEN, "unseen"))
    if base is None:
        path.nodes, path.places = Trail(tree.walk(steps, index)), Trail(places)
    else:
        nodes = tree.walk(steps, index, base.nodes[path.shared - 1])
        path.nodes, path.places = base.nodes.then(path.shared, nodes), base.places.then(kept, places)
    _mark(tree, turn, path, base)
    return path


def _mark(tree: Tree, turn: Turn, path: Path, base: Path | None) -> None:
    own = sorted({path.nodes[reach - 1] for b in turn.breakpoints if (reach := path.reach(b.after))})
    if base is None:
        path.marks = Trail(own)
        return
    depth = tree.nodes[path.nodes[path.shared - 1]].depth
    kept = len(base.marks)
    while kept and tree.nodes[base.marks[kept - 1]].depth > depth:
        kept -= 1
    known = set(base.marks[max(kept - 8, 0) : kept])
    path.marks = base.marks.then(kept, [node for node in own if node not in known])


def _lead(turn: Turn, blocks: Sequence[Block]) -> list[PathStep]:
    if turn.hidden_prefix:
        return [PathStep(f"hidden from {turn.agent}", HIDDEN, "hidden")]
    if any(block.section == "tools" and not block.deferred for block in blocks):
        return [PathStep("preamble", PREAMBLE, "overhead")]
    return []


def find_end_tokens(turns: Sequence[Turn], paths: Mapping[int, Path]) -> int:
    """Record the closing tokens after the last block of each turn that has a breakpoint on that block.

    Returns their usual number, for the turns whose bill does not show it.
    """
    found = []
    for index, path in paths.items():
        turn = turns[index]
        if turn.usage is None or not path.nodes:
            continue
        fresh = turn.usage.uncached_input_tokens
        if fresh == turn.usage.input_tokens:
            continue
        if turn.breakpoints:
            last = max(b.after for b in turn.breakpoints)
            seen = path.reach(last) == len(path.nodes) and fresh <= MAX_END_TOKENS
        else:
            # Harnesses whose transcripts do not show breakpoints set one on the last block.
            seen = turn.hidden_prefix and fresh <= MAX_UNMARKED_END_TOKENS
        if seen:
            path.end_tokens, path.end_is_seen = fresh, True
            found.append(fresh)
    return int(median(found)) if found else 0


def pin(tree: Tree, turn: Turn, path: Path, usual_end: int) -> None:
    """Pin what the bill of a turn shows: the whole prompt, and the ends of its cached parts."""
    usage = turn.usage
    if usage is None or not path.nodes:
        return
    if not path.end_is_seen:
        path.end_tokens = min(usual_end, usage.uncached_input_tokens)
    tree.pin(path.nodes[-1], usage.input_tokens - path.end_tokens)
    _pin_read(tree, path, usage.cache_read_tokens)
    cached = usage.input_tokens - usage.uncached_input_tokens
    if not turn.breakpoints or cached <= usage.cache_read_tokens:
        return
    points = sorted(turn.breakpoints, key=lambda b: b.after)
    _pin_at(tree, path, path.reach(points[-1].after), cached)
    long_lived = [b for b in points if b.ttl in ("1h", "12h")]
    long_written = usage.cache_write_1h_tokens + usage.cache_write_12h_tokens
    if long_lived and long_written:
        _pin_at(tree, path, path.reach(long_lived[-1].after), usage.cache_read_tokens + long_written)


def pin_count(tree: Tree, path: Path, after: int, tokens: int) -> None:
    """Pin a count of the prompt up to block `after`, unless it contradicts the bill."""
    reach = path.reach(after)
    below = next((pin for n in path.nodes[reach:] if (pin := tree.nodes[n].pin) is not None), None)
    if reach and (below is None or tokens <= below):
        tree.pin(path.nodes[reach - 1], tokens)


def _pin_read(tree: Tree, path: Path, read_tokens: int) -> None:
    """Pin the end of what was read, if only one place of unknown size can have been written before."""
    unknown = []
    for node in reversed(path.marks):
        pin = tree.nodes[node].pin
        if pin is None:
            unknown.append(node)
        elif pin <= read_tokens:
            if pin == read_tokens:
                return
            break
    if read_tokens and len(unknown) == 1 and tree.nodes[unknown[0]].first_turn != path.turn:
        tree.pin(unknown[0], read_tokens)


def _pin_at(tree: Tree, path: Path, reach: int, tokens: int) -> None:
    if 0 < reach <= len(path.nodes):
        tree.pin(path.nodes[reach - 1], tokens)


def output_hints(tree: Tree, previous: Turn | None, path: Path) -> list[OutputHint]:
    """Tie a prompt's newest assistant message to the output billed for the previous call of its context."""
    if previous is None or previous.usage is None or previous.output_incomplete:
        return []
    message = newest_answer(tree, path, len(previous.output))
    if not message:
        return []
    visible = tuple(n for n in message if tree.nodes[n].block.kind != "thinking")
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


def newest_answer(tree: Tree, path: Path, written: int) -> list[int]:
    """Return the nodes of the first new assistant message, or of as many messages as hold `written` blocks.

    If each item is a message of its own (OpenAI's Responses), one answer consists of several.
    """
    message: list[int] = []
    for node in path.nodes[path.shared :]:
        if tree.nodes[node].first_turn != path.turn:
            continue
        block = tree.nodes[node].block
        if block.role == "assistant" and (message or block.opens_message):
            if block.opens_message and len(message) >= max(written, 1):
                break
            message.append(node)
        elif message:
            break
    return message

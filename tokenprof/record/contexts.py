"""Which message history a call extends, which earlier call its prompt is a delta to, and the turn that it is.

Some histories are not on the wire: a provider itself puts threads, conversations and responses that are
continued by id before a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tokenprof.data_classes.often_made import often_made
from tokenprof.facts.shared_prefix import shared_length
from tokenprof.facts.times import seconds_between, utc_from_ns
from tokenprof.facts.types import AnswerFacts, Block, Turn, block_key, facts_of
from tokenprof.record.block_facts import Shaper
from tokenprof.record.call import Call
from tokenprof.record.exchange import Exchange, is_fetch

KEYFRAME_EVERY = 64
"""After this many deltas a prompt may be written whole, so that one lost line costs little.

It is once the deltas have added half as many blocks as it has, so that whole prompts never cost more than a
few times what the deltas do, however long a context grows.
"""

MOST_CONTEXTS = 256
"""How many contexts are followed. The one that was extended longest ago is let go."""

LIVELY_CONTEXTS = 16
"""How many of them are known by the blocks themselves; the keys of these stand for the others."""


HELD_NAME = "earlier turns, held by the provider"
"""The name of the block for everything said before the recording began."""

REMEMBERED_PROMPTS = 256
"""How many prompts are kept for calls that continue a response by its id."""


@often_made
class Placement:
    """Where a prompt belongs: its context, and the earlier call whose first `kept` blocks it repeats."""

    context: str
    parent: str | None
    base: str | None
    kept: int
    compacted: bool


@dataclass(slots=True, eq=False)
class _OpenContext:
    name: str
    agent: str | None
    parent: str | None
    last_call: str = ""
    blocks: Sequence[Block] = ()
    keys: list[str] = field(default_factory=list)
    messages_from: int = 0
    deltas: int = 0
    added: int = 0
    texts: set[str] = field(default_factory=set)


class ContextTracker:
    """Follows the message histories of a recording; contexts form a tree.

    A call extends the context with whose newest prompt it shares the longest run of leading blocks, if that
    run reaches into the messages. If it leaves that history at a point that the model had already answered,
    and repeats nothing of what followed, it is a branch with a context of its own. A prompt with another
    beginning (a schema that was loaded, an edited system prompt) that holds a summary, answers from an older
    history, or all of its messages and an answer to them continues that history in another form.
    """

    def __init__(self) -> None:
        self._contexts: list[_OpenContext] = []
        self._first: _OpenContext | None = None
        self._named = 0

    def place(self, call: str, blocks: Sequence[Block], agent: str | None) -> Placement:
        """Find the context of a prompt, and make the prompt that context's newest."""
        keys, messages_from = self._keys_of(blocks)
        nearest, shared = self._nearest(keys, agent)
        base = nearest.last_call if nearest is not None and shared else None
        compacted = False
        parent: _OpenContext | None = None
        context: _OpenContext | None = None
        if nearest is not None and messages_from < shared == len(nearest.keys):
            # It goes on from all of that history.
            context = nearest
        elif nearest is not None and shared > messages_from:
            if _is_branch(keys, nearest.keys, shared):
                parent = nearest
            else:
                context = nearest
                compacted = _is_summed_up(keys, nearest.keys, shared, blocks)
        else:
            context = self._rewritten(keys[messages_from:], blocks, agent)
            compacted = context is not None and len(keys) < len(context.keys)
            if context is None and agent is not None:
                parent = self._first
        if context is None:
            self._named += 1
            context = _OpenContext(f"c{self._named}", agent, parent.name if parent else None)
            self._first = self._first or context
        else:
            self._contexts.remove(context)
        self._contexts.append(context)
        if len(self._contexts) > MOST_CONTEXTS:
            del self._contexts[0]
        if len(self._contexts) > LIVELY_CONTEXTS:
            self._contexts[-1 - LIVELY_CONTEXTS].blocks = ()
        context.deltas += 1
        context.added += len(keys) - (shared if base else 0)
        if context.deltas > KEYFRAME_EVERY and 2 * context.added >= len(keys):
            context.deltas, context.added, base = 0, 0, None
        known = shared if context is nearest and context.messages_from == messages_from else 0
        context.texts.update(keys[max(messages_from, known) :])
        context.last_call, context.keys, context.messages_from = call, keys, messages_from
        context.blocks = blocks
        return Placement(context.name, context.parent, base, shared if base else 0, compacted)

    def _keys_of(self, blocks: Sequence[Block]) -> tuple[list[str], int]:
        """Return the keys of a prompt, and the place of its first message.

        Most of them are known if it goes on from an earlier one.
        """
        known: list[str] = []
        messages_from = -1
        for context in reversed(self._contexts):
            if blocks and context.blocks and context.blocks[0] is blocks[0]:
                known = context.keys[: shared_length(blocks, context.blocks)]
                if context.messages_from < len(known):
                    messages_from = context.messages_from
                break
        known.extend(map(block_key, blocks[len(known) :]))
        if messages_from < 0:
            messages_from = next((i for i, b in enumerate(blocks) if b.section == "messages"), len(blocks))
        return known, messages_from

    def _nearest(self, keys: list[str], agent: str | None) -> tuple[_OpenContext | None, int]:
        """Return the context whose newest prompt shares the most leading blocks; a tie goes to the agent."""
        best, best_rank = None, (0, False)
        for context in reversed(self._contexts):
            if not (keys and context.keys and keys[0] == context.keys[0]):
                continue
            rank = (shared_length(keys, context.keys), context.agent == agent)
            if rank > best_rank and rank[0]:
                best, best_rank = context, rank
        return best, best_rank[0]

    def _rewritten(
        self, message_keys: list[str], blocks: Sequence[Block], agent: str | None
    ) -> _OpenContext | None:
        """Return the context whose history a prompt holds in another form: summarised or edited."""
        summarised = any(block.kind == "summary" for block in blocks)
        kin = [context for context in self._contexts if context.agent == agent]
        if not kin:
            return None
        answers = {key for key in message_keys if key.endswith("assistant")}
        overlap, context = max(
            (
                (
                    len(context.texts & answers)
                    + _answers(message_keys, context.keys[context.messages_from :]),
                    context,
                )
                for context in reversed(kin)
            ),
            key=lambda pair: pair[0],
        )
        return context if summarised or overlap else None


def _answers(ours: list[str], theirs: list[str]) -> bool:
    """Whether messages are those of another prompt and an answer to them, whatever stands before them."""
    length = len(theirs)
    return 0 < length < len(ours) and ours[length].endswith("assistant") and ours[:length] == theirs


def _is_summed_up(ours: list[str], theirs: list[str], shared: int, blocks: Sequence[Block]) -> bool:
    """Whether a prompt replaces answers of a history by a summary that the history did not have."""
    summaries = [
        key for key, block in zip(ours[shared:], blocks[shared:], strict=True) if block.kind == "summary"
    ]
    if not summaries or set(theirs).issuperset(summaries):
        return False
    return any(key.endswith("assistant") for key in set(theirs[shared:]).difference(ours[shared:]))


def _is_branch(ours: list[str], theirs: list[str], shared: int) -> bool:
    """Whether a prompt leaves a history for good: it drops answers and keeps nothing after them."""
    dropped = theirs[shared:]
    return any(key.endswith("assistant") for key in dropped) and not set(dropped).intersection(ours[shared:])


class HeldHistories:
    """Remembers what was said up to each response, and puts it before prompts that continue there."""

    def __init__(self, shaper: Shaper) -> None:
        self._shaper = shaper
        self._known: dict[str, tuple[Block, ...]] = {}

    def completed(self, call: Call) -> Call:
        """Return a call with its whole prompt: the history that the provider holds goes after the head."""
        history = self._history_of(call)
        if not history:
            return call
        head = call.head
        prompt = (*call.prompt[:head], *history, *call.prompt[head:])
        moved = tuple(
            replace(mark, after=mark.after + (len(history) if mark.after >= head else 0))
            for mark in call.breakpoints
        )
        return replace(call, prompt=prompt, breakpoints=moved)

    def remember(self, call: Call) -> None:
        """Remember all that was said up to and including a completed call's answer, if the provider does."""
        if call.output_as_prompt is None:
            return
        said = call.output_as_prompt if call.replaces else (*call.prompt[call.head :], *call.output_as_prompt)
        for name in (call.response_id, call.thread):
            if name:
                self._known[name] = said
                if len(self._known) > REMEMBERED_PROMPTS:
                    del self._known[next(iter(self._known))]

    def _history_of(self, call: Call) -> tuple[Block, ...]:
        """Return what the provider holds and puts before a call; a single block if that was not recorded."""
        if call.continues is None:
            return ()
        known = self._known.get(call.continues)
        if known is not None or call.continues == call.thread:
            return known or ()
        held = {"held": call.continues}
        return (self._shaper.block("server_state", HELD_NAME, held, role="provider", opens_message=True),)


def turn_of(
    exchange: Exchange,
    call: Call,
    place: Placement,
    base: int | None,
    tags: Mapping[str, str],
    seller: str | None = None,
) -> Turn:
    """Return the turn of an exchange, as a reader of the recording will see it."""
    kept = place.kept if base is not None else 0
    return Turn(
        **facts_of(AnswerFacts, call),
        id=call.response_id or exchange.span_id,
        context=place.context,
        parent=place.parent,
        compacted=place.compacted,
        added=call.prompt[kept:],
        base=base,
        kept=kept,
        provider=exchange.provider,
        started_at=utc_from_ns(exchange.started_ns),
        duration_s=seconds_between(exchange.started_ns, exchange.ended_ns),
        ttft_s=seconds_between(exchange.started_ns, exchange.first_byte_ns),
        agent=exchange.agent,
        attempts=exchange.retries_taken + 1,
        tags=tags,
        seller=seller,
        is_fetched=is_fetch(exchange),
    )

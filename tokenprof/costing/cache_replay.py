"""A recorded run played through the published cache rules: what each call could have read, and why no more.

Blocks and breakpoints come from the recording, sizes from the attribution, the rules from
`tokenprof.pricing`. Calls are played in the order in which they started, and what one writes can be read
once its response has begun. Prompts that extend one another share their prefixes, so that a call costs what
it adds.
"""

from __future__ import annotations

import heapq
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tokenprof.attribute.classes import Piece
from tokenprof.attribute.shares import TurnShares
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Block, Turn, block_key
from tokenprof.pricing.cache.anthropic_cache import AnthropicCache, CacheSplit
from tokenprof.pricing.cache.automatic_caches import DeepSeekCache, OpenAIBreakpointCache, OpenAIPrefixCache
from tokenprof.pricing.cache.cache_rules import (
    OPENAI_MAX_LOOKUPS,
    SECTIONS,
    CacheRuleError,
    openai_has_breakpoints,
)
from tokenprof.pricing.cache.prompt_prefixes import PrefixRow, PromptPrefixes, salts_of
from tokenprof.pricing.cache.unread_prefix import UnreadPrefix

if TYPE_CHECKING:
    from tokenprof.costing.ledger import Ledger

_KINDS_THAT_RUN = {"tool_call": "tool_use", "tool_result": "tool_result"}
"""Kinds of blocks that the lookback counts once per run of them, by their names in the cache rules."""

_CLOUDS_OF_CLAUDE = ("aws.bedrock", "gcp.vertex_ai")
_OPENAI_MODEL = re.compile(r"gpt-|o\d")

_Commit = Callable[[float], None]


@frozen
class RulesOutcome:
    """What the rules say of one call.

    `split` is how they divide the prompt; None if they give no more than the cause of a miss, because the
    provider's cache is best effort or its rules are known only in part. `unread` is what else of the prompt
    the cache had held, with the reason why it was not read. `last_read_block_tokens` is the size of the last
    block that the rules read: the least by which a read can fall short.
    """

    split: CacheSplit | None
    unread: UnreadPrefix | None
    last_read_block_tokens: int = 0


def in_start_order(turns: Sequence[Turn]) -> list[int]:
    """Return the indices of turns in the order in which their calls started."""
    return sorted(range(len(turns)), key=lambda index: turns[index].started_at)


def response_began_s(turn: Turn) -> float:
    """Return when a call's response began, as a Unix time in seconds; from then on its writes can be read."""
    waited_s = turn.ttft_s if turn.ttft_s is not None else turn.duration_s or 0.0
    return turn.started_at.timestamp() + waited_s


def cached_tokens(turn: Turn) -> int:
    """Return the tokens of a call's prompt that its bill shows to be in the cache afterwards."""
    return 0 if turn.usage is None else turn.usage.input_tokens - turn.usage.uncached_input_tokens


def replay_cache_rules(ledger: Ledger) -> list[RulesOutcome | None]:
    """Return, per turn of a ledger, what the cache rules say about it.

    None if they say nothing: for a turn without usage, for a prompt that the source does not show whole,
    without known breakpoints, for a provider whose rules are not known, or for a request that breaks them.
    """
    turns = ledger.run.turns
    replay = _Replay(ledger)
    pending: list[tuple[float, int, _Commit]] = []
    found: list[RulesOutcome | None] = [None] * len(turns)
    for index in in_start_order(turns):
        at_s = turns[index].started_at.timestamp()
        while pending and pending[0][0] <= at_s:
            began_s, _, commit = heapq.heappop(pending)
            commit(began_s)
        played = replay.play(index, at_s)
        if played is not None:
            found[index], commit = played
            heapq.heappush(pending, (response_began_s(turns[index]), index, commit))
    return found


@dataclass(slots=True)
class _KeyedRow:
    """A row of attributed blocks with its prefix keys, and the places at which its messages begin."""

    prefixes: PrefixRow = field(default_factory=PrefixRow)
    opens: list[int] = field(default_factory=list)

    def message_ends(self, length: int) -> list[int]:
        """Return the last block of each message, as far back as a cache looks."""
        upto = bisect_left(self.opens, length)
        return [start - 1 for start in self.opens[max(upto - OPENAI_MAX_LOOKUPS, 0) : upto]] + [length - 1]


class _Replay:
    """The caches of a run's providers, and the prefix keys of its prompts."""

    def __init__(self, ledger: Ledger):
        self._turns = ledger.run.turns
        self._shares = ledger.attribution.shares
        self._blocks = ledger.attribution.blocks
        self._anthropic = AnthropicCache()
        self._openai_prefixes = OpenAIPrefixCache()
        self._openai_breakpoints = OpenAIBreakpointCache()
        self._deepseek = DeepSeekCache()
        self._rows: dict[tuple[int, tuple[str, ...]], _KeyedRow] = {}
        self._contexts_with_breakpoints: set[str] = set()

    def play(self, index: int, at_s: float) -> tuple[RulesOutcome, _Commit] | None:
        """Take a turn through the cache of its provider."""
        turn, shares = self._turns[index], self._shares[index]
        if turn.breakpoints:
            self._contexts_with_breakpoints.add(turn.context)
        if (
            turn.usage is None
            or turn.hidden_prefix
            or not isinstance(shares, TurnShares)
            or not shares.length
        ):
            return None
        try:
            if turn.provider == "anthropic" or (
                turn.provider in _CLOUDS_OF_CLAUDE and "claude" in turn.model.lower()
            ):
                return self._play_anthropic(turn, shares, at_s) if self._has_known_marks(turn) else None
            if turn.provider == "deepseek" or turn.model.startswith("deepseek"):
                return self._play_deepseek(turn, shares, at_s)
            if turn.provider == "openai" and _OPENAI_MODEL.match(turn.model):
                return self._play_openai(turn, shares, at_s)
        except CacheRuleError:
            return None
        return None

    def _has_known_marks(self, turn: Turn) -> bool:
        """Whether the recording shows where a call set its breakpoints, even if it set none.

        A call without any may have had them in a source that does not keep them; that its context has some
        elsewhere and its bill shows no use of the cache says that it had none.
        """
        return bool(turn.breakpoints) or (
            turn.context in self._contexts_with_breakpoints and not cached_tokens(turn)
        )

    def _play_anthropic(self, turn: Turn, shares: TurnShares, at_s: float) -> tuple[RulesOutcome, _Commit]:
        salts = tuple(salts_of(turn.settings).values())
        prompt = self._prompt(shares, salts)[0]
        marks = [(reach - 1, ttl) for reach, ttl in shares.breakpoints if reach]
        found = self._anthropic.lookup(
            prompt, marks, at_s, turn.model, scope=turn.provider, on=turn.started_at.date()
        )
        last = found.read_blocks - 1
        outcome = RulesOutcome(
            split=found.split if turn.provider == "anthropic" else None,
            unread=found.unread,
            last_read_block_tokens=prompt.size(last) - prompt.size(last - 1) if last >= 0 else 0,
        )
        return outcome, lambda began_s: self._anthropic.commit(found, began_s)

    def _play_openai(self, turn: Turn, shares: TurnShares, at_s: float) -> tuple[RulesOutcome, _Commit]:
        prompt, row = self._prompt(shares)
        scope = turn.settings.get("prompt_cache_key", "")
        if openai_has_breakpoints(turn.model):
            marks = [(reach - 1, ttl) for reach, ttl in shares.breakpoints if reach]
            ends = row.message_ends(prompt.length)
            found = self._openai_breakpoints.lookup(prompt, ends, marks, at_s, turn.model, scope)
            return RulesOutcome(None, found.unread), lambda began_s: self._openai_breakpoints.commit(
                found, began_s
            )
        prefix = self._openai_prefixes.lookup(prompt, at_s, turn.model, scope)
        return RulesOutcome(None, prefix.unread), lambda began_s: self._openai_prefixes.commit(
            prefix, began_s
        )

    def _play_deepseek(self, turn: Turn, shares: TurnShares, at_s: float) -> tuple[RulesOutcome, _Commit]:
        prompt, _ = self._prompt(shares)
        found = self._deepseek.lookup(prompt, prompt.length, at_s, turn.model)
        return RulesOutcome(None, found.unread), lambda began_s: self._deepseek.commit(found, began_s)

    def _prompt(
        self, shares: TurnShares, salts: tuple[str, ...] = ("", "", "")
    ) -> tuple[PromptPrefixes, _KeyedRow]:
        """Return a turn's prompt on the row that it shares with others; `salts` are per section."""
        row = self._rows.setdefault((id(shares.row), salts), _KeyedRow())
        salt_of = dict(zip(SECTIONS, salts, strict=True))
        for at in range(len(row.prefixes.keys), shares.length):
            piece = shares.row.pieces[at]
            block = self._block(piece)
            if block is None:
                row.prefixes.add(salt_of["messages"], piece.tokens)
                continue
            before = self._block(shares.row.pieces[at - 1]) if at else None
            if block.opens_message and before is not None and before.section != "tools":
                row.opens.append(at)
            row.prefixes.add(
                block_key(block) + salt_of[block.section], piece.tokens, _KINDS_THAT_RUN.get(block.kind, "")
            )
        tail_tokens = sum(piece.tokens for piece in shares.extra)
        return PromptPrefixes(row.prefixes, shares.length, tail_tokens), row

    def _block(self, piece: Piece) -> Block | None:
        """Return the block of a piece; None for a place that holds nothing."""
        return self._blocks[piece.block].block if piece.block else None

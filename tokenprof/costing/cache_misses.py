"""Cache misses explained: what a call could have read from the cache and did not, why, and what that cost.

The bill says that something was missed, the cache rules (`cache_replay`) say why, and a comparison with an
earlier prompt (`prompt_changes`) says which block and which field of it changed. One pass makes both the
miss of a turn and the cause that its prediction shows, so the two cannot contradict each other. Where the
rules say nothing, because the source hides part of the prompt or the provider's rules are not known, the
comparison and the clock decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from tokenprof.attribute.classes import PROMPT_ORDER
from tokenprof.attribute.cleared_results import is_result
from tokenprof.costing.cache_losses import (
    BREAKPOINT_FIELD,
    CLEARED_FIELD,
    CacheLoss,
    CacheMissCause,
    CacheMissEvidence,
    idle_words,
    largest_loss,
    lost_against_rules,
    lost_by_rules,
    unread_loss,
    why_rules_read_no_more,
)
from tokenprof.costing.cache_replay import (
    RulesOutcome,
    cached_tokens,
    in_start_order,
    replay_cache_rules,
    response_began_s,
)
from tokenprof.costing.prompt_changes import (
    EarlierCalls,
    PromptChange,
    changed_parameters,
    first_change,
)
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import TASK_NOTIFICATION, Block, Turn, block_key
from tokenprof.pricing.cache.cache_rules import TTL_S, first_section_lost
from tokenprof.pricing.cache.unread_prefix import MissCause
from tokenprof.pricing.usage import INPUT_CLASSES, Usage

if TYPE_CHECKING:
    from tokenprof.costing.ledger import Ledger

PROVIDER_CAUSES: dict[str, CacheMissCause] = {
    "model_changed": "model_changed",
    "system_changed": "changed",
    "tools_changed": "changed",
    "messages_changed": "changed",
    "input_changed": "changed",
    "text_format_changed": "changed",
    "context_compacted": "changed",
}
"""Causes that providers name, in our terms. A changed setting changes no block, so it is not among them."""


PREFIX_CAUSES: tuple[CacheMissCause, ...] = ("changed", "lookback", "reordered")
"""Causes of misses that a prompt which only grows at its end does not have."""


@frozen
class CacheMiss:
    """Why `tokens` of a prompt were not read from the cache, and what reading them would have saved.

    `block` is the id of the first block that broke the prefix, `field` the part of it that changed.
    `evidence` is `provider` if the provider's own diagnostics name the cause, `clock` if times decide it (a
    time to live that ran out, a response that had not begun), and `diff` if contents do: of the prompts, of
    their sizes, of the places of their breakpoints. `unknown` means that rules and contents give no reason.
    """

    cause: CacheMissCause
    block: str | None
    field: str | None
    tokens: int
    usd: Decimal | None
    evidence: CacheMissEvidence


@frozen
class CacheOutcome:
    """What became of one call's prompt at the cache.

    `rules` is what the published rules say (None if they say nothing), `cause` why they read no more than
    they do (None if there was no more to read), `miss` what the bill lacks.
    """

    rules: RulesOutcome | None
    cause: MissCause | CacheMissCause | None
    miss: CacheMiss | None


def explain_misses(ledger: Ledger, outcomes: Sequence[CacheOutcome] | None = None) -> list[CacheMiss | None]:
    """Return, per turn of a ledger, its cache miss or None; `outcomes` if they are known already."""
    return [outcome.miss for outcome in outcomes or follow_cache(ledger)]


def is_of_a_compaction(miss: CacheMiss, kind_of_first_block: str | None) -> bool:
    """Whether a miss is the price of a smaller context: a summary, or results of tools that were cleared."""
    return miss.block is not None and (kind_of_first_block == "summary" or miss.field == CLEARED_FIELD)


def changed_prefixes(ledger: Ledger, misses: Sequence[CacheMiss | None]) -> dict[int, int]:
    """Return, by turn, the tokens that a call did not read since something before its end had changed.

    Compactions are not among them, nor what a time to live or another model took away.
    """
    blocks = ledger.attribution.blocks
    found = {}
    for index, miss in enumerate(misses):
        if miss is None or miss.cause not in PREFIX_CAUSES:
            continue
        placed = blocks.get(miss.block or "")
        if not is_of_a_compaction(miss, placed.block.kind if placed else None):
            found[index] = miss.tokens
    return found


def cause_in_report(cause: MissCause | CacheMissCause) -> CacheMissCause:
    """Return a cause of the cache rules in the report's terms.

    What no finished call had written is used for the first time; a breakpoint that is gone is a change of the
    request.
    """
    if cause == "not_visible":
        return "first_use"
    return "changed" if cause == "unmarked" else cause


def follow_cache(ledger: Ledger) -> list[CacheOutcome]:
    """Return, per turn of a ledger, what became of its prompt at the cache."""
    turns = ledger.run.turns
    rules = replay_cache_rules(ledger)
    explainer = _Explainer(ledger)
    found = [CacheOutcome(None, None, None)] * len(turns)
    for index in in_start_order(turns):
        found[index] = explainer.explain(index, rules[index])
    return found


class _Explainer:
    """Goes through a run's calls in the order of their start and explains each by those before it."""

    def __init__(self, ledger: Ledger):
        self._ledger = ledger
        self._turns = ledger.run.turns
        self._prompts = ledger.run.prompts()
        self._newest: dict[str, int] = {}
        self._earlier = EarlierCalls(self._turns)

    def explain(self, index: int, rules: RulesOutcome | None) -> CacheOutcome:
        """Return the outcome of a turn; every turn that started before it has been explained."""
        turn = self._turns[index]
        usage = turn.usage
        if usage is None:
            return CacheOutcome(rules, None, None)
        before = self._newest.get(turn.context)
        self._newest[turn.context] = index
        if before is None:
            change = self._lost_to_an_alike_opening(index, usage, rules)
            self._earlier.open(index, self._prompts[index])
            fell_short = False
        else:
            self._earlier.follow(index)
            change = self._lost_to_a_change(index, before, usage, rules)
            fell_short = cached_tokens(self._turns[before]) > usage.cache_read_tokens
        by_rules = lost_by_rules(rules, usage)
        largest = largest_loss(change, by_rules, lost_against_rules(rules, usage, certain=fell_short))
        if largest is None and before is None:
            largest = self._first_use(index, usage)
        elif largest is None and before is not None and fell_short and (rules is None or rules.split is None):
            largest = self._lost_to_the_clock(index, before, rules, usage)
        cause = why_rules_read_no_more(rules, change, by_rules)
        return CacheOutcome(rules, cause, self._miss(index, usage, largest, change))

    def _lost_to_a_change(
        self, index: int, before: int, usage: Usage, rules: RulesOutcome | None
    ) -> CacheLoss | None:
        """Return what the context's previous call had cached and this one could not read, being another."""
        turn, earlier = self._turns[index], self._turns[before]
        read = max(usage.cache_read_tokens, rules.split.read_tokens if rules and rules.split else 0)
        tokens = cached_tokens(earlier) - read
        if tokens <= 0:
            return None
        if turn.model != earlier.model:
            return CacheLoss("model_changed", tokens)
        change = self._change_since(index, before)
        if change is not None:
            return CacheLoss(change.cause, tokens, "diff", self._id_of(index, change.block), change.field)
        if (cleared := self._first_cleared(index, before)) is not None:
            return CacheLoss("changed", tokens, "diff", cleared, CLEARED_FIELD)
        parameters = changed_parameters(turn, earlier)
        ending = [name for name in parameters if first_section_lost("anthropic", name)]
        if rules is None or rules.split is None:
            # Nothing says which parameters end a prefix here, so any of them may have.
            ending = ending or parameters
        return CacheLoss("changed", tokens, "diff", None, ending[0]) if ending else None

    def _change_since(self, index: int, before: int) -> PromptChange | None:
        """Return the first change in what an earlier prompt had cached; None if nothing of that changed."""
        ours, theirs = self._prompts[index], self._prompts[before]
        if ours.continues(theirs):
            return None
        return first_change(ours, theirs, self._cached_blocks(before, len(theirs)))

    def _lost_to_an_alike_opening(
        self, index: int, usage: Usage, rules: RulesOutcome | None
    ) -> CacheLoss | None:
        """Return what a call of another context had cached of this one's prompt and was not read."""
        prompt = self._prompts[index]
        other = self._earlier.most_alike(self._turns[index], prompt)
        if other is None:
            return None
        theirs = self._prompts[other]
        again = {block.digest for block in theirs}
        tokens = sum(
            share.tokens
            for share in self._ledger.attribution.shares[index]
            if share.cls in INPUT_CLASSES
            and share.cls != "cache_read"
            and self._ledger.attribution.blocks[share.block].block.digest in again
        )
        change = self._change_since(index, other)
        if change is not None:
            block = self._id_of(index, change.block)
            return CacheLoss(change.cause, tokens, "diff", block, change.field) if block and tokens else None
        if rules is not None:
            return None if rules.split else unread_loss(rules, tokens)
        idle = self._idle(index, other)
        return CacheLoss("ttl_expired", tokens, "clock", None, idle) if idle and tokens else None

    def _lost_to_the_clock(
        self, index: int, before: int, rules: RulesOutcome | None, usage: Usage
    ) -> CacheLoss:
        """Return why a call did not read what the one before it had cached, if contents do not say."""
        tokens = cached_tokens(self._turns[before]) - usage.cache_read_tokens
        if rules is not None:
            return unread_loss(rules, tokens) or CacheLoss("unknown", tokens)
        idle = self._idle(index, before)
        if idle is not None:
            return CacheLoss("ttl_expired", tokens, "clock", None, idle)
        turn = self._turns[index]
        if self._turns[before].breakpoints and not turn.breakpoints and not cached_tokens(turn):
            return CacheLoss("changed", tokens, "diff", None, BREAKPOINT_FIELD)
        notified = next((block for block in turn.added if block.name == TASK_NOTIFICATION), None)
        if notified is not None:
            # A harness that takes up a conversation for a task that has ended sends another prefix.
            return CacheLoss("changed", tokens, "diff", self._id_of(index, notified))
        return CacheLoss("unknown", tokens)

    def _first_cleared(self, index: int, before: int) -> str | None:
        """Return the first result in an earlier prompt that has no tokens in this one, which repeats it."""
        if not self._prompts[index].continues(self._prompts[before]):
            return None
        attribution = self._ledger.attribution
        sent = {share.block for share in attribution.shares[index]}
        gone = (share.block for share in attribution.shares[before] if share.block not in sent)
        return next((each for each in gone if is_result(attribution.blocks[each].block)), None)

    def _first_use(self, index: int, usage: Usage) -> CacheLoss | None:
        written = cached_tokens(self._turns[index]) - usage.cache_read_tokens
        if not written or usage.cache_read_tokens:
            return None
        shares = self._ledger.attribution.shares[index]
        first = next((share.block for share in shares if share.cls in INPUT_CLASSES), None)
        return CacheLoss("first_use", written, "diff", first)

    def _miss(
        self, index: int, usage: Usage, loss: CacheLoss | None, change: CacheLoss | None
    ) -> CacheMiss | None:
        """Return a loss as the miss of a turn; the provider's own word on the cause outranks ours."""
        turn = self._turns[index]
        said = PROVIDER_CAUSES.get(turn.cache_miss_reason or "")
        if said is not None and (turn.cache_missed_tokens or (loss and loss.cause != "first_use")):
            tokens = turn.cache_missed_tokens or (loss.tokens if loss else 0)
            block, field = (change.block, change.field) if change else (None, None)
            loss = CacheLoss(said, tokens, "provider", block, field)
        if loss is None:
            return None
        tokens = min(loss.tokens, usage.input_tokens - usage.cache_read_tokens)
        if tokens <= 0:
            return None
        usd = self._lost_usd(index, usage, tokens)
        return CacheMiss(cause_in_report(loss.cause), loss.block, loss.field, tokens, usd, loss.evidence)

    def _lost_usd(self, index: int, usage: Usage, missed: int) -> Decimal | None:
        """Return what the first `missed` tokens after the read ones cost beyond the price of a read."""
        from tokenprof.pricing.book import Price

        price = self._ledger.prices[index]
        read_rate = price.rates.get("cache_read") if isinstance(price, Price) else None
        if not isinstance(price, Price) or read_rate is None:
            return None
        lost, left = Decimal(0), missed
        for cls in PROMPT_ORDER:
            tokens = 0 if cls == "cache_read" else min(usage.tokens_of(cls), left)
            if not tokens:
                continue
            rate = price.rates.get(cls)
            if rate is None:
                return None
            lost += tokens * (rate - read_rate)
            left -= tokens
        return lost

    def _cached_blocks(self, index: int, otherwise: int) -> int:
        """Return how many blocks of a turn's prompt its cached part reached into."""
        reach = cached_tokens(self._turns[index])
        count, newest = 0, ""
        for share in self._ledger.attribution.shares[index]:
            if share.cls not in INPUT_CLASSES or share.start >= reach:
                break
            kind = self._ledger.attribution.blocks[share.block].block.kind
            if kind not in ("provider_overhead", "unattributed") and share.block != newest:
                count, newest = count + 1, share.block
        return count or otherwise

    def _id_of(self, index: int, block: Block | None) -> str | None:
        """Return the report's id of a block of a turn's prompt."""
        if block is None:
            return None
        key = block_key(block)
        for share in self._ledger.attribution.shares[index]:
            placed = self._ledger.attribution.blocks[share.block]
            if share.cls in INPUT_CLASSES and block_key(placed.block) == key:
                return share.block
        return None

    def _idle(self, index: int, before: int) -> str | None:
        """Return how long the cache lay unused, in words, if that is longer than its time to live."""
        earlier = self._turns[before]
        ttl_s = _longest_ttl_s(earlier)
        idle_s = self._turns[index].started_at.timestamp() - response_began_s(earlier)
        return None if ttl_s is None or idle_s < ttl_s else idle_words(idle_s, ttl_s)


def _longest_ttl_s(turn: Turn) -> int | None:
    """Return the longest time to live of what a call cached; None if it is not known."""
    ttls: list[str] = [breakpoint_.ttl for breakpoint_ in turn.breakpoints]
    if not ttls and turn.usage is not None:
        ttls = [ttl for ttl in TTL_S if turn.usage.tokens_of(f"cache_write_{ttl}")]
    return max((TTL_S[ttl] for ttl in ttls), default=None)

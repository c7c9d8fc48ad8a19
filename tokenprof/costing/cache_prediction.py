"""What the published cache rules say about each recorded call, to be compared with what was billed.

A bill outranks its prediction: where the two differ, the cache did something that its rules do not say (an
entry dropped early, a route to another machine, a prefix kept from before the run).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tokenprof.costing.cache_losses import CacheMissCause
from tokenprof.costing.cache_misses import CacheOutcome, follow_cache
from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.cache.unread_prefix import MissCause
from tokenprof.pricing.usage import Usage

if TYPE_CHECKING:
    from tokenprof.costing.ledger import Ledger


@frozen
class CachePrediction:
    """How the rules divide a prompt, in tokens. `agrees` says whether that is what was billed.

    `miss` says why the rules read no more, None if there was no more to read. It is the cause of the turn's
    `CacheMiss`, if it has one, unless that is `unknown` (the bill read less than the rules do) or the
    provider's own word.
    """

    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    uncached_input_tokens: int
    miss: MissCause | CacheMissCause | None
    agrees: bool


def predict_cache(
    ledger: Ledger, outcomes: Sequence[CacheOutcome] | None = None
) -> list[CachePrediction | None]:
    """Return a prediction per turn; `outcomes` of `follow_cache` if they are known already.

    None for turns without usage, without known breakpoints, that the API would have refused, or of a
    provider whose cache is best effort.
    """
    outcomes = outcomes or follow_cache(ledger)
    return [
        None if turn.usage is None else _prediction(turn.usage, outcome)
        for turn, outcome in zip(ledger.run.turns, outcomes, strict=True)
    ]


def _prediction(usage: Usage, outcome: CacheOutcome) -> CachePrediction | None:
    split = outcome.rules.split if outcome.rules else None
    if split is None:
        return None
    rules = (split.read_tokens, split.write_5m_tokens, split.write_1h_tokens, split.uncached_tokens)
    billed = (
        usage.cache_read_tokens,
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        usage.uncached_input_tokens,
    )
    return CachePrediction(*rules, miss=outcome.cause, agrees=rules == billed)

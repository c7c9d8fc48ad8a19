"""Tokens that a cache did not serve, by cause.

A call can lose tokens to several causes at once; the largest loss is the one that is reported.
"""

from __future__ import annotations

from typing import Literal

from tokenprof.costing.cache_replay import RulesOutcome
from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.cache.unread_prefix import MissCause
from tokenprof.pricing.usage import Usage

CacheMissCause = Literal[
    "changed",
    "ttl_expired",
    "below_minimum",
    "lookback",
    "reordered",
    "model_changed",
    "first_use",
    "unknown",
]

CacheMissEvidence = Literal["diff", "provider", "clock"]

CLEARED_FIELD = "cleared"
"""The field of a block that was left out of a prompt, though the request shows it as before."""

BREAKPOINT_FIELD = "cache_control"
"""The field that changed if a request set no breakpoint after what the call before it had cached."""

_CLOCK_CAUSES = ("ttl_expired", "not_visible")


@frozen
class CacheLoss:
    """Tokens that one cause kept from being read; `block` and `field` are what changed, if something did."""

    cause: MissCause | CacheMissCause
    tokens: int
    evidence: CacheMissEvidence = "diff"
    block: str | None = None
    field: str | None = None


def why_rules_read_no_more(
    rules: RulesOutcome | None, change: CacheLoss | None, by_rules: CacheLoss | None
) -> MissCause | CacheMissCause | None:
    """Return why the rules read no more; a comparison of prompts says more than `changed` or `first_use`."""
    if rules is None:
        return None
    if change is not None and largest_loss(change, by_rules) is change:
        return change.cause
    if rules.unread is None:
        return None
    return "first_use" if rules.unread.cause == "changed" else rules.unread.cause


def largest_loss(*losses: CacheLoss | None) -> CacheLoss | None:
    """Return the loss of the most tokens, of equals the first."""
    return max((loss for loss in losses if loss is not None), key=lambda loss: loss.tokens, default=None)


def lost_by_rules(rules: RulesOutcome | None, usage: Usage) -> CacheLoss | None:
    """Return what the rules themselves keep from being read; a bill that read more than they say has less."""
    if rules is None or rules.split is None or rules.unread is None:
        return None
    beyond = max(usage.cache_read_tokens - rules.split.read_tokens, 0)
    return unread_loss(rules, rules.unread.tokens - beyond)


def unread_loss(rules: RulesOutcome, tokens: int) -> CacheLoss | None:
    """Return `tokens` as lost for the reason that the rules give; None if they give none that is certain."""
    unread = rules.unread
    if unread is None or unread.cause in ("changed", "first_use") or min(tokens, unread.tokens) <= 0:
        return None
    field = idle_words(unread.idle_s, unread.ttl_s) if unread.cause == "ttl_expired" else None
    if unread.cause == "unmarked":
        field = BREAKPOINT_FIELD
    return CacheLoss(unread.cause, tokens, "clock" if unread.cause in _CLOCK_CAUSES else "diff", None, field)


def lost_against_rules(rules: RulesOutcome | None, usage: Usage, *, certain: bool) -> CacheLoss | None:
    """Return what a bill lacks that the rules say was there to read, for no reason that can be seen.

    Sizes may be estimates, but a read ends where a block does: less than half of the last block does
    not count, unless the bills alone show that a part was lost (`certain`).
    """
    if rules is None or rules.split is None:
        return None
    tokens = rules.split.read_tokens - usage.cache_read_tokens
    error_tokens = 0.0 if certain else rules.last_read_block_tokens / 2
    return CacheLoss("unknown", tokens) if tokens > error_tokens else None


def idle_words(idle_s: float, ttl_s: float) -> str:
    """Return how long an entry lay unused beside how long it could, as the report's `field` says it."""
    return f"idle {idle_s:.0f} s, TTL {ttl_s:.0f} s"

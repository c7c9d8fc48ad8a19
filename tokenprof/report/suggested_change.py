"""A suggestion as a report shows it: a lever, what it changes in words, and what it would have saved."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, cast

from tokenprof.data_classes.frozen import frozen
from tokenprof.report.labels_in_words import printable
from tokenprof.report.money import usd
from tokenprof.whatif.prediction import SavingKind
from tokenprof.whatif.suggestions import Suggestion, TriedChange

KIND_WORDS: Final[dict[SavingKind, str]] = {
    "real": "real: compute falls too",
    "list-price only": "list price only: compute stays",
    "list-price only, compute rises": "list price only: compute rises",
    "none": "saves nothing",
    "unknown": "compute unknown",
}

_CHANGES: Final = {
    "ttl=1h": "cache for an hour instead of 5 minutes",
    "ttl=5m": "cache for 5 minutes instead of an hour",
    "breakpoints=automatic": "set one cache breakpoint, at the end of each prompt",
    "breakpoints=sections": "set cache breakpoints after the tools, after the system prompt and at the end",
    "breakpoints=none": "set no cache breakpoint",
    "tools=deferred": "leave out or defer the schemas of tools that are never called",
    "tools=up-front": "send the schemas of loaded tools in every prompt",
    "prefix=kept": "leave the beginning of prompts unchanged",
    "rereads=once": "answer repeated reads of unchanged content with a note",
    "parallel=same-tool": "make consecutive calls of one tool in one turn",
    "tier=batch": "send the calls as a batch, if answers can wait up to a day",
    "tier=flex": "use the flex tier",
    "tier=priority": "use the priority tier",
    "tier=standard": "use the standard tier",
    "at-cost=cache_read": "sell cache reads at what they cost to compute",
    "at-cost=output": "sell output at what it costs to compute",
}


def change_of(text: str) -> str:
    """Return what a lever, as `NAME=VALUE`, changes: `cut results of read_file to 2,000 tokens`."""
    name, _, value = text.partition("=")
    value = printable(value)
    if text in _CHANGES:
        return _CHANGES[text]
    if name == "cap":
        tool, _, limit = value.rpartition(":")
        of_tool = "of every tool" if tool == "*" else f"of {tool}"
        return f"cut results {of_tool} to {_tokens(limit)} tokens"
    if name == "compaction":
        return (
            f"compact a context when it grows beyond {int(value.replace('_', '').replace(',', '')):,} tokens"
        )
    if name == "model":
        return f"use {value}"
    if name == "plan":
        plan, _, runs = value.partition(":")
        count, _, seats = runs.partition("x")
        on_seats = f", on {int(seats)} seats" if seats else ""
        return f"pay with {plan}, at {_tokens(count)} such runs a month{on_seats}"
    if name == "hardware":
        return f"serve it on {value}"
    return f"{name}={value}"


def _tokens(text: str) -> str:
    return f"{int(text.replace('_', '').replace(',', '')):,}"


@frozen
class SuggestedChange:
    """A change that pays. `lever` is as `tokenprof whatif --if` takes it, `text` says what it changes.

    `saves_usd` lies between `low_usd` and `high_usd`; `share` is of the recorded bill.
    """

    lever: str
    text: str
    saves_usd: Decimal
    low_usd: Decimal
    high_usd: Decimal
    share: Decimal
    saving: SavingKind

    @property
    def is_exact(self) -> bool:
        """Whether nothing was estimated."""
        return self.low_usd == self.high_usd


def suggested_change(found: Suggestion | TriedChange) -> SuggestedChange:
    """Return a suggestion in words."""
    return SuggestedChange(
        found.lever,
        change_of(found.lever),
        found.saves_usd,
        found.low_usd,
        found.high_usd,
        found.share,
        found.saving_kind,
    )


def change_json(found: SuggestedChange) -> dict[str, Any]:
    """Return a suggested change as JSON."""
    return {
        "lever": found.lever,
        "text": found.text,
        "saves_usd": usd(found.saves_usd),
        "saves_low_usd": usd(found.low_usd),
        "saves_high_usd": usd(found.high_usd),
        "share": str(round(found.share, 4)),
        "saving": found.saving,
    }


def read_change(found: Mapping[str, Any]) -> SuggestedChange:
    """Return a suggested change from its JSON."""
    return SuggestedChange(
        lever=found["lever"],
        text=found["text"],
        saves_usd=Decimal(found["saves_usd"]),
        low_usd=Decimal(found["saves_low_usd"]),
        high_usd=Decimal(found["saves_high_usd"]),
        share=Decimal(found["share"]),
        saving=cast(SavingKind, found["saving"]),
    )

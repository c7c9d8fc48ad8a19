"""What to change about a run: every lever that fits it is tried, and what pays is ranked."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.whatif.all_levers import parse_levers
from tokenprof.whatif.geometry.planned_calls import Geometry
from tokenprof.whatif.levers.merged_calls import merged
from tokenprof.whatif.levers.repeated_results import repeated
from tokenprof.whatif.levers.tool_schemas import never_called
from tokenprof.whatif.prediction import Prediction, SavingKind, WhatIf

LEAST_SHARE: Final = Decimal("0.01")
"""A change that saves less than this share of the bill is not worth a line."""

CAPS_TOKENS: Final = (8000, 2000, 500)
"""The sizes that results are cut to, the largest that saves something first."""

TOOLS_CAPPED: Final = 3

COMPACT_AT_TOKENS: Final = (100_000, 50_000)

MOST_COMPACTED: Final = 40
"""A context so many times longer than the limit, beyond what models take, would be compacted at each call."""

SHOWN_FIRST: Final = 3
"""How many suggestions a report shows."""

MOST_REPLAYED_CALLS: Final = 60_000
"""How many calls are replayed for a report, so that it does not wait long for its suggestions."""

LEAST_TRIED: Final = 4
"""Levers that are tried on a run of any length."""

NOT_INTERACTIVE: Final = "tier"
"""The lever that an interactive loop cannot use, since it waits for its answers; it is ranked last."""


@frozen
class Suggestion:
    """A change that pays: `lever` as `tokenprof whatif --if` takes it, and what it saves of the bill.

    `low_usd` and `high_usd` bound `saves_usd`; they equal it if nothing was estimated. `saving_kind` says
    whether compute falls, too ("real"), or the bill alone ("list-price only"). `share` is of the recorded
    bill. `assumes` are sentences.
    """

    lever: str
    saves_usd: Decimal
    low_usd: Decimal
    high_usd: Decimal
    share: Decimal
    saving_kind: SavingKind
    assumes: tuple[str, ...]
    prediction: Prediction


@frozen
class TriedChange:
    """What a change saves over several runs; the fields are those of `Suggestion`."""

    lever: str
    saves_usd: Decimal
    low_usd: Decimal
    high_usd: Decimal
    share: Decimal
    saving_kind: SavingKind


@frozen
class Suggested:
    """What pays, the best first, and the levers that were not tried on a run of this length."""

    found: tuple[Suggestion, ...] = ()
    untried: tuple[str, ...] = ()


def suggest(what_if: WhatIf, *, most: int | None = None, most_replayed: int | None = None) -> Suggested:
    """Return the changes that save at least a hundredth of the bill, the largest saving first.

    `most` is how many are returned at most. `most_replayed` limits how many calls are replayed to find them:
    the levers that are beyond it are not tried.
    """
    if not what_if.before_usd:
        return Suggested()
    texts = list(candidates(what_if.geometry, has_rules=bool(what_if.explained)))
    calls = max(1, len(what_if.geometry.calls))
    tried = len(texts) if most_replayed is None else max(LEAST_TRIED, most_replayed // calls)
    worth = _worth_a_line(what_if, texts[:tried])
    found = (_suggestion(text, what_if.ask(parse_levers([text]))) for text in worth[:most])
    return Suggested(tuple(each for each in found if each is not None), tuple(texts[tried:]))


def _worth_a_line(what_if: WhatIf, texts: Sequence[str]) -> list[str]:
    """Return the levers that pay, the largest saving first."""
    saves: dict[str, Decimal] = {}
    known: set[tuple[Decimal, int]] = set()
    for text in texts:
        try:
            saved_usd, tokens_in = what_if.saves_about_usd(parse_levers([text]))
        except InputError:
            continue  # There is no price for it, so nothing is known about what it saves.
        # Two ways to the same bill, such as two sets of breakpoints, are one suggestion.
        if (saved_usd, tokens_in) in known or saved_usd < LEAST_SHARE * what_if.before_usd:
            continue
        known.add((saved_usd, tokens_in))
        saves[text] = saved_usd
    ranked = sorted(saves, key=lambda text: (text.startswith(NOT_INTERACTIVE), -saves[text]))
    # Two values of one lever are alternatives: the better one is suggested. Caps of two tools are not.
    best: dict[str, str] = {}
    for text in ranked:
        best.setdefault(text.rpartition(":")[0] or text.partition("=")[0], text)
    return list(best.values())


def candidates(geometry: Geometry, *, has_rules: bool) -> Iterator[str]:
    """Yield the levers that can change anything about a run; `has_rules` if cache rules explain its bill."""
    ttls = {ttl for call in geometry.calls for _, ttl in call.marks}
    written = [call.usage for call in geometry.calls]
    if any(call.missed_tokens for call in geometry.calls):
        yield "prefix=kept"
    if "5m" in ttls or any(usage.cache_write_5m_tokens for usage in written):
        yield "ttl=1h"
    if "1h" in ttls or any(usage.cache_write_1h_tokens for usage in written):
        yield "ttl=5m"
    yield from _caps(geometry)
    longest = max((call.tokens for call in geometry.calls), default=0)
    yield from (
        f"compaction={limit}" for limit in COMPACT_AT_TOKENS if limit < longest <= MOST_COMPACTED * limit
    )
    if len(merged(geometry).calls) < len(geometry.calls):
        yield "parallel=same-tool"
    if any(repeated(row) for row in geometry.rows):
        yield "rereads=once"
    if never_called(geometry):
        yield "tools=deferred"
    if has_rules:
        yield "breakpoints=automatic"
        yield "breakpoints=sections"
    if not any(call.turn.selectors.batch for call in geometry.calls):
        yield "tier=batch"


def _caps(geometry: Geometry) -> Iterator[str]:
    """Yield caps for the tools whose results take up most of all prompts."""
    carried: dict[str, int] = defaultdict(int)
    largest: dict[str, int] = defaultdict(int)
    for row, lengths in geometry.rows.items():
        ordered = sorted(lengths)
        for at, block in enumerate(row.blocks[: ordered[-1]]):
            if block.kind == "tool_result":
                carried[block.name] += block.tokens * (len(ordered) - bisect_right(ordered, at))
                largest[block.name] = max(largest[block.name], block.tokens)
    for tool in sorted(carried, key=lambda name: -carried[name])[:TOOLS_CAPPED]:
        limit = next((limit for limit in CAPS_TOKENS if largest[tool] > 1.5 * limit), None)
        if limit is not None:
            yield f"cap={tool}:{limit}"


def _suggestion(lever: str, predicted: Prediction) -> Suggestion | None:
    after, low, high = predicted.after_usd, predicted.low_usd, predicted.high_usd
    if after is None or low is None or high is None:
        return None
    before = predicted.before_usd
    return Suggestion(
        lever=lever,
        saves_usd=before - after,
        low_usd=before - high,
        high_usd=before - low,
        share=(before - after) / before,
        saving_kind=predicted.saving_kind,
        assumes=predicted.assumes,
        prediction=predicted,
    )

"""The turns whose dollars can be followed down the chain: those that are both priced and modelled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.work import Work, sum_work
from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.usage import Usage, sum_of_usages


@frozen
class FollowedTurns:
    """Some turns of a run that have a price and a model, with what they were billed and what they computed.

    `left_out` counts the run's other turns: those without a price, without usage, or without a model.
    `is_lower_bound` says that the bill is at least this much: an output was cut short, or calls are missing.
    """

    indices: tuple[int, ...]
    left_out: int
    billed_usd: Decimal
    work: Work
    usage: Usage
    is_lower_bound: bool


def followed_turns(ledger: Ledger, hardware: Hardware) -> FollowedTurns:
    """Return the turns of a run that are both priced and modelled."""
    kept = [
        index
        for index, (billed, work) in enumerate(zip(ledger.billed_usd, hardware.turns, strict=True))
        if billed is not None and work.by_model and not work.missing
    ]
    return _together(ledger, hardware, kept)


def by_provider(ledger: Ledger, hardware: Hardware, followed: FollowedTurns) -> dict[str, FollowedTurns]:
    """Return the followed turns of each provider, in the order in which the run first calls it."""
    found: dict[str, list[int]] = defaultdict(list)
    for index in followed.indices:
        found[ledger.run.turns[index].provider].append(index)
    return {provider: _together(ledger, hardware, indices) for provider, indices in found.items()}


def _together(ledger: Ledger, hardware: Hardware, indices: Iterable[int]) -> FollowedTurns:
    kept = tuple(indices)
    turns = [ledger.run.turns[index] for index in kept]
    return FollowedTurns(
        indices=kept,
        left_out=len(ledger.run.turns) - len(kept),
        billed_usd=sum((ledger.billed_usd[index] or Decimal(0) for index in kept), Decimal(0)),
        work=sum_work(hardware.turns[index] for index in kept),
        usage=sum_of_usages(turn.usage for turn in turns if turn.usage is not None),
        is_lower_bound=bool(ledger.run.problems)
        or any(
            turn.status == "partial" or (turn.output_incomplete and turn.output_rest_in is None)
            for turn in turns
        ),
    )

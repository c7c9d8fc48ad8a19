"""Totals, classes and turns of a ledger whose work has been costed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, overload

from tokenprof.analysis.rows.row_types import (
    ClassRow,
    EntryRow,
    Incompleteness,
    IncompleteReason,
    Totals,
    TurnRow,
)
from tokenprof.attribute.classes import PROMPT_ORDER
from tokenprof.attribute.shares import TurnShares
from tokenprof.costing.billed_sums import NOTHING
from tokenprof.costing.compute import FULL_COST, Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.work import Work
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.own_decimals import own_decimals
from tokenprof.hw_model.cost import OWNED
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.book import Price, Unpriced
from tokenprof.pricing.rates import AS_TEXT_NOTES
from tokenprof.pricing.usage import CLASSES, sum_of_usages

if TYPE_CHECKING:
    from tokenprof.costing.cache_misses import CacheMiss
    from tokenprof.costing.cache_prediction import CachePrediction
    from tokenprof.hw_model.description import DeploymentDescription


def price_to_cost(billed_usd: Decimal | None, hardware_usd: Estimate | None) -> Estimate | None:
    """Return billed over hardware; its low uses the hardware's high. None if either is unknown."""
    if billed_usd is None or hardware_usd is None or hardware_usd.low <= 0:
        return None
    billed = float(billed_usd)
    return Estimate(billed / hardware_usd.high, billed / hardware_usd.mid, billed / hardware_usd.low)


def deployments(ledger: Ledger, hardware: Hardware) -> tuple[DeploymentDescription, ...]:
    """Return the deployment of each modelled model, the one that was billed most first."""
    spent: dict[tuple[str, str], Decimal] = defaultdict(lambda: NOTHING)
    for turn, billed in zip(ledger.run.turns, ledger.billed_usd, strict=True):
        spent[turn.provider, turn.model] += billed or NOTHING
    ranked = sorted(hardware.scenarios, key=lambda model: spent[model], reverse=True)
    return tuple(hardware.scenarios[model].description for model in ranked)


def totals(ledger: Ledger, hardware: Hardware) -> Totals:
    """Return the sums over a run."""
    turns = ledger.run.turns
    billed = [usd for usd in ledger.billed_usd if usd is not None]
    unpriced = sum(
        turn.usage is not None and usd is None for turn, usd in zip(turns, ledger.billed_usd, strict=True)
    )
    billed_usd = sum(billed, NOTHING) if billed or not turns else None
    hardware_usd = hardware.usd(hardware.total)
    stated = [turn.stated_usd for turn in turns if turn.stated_usd is not None]
    comparable = billed_usd if not unpriced and not hardware.total.missing else None
    return Totals(
        turns=len(turns),
        usage=sum_of_usages(turn.usage for turn in turns if turn.usage is not None),
        billed_usd=billed_usd,
        unpriced_turns=unpriced,
        unmeasured_turns=sum(turn.usage is None for turn in turns),
        partial_turns=sum(turn.status == "partial" for turn in turns),
        incomplete_output_turns=sum(turn.output_incomplete and turn.output_rest_in is None for turn in turns),
        hardware_usd=hardware_usd,
        hardware_opportunity_usd=hardware.usd(hardware.total, "opportunity"),
        hardware_marginal_usd=hardware.usd(hardware.total, "marginal"),
        hardware_owned_usd=hardware.usd(hardware.total, OWNED),
        price_to_cost=price_to_cost(comparable, hardware_usd),
        missing_calls=sum(problem.calls for problem in ledger.run.problems),
        incomplete=incompleteness(ledger),
        stated_usd=sum(stated, NOTHING) if stated else None,
    )


def incompleteness(ledger: Ledger) -> tuple[Incompleteness, ...]:
    """Return why the bill of a run may be larger than what is shown; nothing if it is whole."""
    turns = ledger.run.turns
    unpriced = sum(
        turn.usage is not None and usd is None for turn, usd in zip(turns, ledger.billed_usd, strict=True)
    )
    counts: dict[IncompleteReason, int] = {
        "unmeasured": sum(turn.usage is None for turn in turns),
        "unpriced": unpriced,
        "output_incomplete": sum(turn.output_incomplete and turn.output_rest_in is None for turn in turns),
        "noted": sum(
            turn.usage is not None and (bool(turn.notes) or _is_media_as_text(price))
            for turn, price in zip(turns, ledger.prices, strict=True)
        ),
        "missing": sum(problem.calls for problem in ledger.run.problems),
        "warned": len(ledger.run.warnings),
    }
    return tuple(Incompleteness(reason, count) for reason, count in counts.items() if count)


def _is_media_as_text(price: Price | Unpriced | None) -> bool:
    return isinstance(price, Price) and not AS_TEXT_NOTES.isdisjoint(price.notes)


def class_rows(ledger: Ledger, hardware: Hardware) -> tuple[ClassRow, ...]:
    """Return the price classes that have tokens, and fees if any were charged."""
    rows = []
    for cls in CLASSES:
        billed = ledger.classes.get(cls)
        if billed is None or not (billed.tokens or (cls == "fee" and billed.count)):
            continue
        work = hardware.classes.get(cls, Work(missing=True))
        hardware_usd = None if cls == "fee" else hardware.usd(work)
        rows.append(
            ClassRow(
                cls=cls,
                tokens=billed.tokens,
                billed_usd=billed.billed_usd,
                hardware_usd=hardware_usd,
                price_to_cost=price_to_cost(billed.billed_usd, hardware_usd),
                count=billed.count if cls == "fee" else 0,
                at_least_usd=None if billed.is_complete else billed.at_least_usd,
            )
        )
    return tuple(rows)


def turn_rows(
    ledger: Ledger,
    hardware: Hardware,
    misses: Sequence[CacheMiss | None],
    predictions: Sequence[CachePrediction | None],
) -> tuple[TurnRow, ...]:
    """Return the turns of a ledger."""
    full = hardware.many(hardware.turns, FULL_COST)
    opportunity = hardware.many(hardware.turns, "opportunity")
    marginal = hardware.many(hardware.turns, "marginal")
    owned = hardware.many(hardware.turns, OWNED)
    return tuple(
        TurnRow(
            index=index,
            id=turn.id,
            agent=turn.agent,
            context=turn.context,
            parent=turn.parent,
            provider=turn.provider,
            model=turn.model,
            requested_model=turn.requested_model,
            at=turn.started_at,
            duration_s=turn.duration_s,
            ttft_s=turn.ttft_s,
            status=turn.status,
            attempts=turn.attempts,
            tags=turn.tags,
            usage=turn.usage,
            context_tokens=None if turn.usage is None else turn.usage.input_tokens,
            output_incomplete=turn.output_incomplete,
            output_rest_in=turn.output_rest_in,
            billed_usd=ledger.billed_usd[index],
            hardware_usd=full[index],
            hardware_opportunity_usd=opportunity[index],
            hardware_marginal_usd=marginal[index],
            hardware_owned_usd=owned[index],
            price_to_cost=price_to_cost(ledger.billed_usd[index], full[index]),
            cache_miss=misses[index],
            cache_prediction=predictions[index],
            unpriced_classes=_unpriced_classes(ledger, index),
            seller=turn.seller,
            stated_usd=turn.stated_usd,
            notes=turn.notes,
            output_tokens_estimate=_output_estimate(ledger, index),
            entries=TurnEntries(ledger, hardware, index),
        )
        for index, turn in enumerate(ledger.run.turns)
    )


def _output_estimate(ledger: Ledger, index: int) -> Estimate | None:
    size = ledger.attribution.output_estimates.get(index)
    return None if size is None else Estimate(size.low, size.tokens, size.high)


def _unpriced_classes(ledger: Ledger, index: int) -> tuple[str, ...]:
    """Return the classes of a turn that have no price; none if no class of it has one."""
    if ledger.run.turns[index].usage is None or ledger.billed_usd[index] is not None:
        return ()
    used = [each for each in ledger.classes_of(index) if each.tokens or each.count]
    unpriced = [each.cls for each in used if each.billed_usd is None]
    if len(unpriced) == len(used):
        return ()
    shares = ledger.attribution.shares[index]
    written = [share.cls for share in shares.output] if isinstance(shares, TurnShares) else []
    return tuple(sorted(unpriced, key=[*PROMPT_ORDER, *written, "fee"].index))


@frozen
class TurnEntries(Sequence[EntryRow]):
    """The entries of one turn, drawn up when iterated: what is held is where to find them."""

    ledger: Ledger
    hardware: Hardware
    turn: int

    def __iter__(self) -> Iterator[EntryRow]:
        with own_decimals():
            drawn = tuple(self.hardware.of_entries(self.ledger, self.turn))
        for entry, hardware_usd in drawn:
            yield EntryRow(
                turn=self.turn,
                block=entry.block,
                cls=entry.cls,
                tokens=entry.tokens,
                billed_usd=entry.billed_usd,
                hardware_usd=hardware_usd,
                state="exact" if entry.exact else "estimated",
                count=entry.count,
            )

    def __len__(self) -> int:
        return len(self.ledger.attribution.shares[self.turn])

    @overload
    def __getitem__(self, index: int) -> EntryRow: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[EntryRow, ...]: ...
    def __getitem__(self, index: int | slice) -> EntryRow | tuple[EntryRow, ...]:
        return tuple(self)[index]

"""What a run would have sent and been billed if it had loaded its skills and tools otherwise.

Each variant is a difference from the recorded run, worked out context by context. The entries of the ledger
are gone through once, and only those of blocks that a variant moves are kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING

from tokenprof.attribute.shares import TurnShares
from tokenprof.costing.on_demand_loads import OnDemandLoad
from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.book import Price
from tokenprof.pricing.usage import INPUT_CLASSES

if TYPE_CHECKING:
    from tokenprof.attribute import Placed
    from tokenprof.costing.ledger import Ledger, LedgerEntry

ASSUMED_CALL_TOKENS = 60
"""Output of a turn that asks for a tool, if the run has no such turn to measure: a call and a few words."""

NOTHING = Decimal(0)


@dataclass(slots=True)
class VariantDelta:
    """What a variant has more (or, below zero, less) than the recorded run."""

    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal = NOTHING

    def copy(self) -> VariantDelta:
        """Return a difference that can be changed on its own."""
        return replace(self)

    def send(self, tokens: int, rate_usd: Decimal) -> None:
        """Add input tokens at a rate per token."""
        self.input_tokens += tokens
        self.usd += tokens * rate_usd

    def leave_out(self, entries: Iterable[LedgerEntry]) -> None:
        """Take off what the recorded run was billed for some entries."""
        for entry in entries:
            if entry.cls in INPUT_CLASSES:
                self.input_tokens -= entry.tokens
            else:
                self.output_tokens -= entry.tokens
            self.usd -= entry.billed_usd or NOTHING


@frozen
class TurnRates:
    """What a turn pays, in dollars per token: for what it sends first, sends again, and writes."""

    first: Decimal
    again: Decimal
    output: Decimal

    @property
    def first_instead_of_again(self) -> Decimal:
        """What it costs more to send a token for the first time."""
        return self.first - self.again


@dataclass(slots=True)
class PricedContext:
    """The priced turns of one message history, in order, with their rates."""

    turns: list[int] = field(default_factory=list)
    rates: dict[int, TurnRates] = field(default_factory=dict)


class Variants:
    """A run's contexts and loads, and what each way of loading would change."""

    def __init__(self, ledger: Ledger, loads: Sequence[OnDemandLoad]):
        self._ledger = ledger
        self._blocks = ledger.attribution.blocks
        self.contexts = _priced_contexts(ledger)
        self.loads = [load for load in loads if load.context in self.contexts]
        self.schemas = [placed for placed in self._blocks.values() if _is_schema(placed)]
        self._entries_of = self._moved_entries()

    def tokens(self, load: OnDemandLoad) -> int:
        """Return the size of what was loaded."""
        return self._blocks[load.block].size.tokens

    def load_up_front(self, name: str, delta: VariantDelta) -> None:
        """Take the loading out of a context's turns, and put what was loaded into the first prompt."""
        context, loads = self.contexts[name], self._loads_of(name)
        remaining = self._skip_loading(context, loads, delta)
        for load in loads:
            tokens = self.tokens(load)
            for place, index in enumerate(remaining):
                rates = context.rates[index]
                if index < load.turn:
                    delta.send(tokens, rates.again if place else rates.first)
                elif index == load.turn and place:
                    delta.usd -= tokens * rates.first_instead_of_again

    def never_load(self, name: str, delta: VariantDelta) -> None:
        """Take out of a context's turns what was loaded, and the loading of it."""
        loads = self._loads_of(name)
        remaining = set(self._skip_loading(self.contexts[name], loads, delta))
        for block in {load.block for load in loads}:
            delta.leave_out(entry for entry in self._entries_of[block] if entry.turn in remaining)

    def carry_everywhere(self, tokens: int, delta: VariantDelta) -> None:
        """Put tokens into every prompt of the longest context that is left of a variant's turns."""
        context = max(self.contexts.values(), key=lambda context: len(context.turns))
        for place, index in enumerate(context.turns[: len(context.turns) + delta.turns]):
            rates = context.rates[index]
            delta.send(tokens, rates.again if place else rates.first)

    def load_tools_when_called(self, name: str, delta: VariantDelta) -> None:
        """Take every schema out until its tool is called, with one more turn before to ask for it."""
        context = self.contexts[name]
        first_call = self._first_calls(context)
        loaders = self._loaders()
        left_out_tokens: dict[int, int] = defaultdict(int)
        asking: set[int] = set()
        for placed in self.schemas:
            if placed.context != name or placed.block.name in loaders:
                continue
            called = first_call.get(placed.block.name)
            for entry in self._entries_of[placed.id]:
                if called is None or entry.turn < called:
                    delta.leave_out([entry])
                    left_out_tokens[entry.turn] += entry.tokens
                elif entry.turn == called:
                    # The schema comes in with the turn that calls the tool, after one that asks for it.
                    rate_usd = context.rates[called].first
                    delta.usd += entry.tokens * rate_usd - (entry.billed_usd or NOTHING)
                    asking.add(called)
        call_tokens = self._call_tokens()
        for index in asking:
            usage, rates = self._ledger.run.turns[index].usage, context.rates[index]
            if usage is None:
                continue
            delta.turns += 1
            delta.send(usage.input_tokens - left_out_tokens[index], rates.again)
            delta.output_tokens += call_tokens
            delta.usd += call_tokens * rates.output
            # Its call and its result are carried from then on.
            for later in (each for each in context.turns if each >= index):
                own = context.rates[later]
                delta.send(call_tokens, own.first if later == index else own.again)

    def _loads_of(self, name: str) -> list[OnDemandLoad]:
        return [load for load in self.loads if load.context == name]

    def _moved_entries(self) -> Mapping[str, list[LedgerEntry]]:
        """Return the entries of loaded blocks, of what served loading, and of schemas, in priced turns."""
        moved = {placed.id for placed in self.schemas}
        for load in self.loads:
            moved |= {load.block, *load.exchange}
        found: dict[str, list[LedgerEntry]] = defaultdict(list)
        priced = sorted(index for context in self.contexts.values() for index in context.turns)
        # Schemas come first, and nothing after the last block that is moved has to be looked at.
        reach: dict[int, int] = {}
        for index in priced if moved else ():
            shares = self._ledger.attribution.shares[index]
            if isinstance(shares, TurnShares):
                row = shares.row
                if id(row) not in reach:
                    places = (at for at, piece in enumerate(row.pieces, 1) if piece.block in moved)
                    reach[id(row)] = max(places, default=0)
                shares = shares.of_first(reach[id(row)])
            for entry in self._ledger.entries.of_shares(index, shares):
                if entry.block in moved:
                    found[entry.block].append(entry)
        return found

    def _skip_loading(
        self, context: PricedContext, loads: Sequence[OnDemandLoad], delta: VariantDelta
    ) -> list[int]:
        """Take out the turns and the blocks that only served loading; returns the turns that are left."""
        skipped = {load.asked_in for load in loads if load.asked_in is not None and load.is_extra_turn}
        skipped &= set(context.turns)
        exchange = {block for load in loads for block in load.exchange}
        remaining = [index for index in context.turns if index not in skipped]
        delta.turns -= len(skipped)
        for block in exchange:
            delta.leave_out(entry for entry in self._entries_of[block] if entry.turn not in skipped)
        for index in sorted(skipped):
            delta.leave_out(self._ledger.entries[index])
            # What came in with a turn that is not made comes in with the next one.
            heir = next((later for later in remaining if later > index), None)
            if heir is not None:
                tokens = self._inherited_tokens(index, heir, exchange)
                delta.usd += tokens * context.rates[heir].first_instead_of_again
        return remaining

    def _inherited_tokens(self, index: int, heir: int, exchange: set[str]) -> int:
        """Return the tokens of what a turn was the first to send, and a later one sends too."""
        sent_by_heir = {entry.block for entry in self._ledger.entries[heir]} - exchange
        return sum(
            entry.tokens
            for entry in self._ledger.entries[index]
            if entry.cls in INPUT_CLASSES
            and entry.block in sent_by_heir
            and self._blocks[entry.block].born_turn == index
        )

    def _first_calls(self, context: PricedContext) -> Mapping[str, int]:
        """Return, per tool, the turn of a context that called it first."""
        first_call: dict[str, int] = {}
        for index in context.turns:
            for block in self._ledger.run.turns[index].output:
                if block.link:
                    first_call.setdefault(block.name, index)
        return first_call

    def _loaders(self) -> set[str]:
        """Return the tools that only load others: they cannot be loaded themselves."""
        served = (self._blocks[block].block for load in self.loads for block in load.exchange)
        return {block.name for block in served if block.kind == "tool_call"}

    def _call_tokens(self) -> int:
        """Return the output of a turn that asks for a tool: the median of the run's own, if it has any."""
        asked_in = (load.asked_in for load in self.loads if load.is_extra_turn)
        usages = [self._ledger.run.turns[index].usage for index in asked_in if index is not None]
        outputs = [usage.all_output_tokens for usage in usages if usage is not None]
        return round(median(outputs or [ASSUMED_CALL_TOKENS]))


def _is_schema(placed: Placed) -> bool:
    block = placed.block
    return block.kind == "tool" and block.section == "tools" and not block.deferred


def _priced_contexts(ledger: Ledger) -> dict[str, PricedContext]:
    contexts: dict[str, PricedContext] = defaultdict(PricedContext)
    for index, turn in enumerate(ledger.run.turns):
        price = ledger.prices[index]
        if turn.usage is None or ledger.billed_usd[index] is None or not isinstance(price, Price):
            continue
        fresh = price.rates.get("uncached_input")
        if fresh is None:
            continue
        written = next(
            (cls for cls in price.rates if cls.startswith("cache_write") and turn.usage.tokens_of(cls)), None
        )
        caches = written is not None or turn.usage.cache_read_tokens > 0
        context = contexts[turn.context]
        context.turns.append(index)
        context.rates[index] = TurnRates(
            first=price.rates.get(written, fresh) if written else fresh,
            again=price.rates.get("cache_read", fresh) if caches else fresh,
            output=price.rates.get("output", NOTHING),
        )
    return dict(contexts)

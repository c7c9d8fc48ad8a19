"""The price of progressive disclosure: a recorded run compared with the same run with everything up front.

A context that loads skills and tools on demand stays small, at the price of extra turns. The variants are
derived from the recorded turns, at their prices and with their caching: what a turn sends for the first time
is written (or fresh), what it sends again is read. The model is assumed to answer the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import fmean, median
from typing import TYPE_CHECKING

from tokenprof.costing.on_demand_loads import OnDemandLoad, loads_of
from tokenprof.pricing.book import Price

if TYPE_CHECKING:
    from tokenprof.costing.ledger import Ledger, LedgerEntry

ASSUMED_CALL_TOKENS = 60
"""Output tokens of a turn that asks for a tool, if the run has none to measure: a call and a few words."""

NOTHING = Decimal(0)
_OUTPUT = ("output", "reasoning", "fee")


@dataclass(frozen=True, slots=True)
class Variant:
    """A run as it was, or would have been: its turns, prompt and output tokens, and bill."""

    turns: int
    input_tokens: int
    output_tokens: int
    billed_usd: Decimal


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One run with different ways of disclosing skills and tools.

    `recorded` is the run as it was. `loaded_up_front` has all that it loaded in every prompt, without the
    turns that loaded it. `all_up_front` also has the skills of the index that it never loaded; it is None if
    the run loaded none, because then their size is unknown. `on_demand` loads each tool when it is first
    called, and never loads the others. `break_even_loads` is the number of loads at which loading one by
    one costs as much as having all `items` up front.
    """

    recorded: Variant
    loaded_up_front: Variant
    all_up_front: Variant | None
    on_demand: Variant
    loads: int
    load_turns: int
    items: int
    break_even_loads: float | None
    assumptions: tuple[str, ...]


@dataclass(slots=True)
class _Tally:
    """What a variant adds to the recorded run, or takes away from it."""

    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal = NOTHING

    def add(self, tokens: int, rate: Decimal) -> None:
        self.input_tokens += tokens
        self.usd += tokens * rate

    def take(self, entry: LedgerEntry) -> None:
        if entry.cls in _OUTPUT:
            self.output_tokens -= entry.tokens
        else:
            self.input_tokens -= entry.tokens
        self.usd -= entry.billed_usd or NOTHING

    def on(self, recorded: Variant) -> Variant:
        return Variant(
            recorded.turns + self.turns,
            recorded.input_tokens + self.input_tokens,
            recorded.output_tokens + self.output_tokens,
            recorded.billed_usd + self.usd,
        )


@dataclass(frozen=True, slots=True)
class _Rates:
    """What a turn pays for a token that is sent for the first time, and for one that is sent again."""

    first: Decimal
    again: Decimal
    output: Decimal


@dataclass(slots=True)
class _ContextRates:
    """The priced turns of one message history, in order."""

    turns: list[int] = field(default_factory=list)
    rates: dict[int, _Rates] = field(default_factory=dict)


def disclose(ledger: Ledger) -> Disclosure | None:
    """Return a run's disclosure; None if it has nothing to disclose, or a price is unknown."""
    contexts = _contexts(ledger)
    loads = [load for load in loads_of(ledger) if load.context in contexts]
    indexed = sum(
        len(placed.block.children)
        for placed in ledger.attribution.blocks.values()
        if placed.block.kind == "skills_index" and placed.replaces is None
    )
    schemas = [
        placed
        for placed in ledger.attribution.blocks.values()
        if placed.block.kind == "tool" and placed.block.section == "tools" and not placed.block.deferred
    ]
    if not contexts or not (loads or indexed or schemas):
        return None
    recorded = _recorded(ledger, contexts)
    up_front, bare = _Tally(), _Tally()
    for name, context in contexts.items():
        own = [load for load in loads if load.context == name]
        _up_front(ledger, context, own, up_front)
        _without_loads(ledger, context, own, bare)
    on_demand = _Tally()
    for name, context in contexts.items():
        _on_demand(ledger, name, context, loads, on_demand)
    bodies = {load.name: _tokens(ledger, load) for load in loads if load.kind == "skill"}
    unloaded = max(indexed - len(bodies), 0)
    everything = _everything(contexts, up_front, bodies, unloaded)
    return Disclosure(
        recorded=recorded,
        loaded_up_front=up_front.on(recorded),
        all_up_front=everything.on(recorded) if everything else None,
        on_demand=on_demand.on(recorded),
        loads=len(loads),
        load_turns=len({load.asked_in for load in loads if load.is_extra_turn}),
        items=max(indexed, len(bodies)),
        break_even_loads=_break_even(bare, everything, len(loads)),
        assumptions=_assumptions(bodies, unloaded),
    )


def _contexts(ledger: Ledger) -> dict[str, _ContextRates]:
    contexts: dict[str, _ContextRates] = defaultdict(_ContextRates)
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
        context.rates[index] = _Rates(
            first=price.rates.get(written, fresh) if written else fresh,
            again=price.rates.get("cache_read", fresh) if caches else fresh,
            output=price.rates.get("output", NOTHING),
        )
    return dict(contexts)


def _recorded(ledger: Ledger, contexts: Mapping[str, _ContextRates]) -> Variant:
    turns = [index for context in contexts.values() for index in context.turns]
    usages = [usage for index in turns if (usage := ledger.run.turns[index].usage) is not None]
    return Variant(
        len(turns),
        sum(usage.input_tokens for usage in usages),
        sum(usage.all_output_tokens for usage in usages),
        sum((ledger.billed_usd[index] or NOTHING for index in turns), NOTHING),
    )


def _tokens(ledger: Ledger, load: OnDemandLoad) -> int:
    return ledger.attribution.blocks[load.block].size.tokens


def _up_front(ledger: Ledger, context: _ContextRates, loads: Sequence[OnDemandLoad], tally: _Tally) -> None:
    """Remove the loading from a context's turns, and put what was loaded into the first prompt."""
    remaining = _without_loading(ledger, context, loads, tally)
    for load in loads:
        tokens = _tokens(ledger, load)
        for place, index in enumerate(remaining):
            rates = context.rates[index]
            if index < load.turn:
                tally.add(tokens, rates.again if place else rates.first)
            elif index == load.turn and place:
                tally.usd -= tokens * (rates.first - rates.again)


def _without_loads(
    ledger: Ledger, context: _ContextRates, loads: Sequence[OnDemandLoad], tally: _Tally
) -> None:
    """Remove what was loaded from a context's turns, along with the loading."""
    remaining = _without_loading(ledger, context, loads, tally)
    bodies = {load.block for load in loads}
    for index in remaining:
        for entry in ledger.entries[index]:
            if entry.block in bodies:
                tally.take(entry)


def _without_loading(
    ledger: Ledger, context: _ContextRates, loads: Sequence[OnDemandLoad], tally: _Tally
) -> list[int]:
    """Remove the turns and blocks that only served loading, and return the turns that remain."""
    dropped = {load.asked_in for load in loads if load.is_extra_turn} & set(context.turns)
    exchange = frozenset(block for load in loads for block in load.exchange)
    remaining = [index for index in context.turns if index not in dropped]
    tally.turns -= len(dropped)
    for index in context.turns:
        for entry in ledger.entries[index]:
            if index in dropped or entry.block in exchange:
                tally.take(entry)
    for index in sorted(index for index in dropped if index is not None):
        # What a removed turn would have sent first is sent by the next one.
        heir = next((later for later in remaining if later > index), None)
        if heir is None:
            continue
        rates = context.rates[heir]
        for block, tokens in _new_in(ledger, index).items():
            if block not in exchange and any(entry.block == block for entry in ledger.entries[heir]):
                tally.usd += tokens * (rates.first - rates.again)
    return remaining


def _new_in(ledger: Ledger, index: int) -> dict[str, int]:
    """Return the blocks that a turn was the first to send, with their tokens."""
    tokens: dict[str, int] = defaultdict(int)
    for entry in ledger.entries[index]:
        if entry.cls not in _OUTPUT and ledger.attribution.blocks[entry.block].born_turn == index:
            tokens[entry.block] += entry.tokens
    return tokens


def _everything(
    contexts: Mapping[str, _ContextRates], up_front: _Tally, bodies: Mapping[str, int], unloaded: int
) -> _Tally | None:
    """Add the skills that were never loaded, at the mean size of those that were, to the main context."""
    if not bodies:
        return None
    main = max(contexts.values(), key=lambda context: len(context.turns))
    tally = _Tally(up_front.turns, up_front.input_tokens, up_front.output_tokens, up_front.usd)
    tokens = round(fmean(bodies.values())) * unloaded
    for place, index in enumerate(main.turns[: len(main.turns) + up_front.turns]):
        tally.add(tokens, main.rates[index].again if place else main.rates[index].first)
    return tally


def _on_demand(
    ledger: Ledger, name: str, context: _ContextRates, loads: Sequence[OnDemandLoad], tally: _Tally
) -> None:
    """Leave every schema out until its tool is called, and add a turn before that to ask for it."""
    first_call: dict[str, int] = {}
    for index in context.turns:
        for block in ledger.run.turns[index].output:
            if block.link:
                first_call.setdefault(block.name, index)
    loading = {load.exchange for load in loads}
    loaders = {
        placed.block.name
        for ids in loading
        for placed in (ledger.attribution.blocks[id_] for id_ in ids)
        if placed.block.kind == "tool_call"
    }
    asking_turns = [load.asked_in for load in loads if load.asked_in is not None and load.is_extra_turn]
    asked = [ledger.run.turns[index].usage for index in asking_turns]
    call_tokens = round(median([u.all_output_tokens for u in asked if u] or [ASSUMED_CALL_TOKENS]))
    removed: dict[int, int] = defaultdict(int)
    asking: set[int] = set()
    for index in context.turns:
        rates = context.rates[index]
        for entry in ledger.entries[index]:
            placed = ledger.attribution.blocks[entry.block]
            schema = placed.block.kind == "tool" and placed.block.section == "tools"
            if not schema or placed.block.name in loaders:
                continue
            called = first_call.get(placed.block.name)
            if called is None or index < called:
                tally.take(entry)
                removed[index] += entry.tokens
            elif index == called:
                # The schema arrives with the turn that calls the tool, after a turn that asks for it.
                tally.usd += entry.tokens * rates.first - (entry.billed_usd or NOTHING)
                asking.add(index)
    for index in asking:
        usage, rates = ledger.run.turns[index].usage, context.rates[index]
        if usage is None:
            continue
        prompt_tokens = usage.input_tokens - removed[index]
        tally.turns += 1
        tally.add(prompt_tokens, rates.again)
        tally.output_tokens += call_tokens
        tally.usd += call_tokens * rates.output
        # Its call and its result are part of every later prompt.
        for later in (each for each in context.turns if each >= index):
            own = context.rates[later]
            tally.add(call_tokens, own.first if later == index else own.again)


def _break_even(bare: _Tally, everything: _Tally | None, loads: int) -> float | None:
    """Return how many loads cost as much as having everything up front, at this run's mean cost per load.

    `bare` is the run without any load. Both variants are differences from the recorded run.
    """
    if everything is None or not loads or bare.usd >= 0:
        return None
    return float((everything.usd - bare.usd) / (-bare.usd / loads))


def _assumptions(bodies: Mapping[str, int], unloaded: int) -> tuple[str, ...]:
    notes = ["The model's answers stay the same; caching stays as the run's own turns cached."]
    if unloaded and bodies:
        notes.append(
            f"The {unloaded} skills of the index that were never loaded are taken to be as large as the mean "
            f"of the {len(bodies)} that were: {fmean(bodies.values()):,.0f} tokens."
        )
    elif unloaded:
        notes.append("No skill was loaded, so the size of those in the index is not known.")
    notes.append("On demand, a tool is asked for by one more turn before its first call; unused ones never.")
    return tuple(notes)

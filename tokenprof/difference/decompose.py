"""A difference in dollars taken apart, block group by block group, so that the parts add up exactly.

One run is turned into the other step by step, and each step is charged with what it changes. The order is
fixed: the number of blocks, the size of their text, the number of calls, how long blocks are carried, the
tokenizer; then the cache, by the mix of price classes; then the model; then prices. Until the last step,
tokens are valued at the rates of the first run. Each intermediate bill is a Decimal and each part the
difference of two neighbours, so the parts add up to the whole difference by construction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, Literal

from tokenprof.costing.billed_sums import NOTHING
from tokenprof.data_classes.frozen import frozen
from tokenprof.difference.cost_profile import Cell, CellKey, CostProfile, GroupBlocks, ServedModel
from tokenprof.facts.own_decimals import EXACT_DIGITS, own_decimals
from tokenprof.pricing.usage import TokenClass

Step = Literal["blocks", "size", "calls", "carried", "tokenizer", "model", "cache", "price"]
"""What one step changes, in the order in which the steps are taken."""

STEPS: Final[tuple[Step, ...]] = (
    "blocks",
    "size",
    "calls",
    "carried",
    "tokenizer",
    "cache",
    "model",
    "price",
)

STATES_USD: Final = Decimal(1).scaleb(-15)
"""Intermediate bills are kept to this many dollars; the first and the last are exact."""

WRITTEN_BY_THE_MODEL: Final = frozenset({"assistant", "thinking", "output", "tool_call"})
"""Kinds of which every call makes one: more of them are a consequence of more calls."""

RateOf = Callable[[ServedModel, str], Decimal | None]


def _blocks_of(key: CellKey, profile: CostProfile) -> GroupBlocks:
    """Return the blocks of a cell's group, each once."""
    known = profile.output_blocks if key.passage == "output" else profile.prompt_blocks
    return known.get(key.group, GroupBlocks())


def decompose(before: CostProfile, now: CostProfile) -> dict[CellKey, dict[Step, Decimal]]:
    """Return the parts of `now.billed_usd - before.billed_usd`, by cell and step. They sum to it exactly.

    Tokens of `now` are valued at the rates of `before`; where those are not known, at their own.
    """
    keys = list(dict.fromkeys([*before.cells, *now.cells]))
    with own_decimals(EXACT_DIGITS):
        first = _FirstRun.of(before)
        return {key: _parts(key, first, now) for key in keys}


@frozen
class _FirstRun:
    """What the first run says about all cells: the rate of a token, and the tokens of each agent's models.

    `rate` gives what a token of a model and class was billed on average, else its rate. `models_of` are the
    tokens by model of each agent, and under None those of the run, without fees.
    """

    profile: CostProfile
    rate: RateOf
    models_of: Mapping[str | None, Mapping[ServedModel, int]]

    @classmethod
    def of(cls, profile: CostProfile) -> _FirstRun:
        """Return the sums of a run."""
        models_of: dict[str | None, dict[ServedModel, int]] = {None: defaultdict(int)}
        for key, cell in profile.cells.items():
            of_agent = models_of.setdefault(key.agent, defaultdict(int))
            for (served, token_class), billed in cell.items():
                if token_class != TokenClass.FEE:
                    of_agent[served] += billed.tokens
                    models_of[None][served] += billed.tokens
        return cls(profile, _rates_of(profile), models_of)


def _rates_of(before: CostProfile) -> RateOf:
    if before.in_tokens:
        return lambda served, cls: Decimal(1)
    tokens: dict[tuple[ServedModel, str], int] = defaultdict(int)
    usd: dict[tuple[ServedModel, str], Decimal] = defaultdict(lambda: NOTHING)
    for cell in before.cells.values():
        for pair, billed in cell.items():
            tokens[pair] += billed.tokens
            usd[pair] += billed.usd

    def rate(served: ServedModel, cls: str) -> Decimal | None:
        pair = served, cls
        if tokens.get(pair) and cls != TokenClass.FEE:
            return usd[pair] / tokens[pair]
        return before.rates.get(served, {}).get(cls)

    return rate


def _parts(key: CellKey, first: _FirstRun, now: CostProfile) -> dict[Step, Decimal]:
    before = first.profile
    old, new = before.cells.get(key, {}), now.cells.get(key, {})
    start, end = _usd(old), _usd(new)
    mixed = _at_new_mix(key, old, new, first)
    repriced = _at_old_rates(old, new, first.rate)
    volume: dict[Step, Decimal]
    if not _tokens(old) or not _tokens(new):
        # Nothing to scale: all of it is there because something is new, or is gone.
        at_volume = mixed if _tokens(new) else NOTHING
        volume = {_reason(key, before, now): at_volume - start}
    else:
        volume = defaultdict(lambda: NOTHING)
        at_volume, scale = start, Decimal(1)
        for step, factor in _factors(key, before, now):
            scale *= factor
            reached = _state(start * scale, start, mixed)
            volume[step] += reached - at_volume
            at_volume = reached
    parts: dict[Step, Decimal] = {
        **volume,
        "cache": mixed - at_volume,
        "model": repriced - mixed,
        "price": end - repriced,
    }
    return {step: usd for step, usd in parts.items() if usd}


def _reason(key: CellKey, before: CostProfile, now: CostProfile) -> Step:
    """Return the step that a passage belongs to which only one of the runs has."""
    if key.passage == "fee":
        return "blocks"
    blocks = [_blocks_of(key, side).count for side in (before, now)]
    if 0 in blocks:
        written = key.kind in WRITTEN_BY_THE_MODEL
        same_group = key.kind != "tool_call" and written
        return "calls" if same_group else "blocks"
    chances = [side.chances_to_carry(key.agent) for side in (before, now)]
    return "calls" if 0 in chances else "carried"


def _factors(key: CellKey, before: CostProfile, now: CostProfile) -> list[tuple[Step, Decimal]]:
    """Return what the tokens of a cell are multiplied by, step by step."""
    tokens = [Decimal(_tokens(side.cells[key])) for side in (before, now)]
    whole = tokens[1] / tokens[0]
    if key.passage == "fee":
        return [("blocks", whole)]
    groups = [_blocks_of(key, side) for side in (before, now)]
    blocks = _ratio(groups[1].count, groups[0].count)
    text = _ratio(groups[1].local_tokens, groups[0].local_tokens)
    calls = Decimal(1)
    if key.passage == "carried":
        calls = _ratio(now.chances_to_carry(key.agent), before.chances_to_carry(key.agent)) or calls
    found: list[tuple[Step, Decimal]] = []
    if blocks and key.kind in WRITTEN_BY_THE_MODEL:
        in_step = _ratio(now.turns.get(key.agent, 0), before.turns.get(key.agent, 0)) or Decimal(1)
        found += [("calls", in_step), ("blocks", blocks / in_step)]
    elif blocks:
        found.append(("blocks", blocks))
    if blocks and text:
        found.append(("size", text / blocks))
    found.append(("calls", calls))
    left = whole
    for _, factor in found:
        left /= factor
    found.append((_rest(key, before, now, has_text=bool(text)), left))
    return found


def _rest(key: CellKey, before: CostProfile, now: CostProfile, *, has_text: bool) -> Step:
    """Return the step of what counts of blocks, text and calls do not explain."""
    if has_text and before.models.get(key.agent) != now.models.get(key.agent):
        return "tokenizer"
    return "carried" if key.passage == "carried" else "size"


def _ratio(now: float, before: float) -> Decimal | None:
    return Decimal(now) / Decimal(before) if now and before else None


def _at_new_mix(key: CellKey, old: Cell, new: Cell, first: _FirstRun) -> Decimal:
    """Return the second run's tokens by class, on the first run's models at the first run's prices."""
    tokens: dict[str, int] = defaultdict(int)
    for (_, cls), billed in new.items():
        tokens[cls] += billed.tokens
    total = NOTHING
    for cls, count in tokens.items():
        weights = _model_weights(key, cls, old, first)
        whole = sum(weights.values())
        if not whole:
            of_class = {pair: billed for pair, billed in new.items() if pair[1] == cls}
            total += _valued(of_class, old, first.rate)
            continue
        for served, weight in weights.items():
            rate = _cell_rate(old, served, cls) or first.rate(served, cls)
            if rate is None:
                rate = _mean_rate(new, cls)
            total += rate * count * weight / whole
    return _state(total, _usd(old), _usd(new))


def _model_weights(key: CellKey, cls: str, old: Cell, first: _FirstRun) -> Mapping[ServedModel, int]:
    """Return the first run's models by their tokens: of the class, else of the group, the agent, the run."""

    def weigh(pairs: Mapping[tuple[ServedModel, str], int]) -> dict[ServedModel, int]:
        weights: dict[ServedModel, int] = defaultdict(int)
        for (served, _), tokens in pairs.items():
            weights[served] += tokens
        return weights

    own = {pair: billed.tokens for pair, billed in old.items() if billed.tokens}
    same = {pair: tokens for pair, tokens in own.items() if pair[1] == cls}
    if same or own:
        return weigh(same or own)
    for agent in (key.agent, None):
        wide = first.models_of.get(agent, {})
        if any(wide.values()):
            return wide
    return {}


def _at_old_rates(old: Cell, new: Cell, rate_before: RateOf) -> Decimal:
    """Return the second run's tokens by model and class, at the first run's prices."""
    total = _valued(new, old, rate_before)
    return _state(total, _usd(old), _usd(new))


def _state(usd: Decimal, *exact: Decimal) -> Decimal:
    """Return an intermediate bill, as one of the exact bills if it differs from it by rounding only."""
    near = (bill for bill in exact if abs(usd - bill) < STATES_USD)
    return next(near, usd.quantize(STATES_USD))


def _valued(cell: Cell, old: Cell, rate_before: RateOf) -> Decimal:
    total = NOTHING
    for (served, cls), billed in cell.items():
        rate = _cell_rate(old, served, cls) or rate_before(served, cls)
        total += billed.usd if rate is None else rate * billed.tokens
    return total


def _cell_rate(cell: Cell, served: ServedModel, cls: str) -> Decimal | None:
    billed = cell.get((served, cls))
    return billed.usd / billed.tokens if billed and billed.tokens else None


def _mean_rate(cell: Cell, cls: str) -> Decimal:
    own = [billed for (_, other), billed in cell.items() if other == cls]
    tokens = sum(billed.tokens for billed in own)
    return sum((billed.usd for billed in own), NOTHING) / tokens if tokens else NOTHING


def _usd(cell: Cell) -> Decimal:
    return sum((billed.usd for billed in cell.values()), NOTHING)


def _tokens(cell: Cell) -> int:
    return sum(billed.tokens for billed in cell.values())

"""When hosting an open model yourself costs less than buying tokens, for the calls of a recording.

    node turns/s  = what a node serves of these calls at their speed                (hw_model/own_nodes.py)
    nodes         = max(1, ceil(runs a day · calls a run · peak / day / node turns/s))
    month         = nodes · $ a node-hour · hours a month, idle or busy
    used          = calls a second / (nodes · node turns/s)
    break-even    = $ a node-hour / (3600 · node turns/s · $ a call elsewhere), a share of a node's capacity

Everything is drawn together: the model's own error on services of agents, the price of an hour, how many
tokens the other vocabulary makes of the same text, the host that is chosen, and the shape of the day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tokenprof.attribute.estimator.priors import prior_for
from tokenprof.costing.compute import turn_works
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run
from tokenprof.hw_model.cost import DeploymentError, UnknownModelError, find_model, known_model
from tokenprof.hw_model.estimate import Estimate
from tokenprof.hw_model.own_nodes import MeanTurn, OwnNode, mean_turn, own_node, wanted_tokens_per_s
from tokenprof.pricing.usage import Usage
from tokenprof.whatif.day_shape import DayShape, day_shape
from tokenprof.whatif.levers.other_model import tokenizer_factor
from tokenprof.whatif.planned_bill import in_classes_of

if TYPE_CHECKING:
    from tokenprof.costing.ledger import Ledger
    from tokenprof.costing.served_hours import HoursAsked, Serving
    from tokenprof.pricing.book import PriceBook

Draws = npt.NDArray[np.float64]

NODES: Final[tuple[tuple[str, str, HoursAsked], ...]] = (
    ("Own 8×H200", "8xh200", "own"),
    ("Rented 8×GB200", "8xgb200", "rent"),
)
"""The nodes that are compared: a name, what is in one, and whose hours they are."""

LIST_PRICE: Final = "the recorded list price"

RUNS_A_DAY: Final = (10, 100, 1000, 10_000)
HOURS_A_MONTH: Final = 730.0
SECONDS_A_DAY: Final = 86_400.0
DAYS_A_MONTH: Final = HOURS_A_MONTH / 24
DRAWS: Final = 2000

NOT_SOLD_AS_SUCH: Final = (":free", ":batch")


@frozen
class Bought:
    """The calls bought by the token: what a run costs [USD]. `is_recorded` if that is its own bill."""

    name: str
    usd_per_run: Estimate
    is_recorded: bool = False


@frozen
class Hosted:
    """A node of your own under these calls, P10 to P90.

    `calls_per_hour` is what it serves at most, `usd_per_run_when_full` what a run costs on a node that is
    never idle, `usd_per_run_by_day` on nodes that are as busy as the shape of the day allows.
    """

    name: str
    deployment: str
    calls_per_hour: Estimate
    usd_per_hour: Estimate
    usd_per_run_when_full: Estimate
    usd_per_run_by_day: Estimate
    tokens_per_s: float
    sessions: float
    hours_source: str


@frozen
class MonthOfRuns:
    """A month at a volume, by one way: what it costs [USD], and with nodes how many and how busy they are."""

    runs_per_day: float
    name: str
    usd: Estimate
    nodes: Estimate | None = None
    used: Estimate | None = None


@frozen
class Crossing:
    """Where a node costs as much as buying: how busy it is there, and at how many runs a day.

    `used` is a share of its capacity; above `reachable`, the most that the shape of the day allows, it never
    pays. `likely` is the share of draws in which it can pay; `runs_per_day` is over those, None without any.
    """

    hosted: str
    bought: str
    used: Estimate
    reachable: Estimate
    likely: float
    runs_per_day: Estimate | None


@frozen
class BreakEven:
    """Whether to host an open model yourself, for the calls of a recording.

    `calls_per_run` and `runs` are those of the recording, `turn` its mean call. `impossible` says why a kind
    of node is left out.
    """

    model: str
    runs: int
    calls_per_run: float
    turn: MeanTurn
    day: DayShape
    bought: tuple[Bought, ...]
    hosted: tuple[Hosted, ...]
    months: tuple[MonthOfRuns, ...]
    crossings: tuple[Crossing, ...]
    impossible: tuple[str, ...]
    assumes: tuple[str, ...]


def break_even(
    ledger: Ledger,
    book: PriceBook,
    serving: Serving,
    model: str,
    runs_per_day: Sequence[float] = (),
) -> BreakEven:
    """Return what hosting `model` costs for a ledger's calls, beside buying them, at volumes of runs a day.

    Raises `InputError` for a model without public weights, or a recording without a priced call.
    """
    try:
        shape = find_model(model)
    except UnknownModelError as error:
        problem = str(error.args[0]).rstrip(".")
        raise InputError(
            f"{problem}. Only open weights can be hosted; `tokenprof hw show` lists them."
        ) from None
    indices = [
        at for at, usd in enumerate(ledger.billed_usd) if usd is not None and ledger.run.turns[at].usage
    ]
    turns = tuple(ledger.run.turns[at] for at in indices)
    if not turns:
        raise InputError("No call of this run has a bill, so nothing can be compared with it.")
    runs = max(1, sum(source.runs for source in ledger.run.sources))
    calls = len(turns) / runs
    rng = np.random.default_rng([0, 7])
    recorded = prior_for(turns[0].provider, turns[0].model)
    usual, most = (tokenizer_factor(recorded, prior_for("", model), end) for end in ("mid", "high"))
    tokens = np.maximum(0.1, rng.normal(usual, (most - usual) / 1.2816, DRAWS))
    works = [work for work in turn_works(Run(turns), serving.settings.tool_latency_s) if work is not None]
    turn = mean_turn(works)
    scaled = MeanTurn(
        turn.cached_tokens * usual, turn.new_tokens * usual, turn.output_tokens * usual, turn.gap_s
    )
    day = day_shape([each.started_at for each in turns])
    peak = _drawn_between(day.peak_to_mean, rng)
    list_usd = float(sum((ledger.billed_usd[at] or Decimal(0) for at in indices), Decimal(0))) / runs
    bought = {LIST_PRICE: np.full(DRAWS, list_usd)}
    hosts = _host_usd(
        book, shape.name, sum((each.usage for each in turns if each.usage), Usage(0)), len(turns)
    )
    if hosts:
        chosen = rng.integers(0, len(hosts), DRAWS)
        bought[f"a host of {shape.name} ({len(hosts)} listed)"] = np.array(hosts)[chosen] / runs * tokens
    nodes: dict[str, OwnNode] = {}
    impossible = []
    for name, chips, hours in NODES:
        paid = _with_hours(serving, hours).of_model("own", shape.name, None, turns[0].started_at.date())
        try:
            nodes[name] = own_node(f"{model}@{chips}", scaled, wanted_tokens_per_s(works), paid, draws=DRAWS)
        except DeploymentError as error:
            impossible.append(f"{name}: {str(error).rstrip('.')}.")
    rates = {name: node.turns_per_s * usual / tokens for name, node in nodes.items()}
    names = ", ".join(dict.fromkeys(each.model for each in turns))
    return BreakEven(
        model=shape.name,
        runs=runs,
        calls_per_run=calls,
        turn=turn,
        day=day,
        bought=tuple(Bought(name, _spread(usd), at == 0) for at, (name, usd) in enumerate(bought.items())),
        hosted=tuple(_hosted(name, node, rates[name], calls, peak) for name, node in nodes.items()),
        months=tuple(_months(runs_per_day or RUNS_A_DAY, calls, peak, bought, nodes, rates)),
        crossings=tuple(
            _crossing(name, node, rates[name], calls, peak, other, usd)
            for name, node in nodes.items()
            for other, usd in bought.items()
        ),
        impossible=tuple(impossible),
        assumes=tuple(_assumes(shape.name, day, names)),
    )


def _assumes(model: str, day: DayShape, names: str) -> Iterator[str]:
    yield (
        f"{model} takes the same turns and does the job as well. Whether it does has to be tried; no figure "
        "here says so."
    )
    yield "Nodes are paid for every hour, idle or busy. Staff, spares and networks are not counted."
    yield f"The recorded list price is that of {names}."
    yield "Calls, contexts, cache hits and gaps are as recorded, and a cached prefix stays on its node."
    low, usual, high = day.peak_to_mean
    shape = f"{usual:.1f} times" if low == high else f"{low:g} to {high:g} times"
    yield f"The busiest hour has {shape} the calls of the mean hour ({day.source})."


def _with_hours(serving: Serving, hours: HoursAsked) -> Serving:
    settings = replace(serving.settings, deployment=None)
    return replace(serving, hours=hours, settings=settings)


def _host_usd(book: PriceBook, shape: str, usage: Usage, turns: int) -> list[float]:
    """Return what all calls cost at each host that lists a model, at today's list prices [USD].

    Long-context rates are those of the mean prompt.
    """
    from tokenprof.pricing.rates import total

    at = datetime.fromisoformat(book.describe().as_of or datetime.now(UTC).date().isoformat())
    mean = Usage(uncached_input_tokens=usage.input_tokens // turns)
    found: dict[str, float] = {}
    for provider in book.catalogue.providers():
        for model in book.catalogue.models(provider):
            known = known_model(model)
            if known is None or known.name != shape or model.endswith(NOT_SOLD_AS_SUCH):
                continue
            price = book.price(provider, model, at, mean)
            rates = getattr(price, "rates", None)
            if not rates:
                continue
            billed = price.amounts(in_classes_of(usage, rates))  # type: ignore[union-attr]
            usd = float(total(billed.values()))
            if usd > 0:
                found[provider] = min(usd, found.get(provider, usd))
    return sorted(found.values())


def _drawn_between(ends: tuple[float, float, float], rng: np.random.Generator) -> Draws:
    low, usual, high = ends
    if low == high:
        return np.full(DRAWS, usual)
    return np.exp(rng.triangular(np.log(low), np.log(usual), np.log(high), DRAWS))


def _hosted(name: str, node: OwnNode, rate: Draws, calls: float, peak: Draws) -> Hosted:
    full = node.usd_per_hour / 3600.0 / rate * calls
    return Hosted(
        name,
        node.deployment,
        _spread(rate * 3600.0),
        _spread(node.usd_per_hour),
        _spread(full),
        _spread(full * peak),
        node.tokens_per_s,
        node.sessions,
        node.hours_source,
    )


def _months(
    volumes: Sequence[float],
    calls: float,
    peak: Draws,
    bought: dict[str, Draws],
    nodes: dict[str, OwnNode],
    rates: dict[str, Draws],
) -> Iterator[MonthOfRuns]:
    for volume in volumes:
        asked = volume * calls / SECONDS_A_DAY
        for name, node in nodes.items():
            count = np.maximum(1.0, np.ceil(asked * peak / rates[name]))
            usd = count * node.usd_per_hour * HOURS_A_MONTH
            used = asked / (count * rates[name])
            yield MonthOfRuns(volume, name, _spread(usd), _spread(count), _spread(used))
        for name, per_run in bought.items():
            yield MonthOfRuns(volume, name, _spread(per_run * volume * DAYS_A_MONTH))


def _crossing(
    name: str, node: OwnNode, rate: Draws, calls: float, peak: Draws, other: str, usd_per_run: Draws
) -> Crossing:
    used = node.usd_per_hour / 3600.0 / rate * calls / usd_per_run
    pays = used * peak <= 1.0
    volume = (used * rate * SECONDS_A_DAY / calls)[pays]
    return Crossing(
        name,
        other,
        _spread(used),
        _spread(1.0 / peak),
        float(pays.mean()),
        _spread(volume) if len(volume) else None,
    )


def _spread(values: Draws) -> Estimate:
    low, mid, high = np.percentile(values, [10, 50, 90]).tolist()
    return Estimate(low, mid, high)

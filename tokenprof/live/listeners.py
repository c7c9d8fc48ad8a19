"""Who hears about each finished turn: the host's callback, its meter provider."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tokenprof.facts.switches import is_switched_on
from tokenprof.record.background.harmless_log import log

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.facts.types import Block, Turn
    from tokenprof.live.budget_guard import BudgetGuard
    from tokenprof.live.limits import Limits
    from tokenprof.live.running_cost import TurnCost
    from tokenprof.record.otlp import Attribute
    from tokenprof.record.process_share import TurnListener

METRICS_VARIABLE = "TOKENPROF_METRICS"


def listener(
    on_turn: Callable[[TurnCost], None] | None = None,
    metrics: bool = False,
    given: Mapping[str, Any] | None = None,
    guard: BudgetGuard | None = None,
) -> TurnListener | None:
    """Return what to call after each finished turn; None if nobody wants to know.

    Parameters: `on_turn`, the host's callback; `metrics`, whether the meter provider gets tokens, bill and
    compute (the environment variable `TOKENPROF_METRICS` asks for that, too); `given`, the host's own
    settings of `resolve_assumptions`; `guard`, what watches the run's limits.

    Raises `InputError` for one of the `given` settings that cannot be used.
    """
    with_metrics = metrics or is_switched_on(os.environ.get(METRICS_VARIABLE))
    if on_turn is None and not with_metrics and guard is None:
        return None
    assumptions = _assumptions(given or {})
    listeners: list[TurnListener] = [guard] if guard is not None else []
    if on_turn is not None:
        from tokenprof.live.running_cost import RunningCost

        listeners.append(RunningCost(_stopping(on_turn, guard), assumptions))
    if with_metrics:
        from tokenprof.live.metrics import TurnMetrics

        listeners.append(TurnMetrics(assumptions))

    def tell(turn: Turn, prompt: Sequence[Block]) -> None:
        for each in listeners:
            each(turn, prompt)

    return tell


def span_cost(
    metrics: bool, given: Mapping[str, Any], seller: str | None
) -> Callable[[Turn], Mapping[str, Attribute]] | None:
    """Return what gives a call's span its cost; None without metrics, for which prices are loaded anyway.

    Raises as `listener` does.
    """
    if not (metrics or is_switched_on(os.environ.get(METRICS_VARIABLE))):
        return None
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.costing.span_cost import cost_attributes, cost_of

    book = price_book(_assumptions(given))
    return lambda turn: cost_attributes(*cost_of(turn, book, seller))


def guard_of(
    warn_at: Limits | str | None, stop_at: Limits | str | None, given: Mapping[str, Any]
) -> BudgetGuard | None:
    """Return what watches a run's limits; None without any.

    Raises as `listener` does, and `InputError` for what is not a limit.
    """
    if warn_at is None and stop_at is None:
        return None
    from tokenprof.live.budget_guard import BudgetGuard
    from tokenprof.live.limits import limits_of

    watched, stopping = limits_of(warn_at, "warn_at"), limits_of(stop_at, "stop_at")
    return BudgetGuard(watched, stopping, _assumptions(given))


def _stopping(on_turn: Callable[[TurnCost], None], guard: BudgetGuard | None) -> Callable[[TurnCost], None]:
    """Return a callback that may stop further calls by raising `StopCalls`, if they may be stopped."""
    if guard is None or not guard.stops:
        return on_turn
    from tokenprof.live.limits import StopCalls

    def heard(cost: TurnCost) -> None:
        try:
            on_turn(cost)
        except StopCalls as stop:
            guard.stop(str(stop))

    return heard


def _assumptions(given: Mapping[str, Any]) -> Assumptions:
    """Return the settings in force. What the host did not ask for itself can go wrong without stopping it."""
    from tokenprof.analysis.assumptions import Assumptions, price_book, resolve_assumptions
    from tokenprof.facts.errors import InputError

    try:
        found = resolve_assumptions(**given)
        price_book(found)
    except InputError as error:
        if any(value is not None for value in given.values()):
            raise
        log.warning("tokenprof uses list prices only: %s", error)
        return Assumptions()
    return found

"""The turns of a run as columns: when, who, how large, what they were billed and cost to compute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from tokenprof.analysis.rows.row_types import TurnRow
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.inert_text import printable
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pictures.views.names import agent_label, shortened
from tokenprof.pricing.usage import Usage

READ, WRITTEN, FRESH = 0, 1, 2
CACHE_STATES = ("read from cache", "written to cache", "fresh")
"""How the bill counts a prompt's tokens, in the order in which they lie in the prompt."""


@frozen
class TurnColumns:
    """One value per turn in each column, in time order; None is unknown.

    `start_s` counts from the first call; `agent` and `model` are indices of `agents` and `models`.
    `read_tokens`, `written_tokens`, `fresh_tokens` make up the prompt; `output_tokens` includes
    reasoning. `compute_*_usd` are the ends and the middle of the estimate.
    """

    began: str | None
    start_s: tuple[float | None, ...]
    duration_s: tuple[float | None, ...]
    agents: tuple[str, ...]
    agent: tuple[int, ...]
    models: tuple[str, ...]
    model: tuple[int, ...]
    status: tuple[str, ...]
    read_tokens: tuple[int | None, ...]
    written_tokens: tuple[int | None, ...]
    fresh_tokens: tuple[int | None, ...]
    output_tokens: tuple[int | None, ...]
    billed_usd: tuple[Decimal | None, ...]
    compute_low_usd: tuple[float | None, ...]
    compute_mid_usd: tuple[float | None, ...]
    compute_high_usd: tuple[float | None, ...]


def turn_columns(turns: Sequence[TurnRow]) -> TurnColumns:
    """Return the turns of a run as columns."""
    began = min((turn.at for turn in turns if turn.at is not None), default=None)
    agents = [agent_label(turn.agent) for turn in turns]
    models = [shortened(printable(turn.model or "unknown model")) for turn in turns]
    agent_names, model_names = tuple(dict.fromkeys(agents)), tuple(dict.fromkeys(models))
    agent_number = {name: number for number, name in enumerate(agent_names)}
    model_number = {name: number for number, name in enumerate(model_names)}
    states = [cache_states(turn.usage) for turn in turns]
    compute = [turn.hardware_usd for turn in turns]
    return TurnColumns(
        began=None if began is None else began.astimezone(UTC).isoformat(timespec="seconds"),
        start_s=tuple(seconds_since(began, turn.at) for turn in turns),
        duration_s=tuple(turn.duration_s for turn in turns),
        agents=agent_names,
        agent=tuple(agent_number[name] for name in agents),
        models=model_names,
        model=tuple(model_number[name] for name in models),
        status=tuple(turn.status for turn in turns),
        read_tokens=tuple(None if state is None else state[READ] for state in states),
        written_tokens=tuple(None if state is None else state[WRITTEN] for state in states),
        fresh_tokens=tuple(None if state is None else state[FRESH] for state in states),
        output_tokens=tuple(None if turn.usage is None else turn.usage.all_output_tokens for turn in turns),
        billed_usd=tuple(turn.billed_usd for turn in turns),
        compute_low_usd=tuple(_end(each, "low") for each in compute),
        compute_mid_usd=tuple(_end(each, "mid") for each in compute),
        compute_high_usd=tuple(_end(each, "high") for each in compute),
    )


def cache_states(usage: Usage | None) -> tuple[int, int, int] | None:
    """Return the tokens of a prompt that were read, written and fresh; None if nothing was measured."""
    if usage is None:
        return None
    read, fresh = usage.cache_read_tokens, usage.uncached_input_tokens
    return read, usage.input_tokens - read - fresh, fresh


def seconds_since(began: datetime | None, at: datetime | None) -> float | None:
    """Return the seconds from one time to another; None if one is unknown."""
    return None if began is None or at is None else (at - began).total_seconds()


def _end(estimate: Estimate | None, end: str) -> float | None:
    return None if estimate is None else float(getattr(estimate, end))

"""Joint draws of everything that is not known of how a model is served, for closed and for open models.

A draw is an architecture (or how hosts serve a known one), a chip, a speed, acceptance of drafts, an owner's
finances, and the error of this model itself. For each, a rational operator chooses the deployment
(`operator_choice`). The run's own clock is evidence: the speed is drawn around it, and a draw counts for less
the more it would have cost its operator to run at that speed rather than at half of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.catalogue.lookup import chips
from tokenprof.hw_model.catalogue.shapes import ModelShape
from tokenprof.hw_model.equations.batching import Batch
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.gpu_hour import OwnerHour, OwnerRanges
from tokenprof.hw_model.equations.plan import ServingPlan
from tokenprof.hw_model.equations.turn_work import MeanTurn
from tokenprof.hw_model.fleet.architectures import (
    chip_table,
    draw_closed,
    draw_open,
    host_of,
    log_triangular,
    weighted_choice,
)
from tokenprof.hw_model.fleet.clock import ObservedSpeed
from tokenprof.hw_model.fleet.closed_model_classes import AVAILABLE, FLEETS, ModelClass, Triple
from tokenprof.hw_model.fleet.draw_rows import (
    choice_rows,
    put_plan,
    resampled,
    table_rows,
)
from tokenprof.hw_model.fleet.operator_choice import Choice, choose, fits_somewhere
from tokenprof.hw_model.fleet.own_error import own_error
from tokenprof.hw_model.fleet.techniques import NOTHING_SAID, Techniques

BEHIND_THE_HOUR: Final = frozenset({"capital per accelerator", "cost of capital", "life, years"})
"""Names of the draws that only decide what an accelerator-hour costs its owner."""

USUAL_OWNERS: Final = OwnerRanges()

UNITS: Final[Mapping[str, str]] = {
    "KV bytes per token": "bytes/token",
    "capital per accelerator": "USD",
    "tokens per second to each user": "tokens/s",
}
"""Units of the named draws that are not plain numbers."""

LOAD_LOG_SD: Final = 0.15
"""How far the speed of one run is from the one its operator aims at: load changes through the day."""

OPEN_SPEED: Final[Triple] = (20.0, 45.0, 120.0)
"""Tokens per second to each user of hosts of open models: 71 public hosts, tenth to ninetieth percentile."""

AGENT_ACCEPTANCE: Final = (0.15, 0.45, 0.8)
"""Chance that the first drafted token is accepted: Kimi K3 on replayed agents 0.26, published prompts 0.8."""

TRIES: Final = 12


@dataclass(frozen=True, slots=True)
class FleetDraws:
    """Draws of plans, batches, owner's hours [USD] and utilisation, aligned by index.

    `own_error` is by what the cost of a draw is multiplied, `prompt_load` the share of its time that a pool
    of prompts works. `named` holds the quantities that a report lists, `choices` further draws; both are
    arrays of shape (draws,) by name. `before` are the named quantities before the run's clock was looked at.
    `few` is the share of draws whose replica holds fewer sequences than an operator would want, `reaches`
    that of draws that keep the speed seen.
    """

    plan: ServingPlan
    batch: Batch
    owner_hour: OwnerHour
    utilisation: Array
    own_error: Array
    prompt_load: Array
    named: Mapping[str, Array]
    before: Mapping[str, Array]
    choices: Mapping[str, Array]
    few: float
    reaches: float


@dataclass(frozen=True, slots=True)
class FleetQuestion:
    """Whose fleet it is, what it serves, and the run that is looked at.

    `model` is a class of closed models or a known shape; `when` is the day of the run (None: today). `chip`
    is the only one used, if it is given; `owner` is what an owner's finances are drawn from; `precision` is
    the dtype of the weights, if somebody says it, and `techniques` what is said about the rest.
    """

    model: ModelClass | ModelShape
    fleet: str
    turn: MeanTurn
    observed: ObservedSpeed | None
    when: date | None = None
    chip: str | None = None
    owner: OwnerRanges = USUAL_OWNERS
    precision: str | None = None
    techniques: Techniques = NOTHING_SAID

    def weights(self) -> dict[str, float]:
        """Return the chips that are drawn from, each with its weight."""
        return fleet_at(self.fleet, self.when) if self.chip is None else {self.chip: 1.0}


def sample(
    asked: FleetQuestion, *, utilisation: Triple | float, draws: int, seed: int, c: Constants
) -> FleetDraws:
    """Return joint draws; with one seed, all models have the same finances and load.

    `utilisation` is the share of hours sold: low, mode and high to draw from, or one figure. A draw on
    chips that cannot hold the context in any usual layout is drawn again. Raises KeyError for an unknown
    fleet, ValueError if no chip of the fleet holds the model.
    """
    shared = np.random.default_rng([seed, 0])
    load = (
        np.full(draws, utilisation)
        if isinstance(utilisation, float | int)
        else shared.triangular(*utilisation, size=draws)
    )
    owner = asked.owner.drawn(shared, draws)
    capex_quantile = shared.random(draws)
    private = np.random.default_rng([seed, 1])
    drawn, speed, choice, likely = chosen_for(asked, draws, private, c)
    kept = resampled(likely, private)
    before = _named(asked, drawn, choice, speed)
    chosen = choice_rows(choice, kept)
    after = _named(asked, table_rows(drawn, kept), chosen, speed[kept])
    chip = drawn["chip"][kept]
    capex = quantile_of_log_triangle(chip_table(chip, lambda x: x.capex_usd), capex_quantile)
    kw = chip_table(chip, lambda x: (x.all_in_kw,))[:, 0]
    error = own_error(asked.turn.context_tokens, chosen, private)
    return FleetDraws(
        plan=chosen.plan,
        batch=chosen.batch,
        owner_hour=owner.parts_usd_per_hour(capex, kw),
        utilisation=load,
        own_error=error,
        prompt_load=chosen.prompt_load,
        named={**after, "capital per accelerator": capex, "utilisation": load},
        before=before,
        choices={
            **{name: drawn[key][kept] for name, key in _CHOICES.items() if key in drawn},
            "speculative decoding": chosen.drafted,
            "prompts and decoding apart": chosen.disaggregated,
            "error of this model": error,
            "cost of capital": np.asarray(owner.cost_of_capital),
            "life, years": np.asarray(owner.life_years),
        },
        few=float(np.mean(np.asarray(chosen.batch.sequences) < 8.0)),
        reaches=float(np.mean(chosen.reaches)),
    )


_CHOICES: Final = {
    "kind of attention": "attention",
    "weight precision": "precision",
    "chip": "chip",
    "KV precision": "kv_fp8",
    "acceptance of drafts": "acceptance",
}


def fleet_at(fleet: str, when: date | None) -> dict[str, float]:
    """Return the weights of a fleet's chips that hosts had by a day (None: all of them)."""
    weights = FLEETS[fleet]
    known = {
        name: weight
        for name, weight in weights.items()
        if when is None or date.fromisoformat(AVAILABLE.get(name, "2020-01-01")) <= when
    }
    return known or dict(weights)


def _draw(
    asked: FleetQuestion, draws: int, rng: np.random.Generator
) -> tuple[dict[str, Array], ServingPlan, Array]:
    weights = asked.weights()
    names = list(chips())
    index = np.array([names.index(name) for name in weights], dtype=float)
    chip = index[weighted_choice(rng, draws, list(weights.values()))]
    if isinstance(asked.model, ModelShape):
        drawn, whole = draw_open(asked.model, chip, rng, asked.precision, asked.techniques)
        usual = OPEN_SPEED
    else:
        drawn, whole = draw_closed(asked.model, chip, rng, asked.precision, asked.techniques)
        usual = asked.model.tokens_per_s
    drawn["acceptance"] = rng.triangular(*AGENT_ACCEPTANCE, size=draws)
    seen = asked.observed
    if seen is None:
        speed = log_triangular(rng, draws, usual)
    else:
        speed = seen.tokens_per_s * np.exp(rng.normal(0.0, np.hypot(seen.log_sd, LOAD_LOG_SD), draws))
    return drawn, whole, speed


def chosen_for(
    asked: FleetQuestion, draws: int, rng: np.random.Generator, c: Constants
) -> tuple[dict[str, Array], Array, Choice, Array]:
    """Return draws, their speeds, the operator's choices, and how likely each is to be run at its speed.

    Draws that nothing can hold are drawn again.
    """
    drawn, whole, speed = _draw(asked, draws, rng)
    waiting = np.flatnonzero(~fits_somewhere(whole, host_of(drawn["chip"]), asked.turn, draws))
    for _ in range(TRIES):
        if not waiting.size:
            return drawn, speed, *_choose(asked, drawn, whole, speed, c)
        again, again_whole, again_speed = _draw(asked, waiting.size, rng)
        for name, values in drawn.items():
            values[waiting] = again[name]
        speed[waiting] = again_speed
        whole = put_plan(whole, waiting, again_whole, draws)
        fits = fits_somewhere(again_whole, host_of(again["chip"]), asked.turn, waiting.size)
        waiting = waiting[~fits]
    raise ValueError(
        f"no chip of the fleet {asked.fleet!r} holds {asked.model.name} with "
        f"{asked.turn.context_tokens:,.0f} tokens of context in a usual layout; describe a deployment"
    )


def _choose(
    asked: FleetQuestion, drawn: Mapping[str, Array], whole: ServingPlan, speed: Array, c: Constants
) -> tuple[Choice, Array]:
    """Return the choices, and how likely each draw's operator would run at its speed.

    That is the cost at half of the speed over the cost at it. A draw that cannot keep the speed counts by how
    far it falls short. Without a clock all count alike.
    """
    speeds = [1.0 / speed] if asked.observed is None else [1.0 / speed, 2.0 / speed]
    host = host_of(drawn["chip"])
    choices = choose(whole, host, asked.turn, speeds, drawn["acceptance"], c, asked.techniques)
    choice = choices[0]
    if asked.observed is None:
        return choice, np.ones(len(speed))
    premium = choice.seconds_per_turn / np.maximum(choices[1].seconds_per_turn, 1e-12)
    gained = np.asarray(choice.plan.tokens_per_step) / np.maximum(np.asarray(choice.batch.step_s), 1e-9)
    short = np.minimum(np.log(np.maximum(gained, 1e-9) / speed), 0.0)
    away = np.exp(-0.5 * (short / np.hypot(asked.observed.log_sd, LOAD_LOG_SD)) ** 2)
    likely = np.where(choice.reaches, 1.0, np.maximum(away, 1e-6)) / np.maximum(premium, 1.0)
    return choice, np.asarray(np.where(choice.fits, likely, 0.0))


def _named(
    asked: FleetQuestion, drawn: Mapping[str, Array], choice: Choice, speed: Array
) -> dict[str, Array]:
    """Return the quantities that a report lists."""
    named = {
        "tokens per second to each user": speed,
        "sequences per replica": np.asarray(choice.batch.sequences),
        "accelerators per replica": np.asarray(choice.plan.accelerators),
    }
    if isinstance(asked.model, ModelShape):
        return named
    return {
        "active parameters": drawn["active"],
        "total parameters": drawn["total"],
        "KV bytes per token": drawn["kv_bytes"],
        **named,
    }


def quantile_of_log_triangle(bounds: Array, quantile: Array) -> Array:
    """Return the value at a quantile of each row's log-triangular distribution.

    `bounds` has the shape (rows, 3): low, mode and high. One quantile per row makes rows move together.
    """
    low, mode, high = np.log(bounds).T
    cut = (mode - low) / (high - low)
    rising = low + np.sqrt(quantile * (high - low) * (mode - low))
    falling = high - np.sqrt((1.0 - quantile) * (high - low) * (high - mode))
    return np.asarray(np.exp(np.where(quantile < cut, rising, falling)))

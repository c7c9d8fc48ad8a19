"""The same run with and without each technique of serving: drafts, prompt cache, split pools, dtypes, MLA.

Everything else is drawn, or chosen by the operator, as in the report: without drafts an operator takes
another batch, so a row is the difference between two rational services and not a factor of one kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from tokenprof.chain.followed_turns import followed_turns
from tokenprof.chain.hardware_sweeps import served_otherwise
from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.served_hours import is_open
from tokenprof.costing.work import Work
from tokenprof.data_classes.frozen import frozen
from tokenprof.hw_model.catalogue.lookup import find_model
from tokenprof.hw_model.cost import TurnWork
from tokenprof.hw_model.equations.deployment_error import DeploymentError
from tokenprof.hw_model.equations.features import features_of_parts
from tokenprof.hw_model.estimate import Estimate
from tokenprof.hw_model.serving_settings import Techniques, has_latent


@frozen
class TechniqueCost:
    """What the followed turns cost to compute without a technique and with it [USD].

    None if nothing serves the run that way. `in_use` is the share of the draws of the report that have
    the technique; None if the row cannot say. `about` says what the row supposes; `conditional` that nobody
    has published how a model of the run is served.
    """

    name: str
    without_usd: Estimate | None
    with_usd: Estimate | None
    in_use: float | None
    about: str
    conditional: bool

    @property
    def factor(self) -> float | None:
        """By what the technique multiplies the cost; None if one of the two is not possible."""
        if self.without_usd is None or self.with_usd is None:
            return None
        return self.with_usd.mid / self.without_usd.mid


@frozen
class _Technique:
    """A technique: what a drawn service is told without and with it, and the options of a given one."""

    name: str
    without: Mapping[str, object]
    having: Mapping[str, object]
    options: tuple[str, str] | None
    about: str


def _of(without: Techniques, having: Techniques) -> tuple[dict[str, object], dict[str, object]]:
    return {"techniques": without}, {"techniques": having}


CACHE: Final = "prompt cache"
MLA: Final = "latent attention (MLA)"

TECHNIQUES: Final = (
    _Technique(CACHE, {}, {}, None, "without it, every cached token is computed again in its turn"),
    _Technique(
        "drafted tokens",
        *_of(Techniques(drafts=False), Techniques(drafts=True)),
        ("mtp=", "mtp=3"),
        "3 tokens drafted; agents accept the first at 0.15 to 0.8",
    ),
    _Technique(
        "split pools",
        *_of(Techniques(apart=False), Techniques(apart=True)),
        None,
        "prompts and answers on accelerators of their own; those of prompts idle between them",
    ),
    _Technique(
        "8-bit KV, not 16",
        *_of(Techniques(kv_dtype="bf16"), Techniques(kv_dtype="fp8")),
        ("kv=bf16", "kv=fp8"),
        "half of the KV to hold and to read",
    ),
    _Technique(
        "8-bit weights, not 16",
        {"precision": "bf16"},
        {"precision": "fp8"},
        ("weights=bf16", "weights=fp8"),
        "on chips without 8-bit arithmetic only memory is saved",
    ),
    _Technique(
        "4-bit weights, not 8",
        {"precision": "fp8"},
        {"precision": "fp4"},
        ("weights=fp8", "weights=fp4"),
        "4-bit experts where the chip multiplies them",
    ),
    _Technique(
        MLA,
        *_of(Techniques(attention="gqa"), Techniques(attention="mla")),
        None,
        "against grouped-query attention with 8 KV heads, which holds 3.6 times as many bytes; against one "
        "KV head for each of 128, as in the paper that introduced it, it would be 57 times. It saves memory "
        "and costs arithmetic, and its KV is copied to every tensor-parallel rank, so a fast stream at "
        "a long context costs more with it, and a slower one less (--speed 30)",
    ),
)


def technique_costs(ledger: Ledger, hardware: Hardware) -> tuple[TechniqueCost, ...]:
    """Return what a run's followed turns cost with and without each technique.

    A technique that no model of the run can have, or that a deployment given in full cannot change, has no
    row.
    """
    indices = followed_turns(ledger, hardware).indices
    given = hardware.serving.settings.deployment is not None
    closed = not given and not all(is_open(model) for _, model in hardware.scenarios)
    rows = []
    for technique in TECHNIQUES:
        if technique.name == CACHE:
            uncached = tuple(None if work is None else _uncached(work) for work in hardware.works)
            without = served_cost(ledger, replace(hardware, works=uncached), indices, {})
            having = served_cost(ledger, hardware, indices, {})
        else:
            ways = _ways(technique, hardware)
            if ways is None:
                continue
            without, having = (served_cost(ledger, hardware, indices, way) for way in ways)
        if without is not None or having is not None:
            share = _share_in_use(technique.name, hardware)
            rows.append(TechniqueCost(technique.name, without, having, share, technique.about, closed))
    return tuple(rows)


def _ways(
    technique: _Technique, hardware: Hardware
) -> tuple[Mapping[str, object], Mapping[str, object]] | None:
    """Return what to change for a run without and with a technique; None if it does not apply."""
    deployment = hardware.serving.settings.deployment
    if deployment is not None:
        if technique.options is None:
            return None
        without, having = (with_option(deployment, option) for option in technique.options)
        return {"deployment": without}, {"deployment": having}
    if technique.name == MLA:
        shapes = [find_model(model) for _, model in hardware.scenarios if is_open(model)]
        if shapes and not any(map(has_latent, shapes)):
            return None
    return technique.without, technique.having


def with_option(deployment: str, option: str) -> str:
    """Return a deployment's text with one option set: `mtp=3`; `mtp=` takes it out."""
    place, _, options = deployment.partition(":")
    name = option.partition("=")[0]
    kept = [part for part in options.split(",") if part and part.partition("=")[0].strip() != name]
    if not option.endswith("="):
        kept.append(option)
    return f"{place}:{','.join(kept)}" if kept else place


def served_cost(
    ledger: Ledger, hardware: Hardware, indices: Sequence[int], changes: Mapping[str, object]
) -> Estimate | None:
    """Return what turns cost if the service changes [USD]; None if nothing serves them so."""
    try:
        other = served_otherwise(ledger.run, hardware, **changes)
    except DeploymentError:
        return None
    total = Work()
    for index in indices:
        turn, work = ledger.run.turns[index], hardware.works[index]
        model = turn.provider, turn.model
        if work is not None:
            total.add(model, features_of_parts([work])[0].sum(axis=0))
    return other.usd(total)


def _uncached(work: TurnWork) -> TurnWork:
    return replace(work, cached_tokens=0, new_tokens=work.cached_tokens + work.new_tokens)


_DRAWN: Final[Mapping[str, tuple[str, float]]] = {
    "drafted tokens": ("speculative decoding", 1.0),
    "split pools": ("prompts and decoding apart", 1.0),
    "8-bit KV, not 16": ("KV precision", 1.0),
    MLA: ("kind of attention", 2.0),
}
"""The draws that say whether a technique is in use, and their value if it is."""


def _share_in_use(name: str, hardware: Hardware) -> float | None:
    """Return the share of draws that have a technique, over the models of a run; None if none says."""
    drawn, having = _DRAWN.get(name, ("", 0.0))
    shares = [
        float(np.mean(scenario.drawn[drawn] == having))
        for scenario in hardware.scenarios.values()
        if drawn in scenario.drawn
    ]
    return sum(shares) / len(shares) if shares else None

"""What the bill would be with a few levers set, every combination of them: what sliders move through.

Each cell is the engine's own prediction (`Analysis.what_if`), so that a page shows it and computes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import product
from typing import Final

from tokenprof.analysis.analysis import Analysis
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.hw_model.cost import DeploymentError
from tokenprof.report.next_steps.what_if_wording import basis, change_of

MOST_CALLS_COMBINED: Final = 500
"""Calls up to which every combination is predicted; a prediction replays all calls, some 0.3 ms each."""

MOST_CALLS: Final = 4000
"""Calls up to which the levers are predicted one at a time; above, the page says how to ask for one."""

BLOCKS_PER_CALL: Final = 10
"""Blocks that take as long to predict as a call."""

OTHER_MODELS: Final = {
    "anthropic": ("claude-haiku-4-5", "claude-sonnet-4-6", "claude-opus-4-8"),
    "openai": ("gpt-5-mini", "gpt-5"),
    "google": ("gemini-2.5-flash",),
}
"""Models of other sizes by the provider that sells them; one without a price is left out."""

MODELS_OFFERED: Final = 2
CAPS_TOKENS: Final = (2000, 500)
OWN_DEPLOYMENT: Final = "deepseek-v3@8xh200"
GPU_HOUR_USD: Final = (1.5, 2.0, 2.5, 3.0, 4.0, 6.0)

AS_RECORDED: Final = "as recorded"


@frozen
class WhatIfAxis:
    """A lever that can be set: its values as `tokenprof whatif --if` takes them, the first as recorded."""

    name: str
    values: tuple[str, ...]
    labels: tuple[str, ...]


@frozen
class WhatIfCell:
    """A prediction: the bill with its interval and the compute [USD]. None: no price is known."""

    at: tuple[int, ...]
    levers: tuple[str, ...]
    after_usd: Decimal | None
    low_usd: Decimal | None
    high_usd: Decimal | None
    compute_low_usd: float | None
    compute_mid_usd: float | None
    compute_high_usd: float | None
    saving_kind: str


@frozen
class OwnHardware:
    """What the same work costs on your own hardware, by the price of a GPU-hour [USD]."""

    deployment: str
    usd_per_gpu_hour: tuple[float, ...]
    low_usd: tuple[float, ...]
    mid_usd: tuple[float, ...]
    high_usd: tuple[float, ...]


@frozen
class WhatIfCube:
    """Predictions over the values of a few levers. `left_out` says which are missing, and why."""

    before_usd: Decimal | None
    axes: tuple[WhatIfAxis, ...]
    cells: tuple[WhatIfCell, ...]
    assumes: tuple[str, ...]
    own: OwnHardware | None
    left_out: str


def what_if_cube(analysis: Analysis) -> WhatIfCube:
    """Return the predictions that a page's sliders move through."""
    before = analysis.totals.billed_usd
    calls, blocks = len(analysis.turns), len(analysis.blocks)
    size = max(calls, blocks // BLOCKS_PER_CALL)
    if before is None or not before:
        return WhatIfCube(before, (), (), (), None, "No turn of this run has a bill to compare with.")
    own, too_long = _own_hardware(analysis)
    if size > MOST_CALLS:
        left_out = (
            f"This run has {calls:,} calls and {blocks:,} blocks; predictions for it take longer than the "
            "rest of the page. Ask for one: tokenprof whatif RUN --if ttl=1h"
        )
        return WhatIfCube(before, (), (), (), own, " ".join(filter(None, (left_out, too_long))))
    axes = tuple(axis for axis in _axes(analysis) if len(axis.values) > 1)
    combined = size <= MOST_CALLS_COMBINED
    cells, assumes = [], dict[str, None]()
    for at in product(*(range(len(axis.values)) for axis in axes)):
        if sum(place > 0 for place in at) > 1 and not combined:
            continue
        levers = tuple(axis.values[place] for axis, place in zip(axes, at, strict=True) if place)
        cell, said = _cell(analysis, at, levers)
        cells.append(cell)
        assumes.update(dict.fromkeys(said))
    alone = "" if combined else "The run is long, so each lever is predicted alone."
    left_out = " ".join(filter(None, (alone, too_long)))
    return WhatIfCube(before, axes, tuple(cells), tuple(assumes), own, left_out)


def _axes(analysis: Analysis) -> Iterator[WhatIfAxis]:
    billed = [turn for turn in analysis.turns if turn.usage is not None]
    written = [turn.usage.by_class() for turn in billed if turn.usage is not None]
    ttls = [ttl for ttl in ("5m", "1h") if any(usage.get(f"cache_write_{ttl}") for usage in written)]
    if ttls:
        offered = [ttl for ttl in ("5m", "1h") if ttls != [ttl]]
        yield _axis("cache lifetime", [f"ttl={ttl}" for ttl in offered])
    providers = {turn.provider for turn in billed}
    recorded = {turn.model for turn in billed}
    models = [
        name
        for provider in sorted(providers)
        for name in OTHER_MODELS.get(provider, ())
        if not any((model or "").startswith(name) for model in recorded)
    ]
    yield _axis("model", [f"model={name}" for name in models[:MODELS_OFFERED]])
    if any(block.kind == "tool_result" for block in analysis.blocks):
        yield _axis("results cut to", [f"cap=*:{tokens}" for tokens in CAPS_TOKENS])


def _axis(name: str, values: Sequence[str]) -> WhatIfAxis:
    return WhatIfAxis(name, ("", *values), (AS_RECORDED, *map(change_of, values)))


def _cell(
    analysis: Analysis, at: tuple[int, ...], levers: tuple[str, ...]
) -> tuple[WhatIfCell, tuple[str, ...]]:
    try:
        found = analysis.what_if(*levers)
    except (InputError, DeploymentError):
        return WhatIfCell(at, levers, None, None, None, None, None, None, "unknown"), ()
    compute = found.compute_after_usd
    cell = WhatIfCell(
        at=at,
        levers=levers,
        after_usd=found.after_usd,
        low_usd=found.low_usd,
        high_usd=found.high_usd,
        compute_low_usd=None if compute is None else compute.low,
        compute_mid_usd=None if compute is None else compute.mid,
        compute_high_usd=None if compute is None else compute.high,
        saving_kind=found.saving_kind,
    )
    return cell, tuple(basis(found)) if levers else ()


def _own_hardware(analysis: Analysis) -> tuple[OwnHardware | None, str]:
    """Return what the engine says for an hour at $1, times the price: the cost is hours times their price.

    Without it, the second value says why if the prompts are too long for that hardware.
    """
    try:
        predicted = analysis.what_if(f"hardware={OWN_DEPLOYMENT}:1").compute_after_usd
    except DeploymentError as error:
        return None, f"Hardware of your own cannot serve this run: {error}."
    except InputError:
        return None, ""
    if predicted is None:
        return None, ""
    own = OwnHardware(
        deployment=OWN_DEPLOYMENT,
        usd_per_gpu_hour=GPU_HOUR_USD,
        low_usd=tuple(hour_usd * predicted.low for hour_usd in GPU_HOUR_USD),
        mid_usd=tuple(hour_usd * predicted.mid for hour_usd in GPU_HOUR_USD),
        high_usd=tuple(hour_usd * predicted.high for hour_usd in GPU_HOUR_USD),
    )
    return own, ""

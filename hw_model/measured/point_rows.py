"""Published points of other models, one per row: what the row leaves open is filled in by rule.

The columns are those of `serving_points.csv`: model, hardware, engine, precision, spec_method, disaggregated,
parallelism, n_gpus, isl, osl, workload, concurrency, tokens_per_s_per_user, prefix_hit_rate,
mean_context_tokens, date and what was measured. A row without a layout gets the cheapest; one without a
number of clients gets as many as its measured speed allows; an agentic row without lengths gets those of the
sessions that the public benchmark replays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.chips import Chip
from tokenprof.hw_model.catalogue.lookup import UnknownChipError, UnknownModelError
from tokenprof.hw_model.catalogue.shapes import ModelShape
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.deployment import Deployment
from tokenprof.hw_model.equations.drafts import accepted_tokens, usual_drafted_tokens
from tokenprof.hw_model.fleet.layouts import (
    cheapest_service,
    clients_at_speed,
    pool_replicas,
    services_of,
)
from tokenprof.hw_model.fleet.own_error import LONG_CONTEXT_TOKENS
from tokenprof.hw_model.measured.agentic_rows import AgenticPoint, agentic_lengths, agentic_point
from tokenprof.hw_model.measured.capture_layouts import holding
from tokenprof.hw_model.measured.layout_text import Cut, ServiceLayout, read_layout
from tokenprof.hw_model.measured.measurements import INFERENCEX_MEAN_LENGTH
from tokenprof.hw_model.measured.row_names import chip_named, dtypes_of, engine_named, model_named
from tokenprof.hw_model.measured.row_values import (
    MeasurementError,
    Row,
    count,
    day,
    is_true,
    measured,
    number,
    words,
)
from tokenprof.hw_model.measured.service_rows import (
    RefusedRow,
    ServicePoint,
    days_since_release,
    regime_of,
    software_years,
)
from tokenprof.hw_model.service.load import ClientLoad
from tokenprof.hw_model.service.pools import Pools

POINT_COLUMNS: Final = ("model", "hardware", "engine")
"""The columns by which a file of published points is known; a row may lack any other."""

USUAL_SPEED: Final = 40.0


@dataclass(frozen=True, slots=True)
class PublishedPoint:
    """One published point: the service, and what an agentic one asks of it.

    `prompts_only` says that the row measures a prompt pool alone. `output_tokens_per_s_per_gpu` is None if
    the row does not have it. `queues` says that requests wait, so the batch is not the concurrency.
    """

    service: ServicePoint
    agentic: AgenticPoint | None
    prompts_only: bool
    output_tokens_per_s_per_gpu: float | None
    queues: bool


def parse_points(rows: Iterable[Row], c: Constants) -> tuple[list[PublishedPoint], list[RefusedRow]]:
    """Return the usable rows and the refused ones. `c` are the constants by which open layouts are chosen."""
    usable: list[PublishedPoint] = []
    refused: list[RefusedRow] = []
    for index, row in enumerate(rows):
        try:
            usable.append(_point(index, row, c))
        except (MeasurementError, UnknownModelError, UnknownChipError) as problem:
            refused.append(RefusedRow(index, str(problem)))
    return usable, refused


def _point(index: int, row: Row, c: Constants) -> PublishedPoint:
    base, assumed = _base(row)
    agentic = "agent" in words(row, "workload").lower()
    disaggregated = is_true(row, "disaggregated")
    speed = _speed(row)
    gpus = None if (stated := count(row, "n_gpus")) is None or stated > LARGEST_SERVICE else stated
    prompt_tokens, output_tokens = agentic_lengths(row) if agentic else _lengths(row)
    layout = read_layout(words(row, "parallelism"), gpus, disaggregated)
    decode_only = words(row, "parallelism") in ("decode", "decode node")
    pools: Pools | None = None
    asked: AgenticPoint | None = None
    clients = max(number(row, "concurrency") or 0.0, 0.0)
    load = ClientLoad(clients, prompt_tokens, output_tokens)
    if layout is not None and layout.decode.accelerators <= 1024:
        decode, prompt = _replica(base, layout.decode), None
        if base.drafted_tokens:
            groups = max(layout.decode.replicas, 1) * decode.dp
            drafted = usual_drafted_tokens((clients or 8.0) / groups)
            decode = _with_drafts(decode, row, drafted, agentic)
        if layout.prompt is not None:
            prompt = replace(_replica(base, layout.prompt), drafted_tokens=0)
        pools = _pools(layout, prompt, decode, load, speed, gpus, c)
    if base.drafted_tokens:
        base = _with_drafts(base, row, base.drafted_tokens, agentic)
    found: list[Pools] = [] if pools is None else [pools]
    if pools is None:
        kind = False if decode_only else disaggregated
        found = services_of(base, disaggregated=kind, gpus=gpus, context_tokens=prompt_tokens)
        found = found or services_of(base, disaggregated=kind, gpus=None, context_tokens=prompt_tokens)
    if agentic and disaggregated and len(found) > 1:
        # The split between pools is fixed when they are set up, and has to carry prompts that miss the cache.
        sized = cheapest_service(found, load, c, tokens_per_s=speed or USUAL_SPEED)
        found = [sized.pools] if sized else found
    if agentic and found:
        asked = agentic_point(row, found, load, base.chip, speed or USUAL_SPEED, c)
        pools, load = asked.pools, replace(load, clients=float(np.asarray(asked.load.sessions)))
    elif pools is None:
        chosen = cheapest_service(found, load, c, tokens_per_s=speed or (None if clients else USUAL_SPEED))
        if chosen is None:
            raise MeasurementError(f"{base.shape.name} does not fit on {base.chip.name} in any usual layout")
        pools = chosen.pools
    if not agentic and not clients:
        load = replace(load, clients=clients_at_speed(pools, load, c, speed or USUAL_SPEED))
    drafts = base.drafted_tokens > 0
    prompts_only = not (
        agentic or measured(row, "osl") or measured(row, "output_tokens_per_s_per_gpu") or speed
    )
    return PublishedPoint(
        service=ServicePoint(
            row=index,
            model=base.shape.name,
            base=base,
            pools=pools,
            load=load,
            cell=f"{base.shape.name} {base.chip.name} {'drafts' if drafts else 'no drafts'}",
            regime=regime_of(
                base, disaggregated=bool(pools.disaggregated), drafts=drafts,
                long_context=prompt_tokens > LONG_CONTEXT_TOKENS, agentic=agentic,
            ),
            tpot_s=None if speed is None else 1.0 / speed,
            ttft_s=measured(row, "ttft_p50_s"),
            tokens_per_s_per_gpu=_total(row, prompts_only),
            acceptance_stated=base.step_tokens is not None,
            layout_known=layout is not None and clients > 0,
            assumed=assumed,
        ),
        agentic=asked,
        prompts_only=prompts_only,
        output_tokens_per_s_per_gpu=measured(row, "output_tokens_per_s_per_gpu"),
        queues=(measured(row, "closure_ratio") or 1.0) > QUEUES_ABOVE,
    )  # fmt: skip


LARGEST_SERVICE: Final = 512
"""A row of more accelerators describes a fleet; its layout is taken as one service of it."""

SLOWER_THAN_SAID: Final = 1.25
"""How much slower than its row says a service may be: as much as times per token are off."""

QUEUES_ABOVE: Final = 1.35
"""Above this ratio of clients times speed to throughput, requests queue in the server."""


def _total(row: Row, prompts_only: bool) -> float | None:
    """Return the measured tokens per second and accelerator: all of them, or prompts where only those run."""
    total = measured(row, "total_tokens_per_s_per_gpu")
    return total or (measured(row, "input_tokens_per_s_per_gpu") if prompts_only else None)


def _pools(
    layout: ServiceLayout,
    prompt: Deployment | None,
    decode: Deployment,
    load: ClientLoad,
    speed: float | None,
    gpus: int | None,
    c: Constants,
) -> Pools:
    """Return the pools of a layout; what it leaves open is what serves most (2.13).

    That is how attention is cut, and how many replicas there are: enough for the row's speed.
    """
    decodes = _ways(decode, layout.decode)
    if layout.prompt is None or prompt is None:
        plan = decodes[0].plan()
        return Pools(plan, plan, float(layout.decode.replicas), float(layout.decode.replicas))
    ratios = [(layout.prompt.replicas, layout.decode.replicas)]
    if not layout.decode.replicas:
        usual = [pool_replicas(prompt.accelerators, decode.accelerators, count) for count in (gpus, None)]
        ratios = list(usual[0]) or list(usual[1])
    found = [
        Pools(one.plan(), other.plan(), float(p), float(d), 1.0)
        for one in _ways(prompt, layout.prompt)
        for other in decodes
        for p, d in ratios
    ]
    if len(found) == 1 or not load.clients:
        return found[0]
    slowest = speed / SLOWER_THAN_SAID if speed and len(ratios) > 1 else None
    chosen = cheapest_service(found, load, c, tokens_per_s=slowest)
    return chosen.pools if chosen else found[0]


def _ways(replica: Deployment, cut: Cut) -> list[Deployment]:
    """Return the ways in which a replica's attention may be cut; one if the row says which."""
    ranks = replica.tp
    if not cut.attention_open or replica.shape.experts is None or ranks == 1:
        return [replica]
    return [replica, replace(replica, tp=1, dp=ranks, ep=ranks)]


def _base(row: Row) -> tuple[Deployment, tuple[str, ...]]:
    """Return the deployment that a row names, not yet cut, and what was taken for something else."""
    shape: ModelShape = model_named(words(row, "model"))
    chip: Chip = chip_named(words(row, "hardware"))
    engine = engine_named(words(row, "engine"), chip.maker)
    experts, rest = dtypes_of(shape, words(row, "precision"))
    drafts = words(row, "spec_method").lower() not in ("", "none", "false", "no")
    base = Deployment(
        shape, chip, experts_dtype=experts, rest_dtype=rest, engine=engine.value,
        kv_dtype="bf16" if experts == rest == "bf16" else "fp8",
        drafted_tokens=3 if drafts else 0, software_years=software_years(day(row)),
        model_days=days_since_release(shape.released, day(row)),
    )  # fmt: skip
    return base, (engine.assumed,) if engine.assumed else ()


def _with_drafts(d: Deployment, row: Row, drafted: int, agentic: bool) -> Deployment:
    """Return a deployment with drafts whose accepted length is what the row states, else the model's.

    Replays of agents force the published acceptance, whether a row repeats that or not.
    """
    stated = re.search(r"(?:AL|acceptance) (\d+(?:\.\d+)?)", words(row, "spec_method"))
    if stated:
        return replace(d, drafted_tokens=3, step_tokens=float(stated[1]))
    synthetic = agentic or "synthetic" in words(row, "spec_method")
    forced = accepted_tokens(d.shape.name, FORCED_DRAFTS) if synthetic else None
    return replace(d, drafted_tokens=FORCED_DRAFTS if forced else drafted, step_tokens=forced)


def _replica(base: Deployment, cut: Cut) -> Deployment:
    return holding(replace(base, tp=cut.tp, dp=cut.dp, pp=cut.pp, ep=max(cut.ep, 1)))


def _speed(row: Row) -> float | None:
    """Return the median speed to each user [tokens/s], from that at the percentile which the row states.

    At `P90` nine users in ten are served at least that fast. Speeds of a service are taken as log-normal.
    """
    speed = measured(row, "tokens_per_s_per_user")
    stated = re.match(r"[pP](\d{1,2})$", words(row, "interactivity_stat"))
    if speed is None or stated is None:
        return speed
    share = min(max(int(stated[1]) / 100.0, 0.01), 0.99)
    return speed * float(np.exp(SPEED_LOG_SD * NormalDist().inv_cdf(share)))


FORCED_DRAFTS: Final = 5
"""Drafted tokens of a benchmark that forces the published acceptance: more pay off than on real text."""

SPEED_LOG_SD: Final = 0.174
"""Spread of the speeds of a service's users: the slowest tenth gets 0.8 of the median or less."""


def _lengths(row: Row) -> tuple[float, float]:
    """Return the mean prompt and output of a row of single turns [tokens]."""
    prompt, output = measured(row, "isl"), measured(row, "osl")
    context = measured(row, "mean_context_tokens")
    if prompt is None and context is not None:
        return context, output or 1024.0
    prompt, output = prompt or 8192.0, output or 1024.0
    nominal = prompt in (1024.0, 8192.0) and output in (1024.0, 8192.0)
    scale = INFERENCEX_MEAN_LENGTH if nominal else 1.0
    return scale * prompt, scale * output

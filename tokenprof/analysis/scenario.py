"""The settings of an analysis as the rooms below take them: how a model is served, and the chain above it."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

from tokenprof.analysis.assumptions import Assumptions
from tokenprof.chain.choices import Choices, SalesPath
from tokenprof.costing.served_hours import Serving
from tokenprof.hw_model.cost import ServingSettings
from tokenprof.hw_model.serving_settings import Techniques
from tokenprof.pricing.chain.figures import ChainData
from tokenprof.pricing.chain.gpu_hours import CONTRACT


def serving_of(said: Assumptions, figures: ChainData | None = None) -> Serving:
    """Return what the settings say about how models are served; `figures` are the rows of the market."""
    return Serving(
        settings=ServingSettings(
            deployment=said.deployment,
            utilisation=said.utilisation,
            usd_per_gpu_hour=said.usd_per_gpu_hour,
            chip=said.chip,
            precision=said.precision,
            tokens_per_s=said.speed,
            cost_of_capital=said.cost_of_capital,
            life_years=said.life_years,
            colo_usd_per_kw_month=said.colo_usd_per_kw_month,
            usd_per_kwh=said.usd_per_kwh,
            tool_latency_s=said.tool_latency,
            techniques=_techniques(said),
        ),
        hours=said.hours,
        contract=said.contract or CONTRACT,
        supplier=said.supplier,
        figures=figures,
    )


def _techniques(said: Assumptions) -> Techniques:
    return Techniques(
        drafts=None if said.drafts is None else said.drafts == "on",
        apart=None if said.pools is None else said.pools == "two",
        kv_dtype=said.kv_precision,
        attention=said.attention,
    )


def choices_of(said: Assumptions) -> Choices:
    """Return what the settings say about the chain above the chip."""
    usual = Choices()
    path = next((each for each in get_args(SalesPath) if each == said.path), usual.path)
    return Choices(
        path=path,
        aggregator=said.aggregator or usual.aggregator,
        plan=said.plan or usual.plan,
        sessions_per_month=usual.sessions_per_month if said.sessions is None else int(said.sessions),
        credits_usd=usual.credits_usd if said.credits is None else Decimal(str(said.credits)),
        compute=said.compute,
        anchor=said.anchor or usual.anchor,
        training_per_revenue=_decimal(said.training_share),
        discount=_decimal(said.discount),
        overhead=_decimal(said.overhead),
    )


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))

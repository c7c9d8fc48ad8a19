"""Parts of the chain section as JSON and back: who serves, and the spread over an anchor."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tokenprof.chain.section import SectionServer, SectionSpread
from tokenprof.report.money import range_json, read_range, usd

Json = dict[str, Any]
JsonObject = Mapping[str, Any]


def spread_json(spread: SectionSpread) -> Json:
    """Return a spread over an anchor as JSON."""
    return {
        "anchor": spread.anchor,
        "anchor_usd": usd(spread.anchor_usd),
        "spread_usd": usd(spread.spread_usd),
        "efficiency_loss": range_json(spread.efficiency_loss_usd),
        "training_amortisation": range_json(spread.training_amortisation_usd),
        "brand_premium": range_json(spread.brand_premium_usd),
        "residual": range_json(spread.residual_usd),
    }


def read_spread(spread: JsonObject) -> SectionSpread:
    """Return the spread over an anchor that is in JSON."""
    return SectionSpread(
        anchor=spread["anchor"],
        anchor_usd=Decimal(spread["anchor_usd"]),
        spread_usd=Decimal(spread["spread_usd"]),
        efficiency_loss_usd=read_range(spread["efficiency_loss"]),
        training_amortisation_usd=read_range(spread["training_amortisation"]),
        brand_premium_usd=read_range(spread["brand_premium"]),
        residual_usd=read_range(spread["residual"]),
    )


def server_json(server: SectionServer) -> Json:
    """Return who serves a provider's models as JSON."""
    return {
        "provider": server.provider,
        "supplier": server.supplier,
        "hours": server.hours,
        "usd_per_hour": range_json(server.usd_per_hour),
        "trains": server.trains,
        "source": server.source,
    }


def read_server(server: JsonObject) -> SectionServer:
    """Return who serves a provider's models from JSON."""
    return SectionServer(
        server["provider"],
        server["supplier"],
        server["hours"],
        read_range(server["usd_per_hour"]),
        server["trains"],
        server["source"],
    )

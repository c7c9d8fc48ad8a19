"""The chain section of a report as JSON, written from `ChainSection` and read back into it.

Money is a decimal string; a range is `{low, mid, high}`, with equal ends if the figure is known. Billed and
paid dollars are never ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar, get_args

from tokenprof.chain.choices import SalesPath
from tokenprof.chain.cost_shaped_price import ShapedTurn
from tokenprof.chain.section import (
    ChainSection,
    NamedSource,
    SectionLayer,
    SectionPaths,
    SectionPlan,
    SectionStep,
    ShapedBill,
    StepPart,
)
from tokenprof.facts.errors import InputError
from tokenprof.pricing.chain.figures import Figure, PublishedMargin
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.chain.layers import WaterfallStepName
from tokenprof.report.bridge_json import bridge_json, read_bridge, read_evidence
from tokenprof.report.chain_parts_json import (
    read_server,
    read_spread,
    server_json,
    spread_json,
)
from tokenprof.report.money import range_json, read_range, usd

Json = dict[str, Any]
JsonObject = Mapping[str, Any]
Found = TypeVar("Found")

SCHEMA: Final = "tokenprof.chain/2"
READ: Final = ("tokenprof.chain/1", SCHEMA)
RENAMED: Final[Mapping[str, str]] = {
    "lab margin: everything else, and profit": WaterfallStepName.UNEXPLAINED.value
}
"""Names of steps in the first form of the section, with what they are called in this one."""


def chain_json(section: ChainSection) -> Json:
    """Return a chain section as JSON (docs/report.md)."""
    paths = section.paths
    found: Json = {
        "schema": SCHEMA,
        "path": section.path,
        "turns": section.turns,
        "turns_left_out": section.turns_left_out,
        "billed_usd": usd(section.billed_usd),
        "paid_usd": usd(section.paid_usd),
        "compute_usd": range_json(section.compute_usd),
        "owner_usd": None if section.owner_usd is None else range_json(section.owner_usd),
        "is_lower_bound": section.is_lower_bound,
        "suppliers": {server.provider: server.supplier for server in section.servers},
        "servers": [server_json(server) for server in section.servers],
        "waterfall": [_step_json(step) for step in section.waterfall],
        "by_accounts": [_step_json(step) for step in section.by_accounts],
        "layers": [_layer_json(layer) for layer in section.layers],
        "inference_margin": _range_or_none(section.inference_margin),
        "all_in_margin": _range_or_none(section.all_in_margin),
        "published_margins": [_margin_json(margin) for margin in section.published_margins],
        "spread": spread_json(section.spreads[0]),
        "spreads": [spread_json(spread) for spread in section.spreads],
        "paths": {
            "direct_usd": usd(paths.direct_usd),
            "aggregator": paths.aggregator,
            "aggregator_usd": usd(paths.aggregator_usd),
            "plan": paths.plan,
            "sessions_per_month": paths.sessions_per_month,
            "plan_usd": usd(paths.plan_usd),
        },
        "plans": [_plan_json(plan) for plan in section.plans],
        "applications": [_margin_json(margin) for margin in section.applications],
        "assumptions": [
            _figure_json(row)
            if isinstance(row, Figure)
            else {"name": row.name, "value": None, "source": row.source}
            for row in section.assumptions
        ],
    }
    if section.cost_shaped is not None:
        found["cost_shaped"] = _shaped_json(section.cost_shaped)
    return found | bridge_json(section)


def _range_or_none(found: Interval | None) -> Json | None:
    return None if found is None else range_json(found)


def read_chain(chain: JsonObject) -> ChainSection:
    """Return the chain section of a report's JSON; what an older report lacks is empty or None.

    Raises `InputError` if it is not a chain section.
    """
    if chain.get("schema", SCHEMA) not in READ:
        raise InputError(
            f"The chain section of this report has the form {chain['schema']!r}, but this version reads "
            f"{SCHEMA!r}. Make the report again from the recording."
        )
    return read_json(_read_section, chain, "chain section of this report")


def read_json(read: Callable[[JsonObject], Found], found: JsonObject, what: str) -> Found:
    """Return what a reader makes of some JSON.

    Raises `InputError` naming `what` was read, and the key that is missing or the value that is wrong.
    """
    try:
        return read(found)
    except KeyError as error:
        raise InputError(f"The {what} has no {error}. Make it again from the recording.") from error
    except (TypeError, ValueError, ArithmeticError) as error:
        raise InputError(f"The {what} is not valid: {error}. Make it again from the recording.") from error


def _read_section(chain: JsonObject) -> ChainSection:
    paths, shaped, owner = chain["paths"], chain.get("cost_shaped"), chain.get("owner_usd")
    return ChainSection(
        path=_read_path(chain["path"]),
        turns=chain["turns"],
        turns_left_out=chain["turns_left_out"],
        billed_usd=Decimal(chain["billed_usd"]),
        paid_usd=Decimal(chain["paid_usd"]),
        compute_usd=read_range(chain["compute_usd"]),
        owner_usd=None if owner is None else read_range(owner),
        is_lower_bound=chain.get("is_lower_bound", False),
        servers=tuple(read_server(server) for server in chain.get("servers", ())),
        waterfall=tuple(_read_step(step) for step in chain["waterfall"]),
        by_accounts=tuple(_read_step(step) for step in chain.get("by_accounts", ())),
        layers=tuple(_read_layer(layer) for layer in chain.get("layers", ())),
        inference_margin=None if chain["inference_margin"] is None else read_range(chain["inference_margin"]),
        all_in_margin=None if chain["all_in_margin"] is None else read_range(chain["all_in_margin"]),
        published_margins=tuple(_read_margin(row) for row in chain.get("published_margins", ())),
        spreads=tuple(read_spread(spread) for spread in chain.get("spreads", [chain["spread"]])),
        paths=SectionPaths(
            direct_usd=Decimal(paths["direct_usd"]),
            aggregator=paths["aggregator"],
            aggregator_usd=Decimal(paths["aggregator_usd"]),
            plan=paths["plan"],
            sessions_per_month=paths["sessions_per_month"],
            plan_usd=None if paths["plan_usd"] is None else Decimal(paths["plan_usd"]),
        ),
        plans=tuple(_read_plan(plan) for plan in chain.get("plans", ())),
        applications=tuple(_read_margin(row) for row in chain.get("applications", ())),
        assumptions=tuple(
            NamedSource(row["name"], row["source"]) if row["value"] is None else _read_figure(row)
            for row in chain.get("assumptions", ())
        ),
        cost_shaped=None if shaped is None else _read_shaped(shaped),
        bridge=read_bridge(chain.get("bridge")),
        posterior_bridge=read_bridge(chain.get("posterior_bridge")),
        evidence=read_evidence(chain.get("evidence")),
    )


def _read_path(path: str) -> SalesPath:
    for known in get_args(SalesPath):
        if path == known:
            return known  # type: ignore[no-any-return]
    raise ValueError(f"its path is {path!r}, which is not one of {', '.join(get_args(SalesPath))}")


def _step_json(step: SectionStep) -> Json:
    return {
        "name": step.name.value,
        "usd": range_json(step.usd),
        "share": range_json(step.share),
        "internal_usd": None if step.internal_usd is None else range_json(step.internal_usd),
        "source": step.source,
        "parts": [{"name": part.name, "usd": range_json(part.usd)} for part in step.parts],
    }


def _read_step(step: JsonObject) -> SectionStep:
    internal = step.get("internal_usd")
    return SectionStep(
        name=WaterfallStepName(RENAMED.get(step["name"], step["name"])),
        usd=read_range(step["usd"]),
        share=read_range(step["share"]),
        internal_usd=None if internal is None else read_range(internal),
        source=step["source"],
        parts=tuple(StepPart(part["name"], read_range(part["usd"])) for part in step.get("parts", ())),
    )


def _layer_json(layer: SectionLayer) -> Json:
    return {
        "layer": layer.layer,
        "supplier": layer.supplier,
        "sells": layer.sells,
        "kind": layer.kind,
        "cost_usd": range_json(layer.cost_usd),
        "price_usd": range_json(layer.price_usd),
        "price_to_cost": range_json(layer.price_to_cost),
        "gross_margin": range_json(layer.gross_margin),
    }


def _read_layer(layer: JsonObject) -> SectionLayer:
    kind: Literal["market", "internal"] = "internal" if layer["kind"] == "internal" else "market"
    return SectionLayer(
        layer=layer["layer"],
        supplier=layer["supplier"],
        sells=layer["sells"],
        kind=kind,
        cost_usd=read_range(layer["cost_usd"]),
        price_usd=read_range(layer["price_usd"]),
        price_to_cost=read_range(layer["price_to_cost"]),
        gross_margin=read_range(layer["gross_margin"]),
    )


def _plan_json(plan: SectionPlan) -> Json:
    return {
        "plan": plan.plan,
        "usd_per_month": usd(plan.usd_per_month),
        "credit_usd_per_month": usd(plan.credit_usd_per_month),
        "usd_per_session": usd(plan.usd_per_session),
        "break_even_sessions": plan.break_even_sessions,
        "sessions_at_compute_cost": range_json(plan.sessions_at_compute_cost),
        "price_to_compute": range_json(plan.price_to_compute),
        "source": plan.source,
        **({} if plan.sessions_at_limit is None else {"sessions_at_limit": usd(plan.sessions_at_limit)}),
    }


def _read_plan(plan: JsonObject) -> SectionPlan:
    return SectionPlan(
        plan=plan["plan"],
        usd_per_month=Decimal(plan["usd_per_month"]),
        credit_usd_per_month=Decimal(plan["credit_usd_per_month"]),
        usd_per_session=Decimal(plan["usd_per_session"]),
        break_even_sessions=plan["break_even_sessions"],
        sessions_at_compute_cost=read_range(plan["sessions_at_compute_cost"]),
        price_to_compute=read_range(plan["price_to_compute"]),
        source=plan["source"],
        sessions_at_limit=Decimal(plan["sessions_at_limit"]) if "sessions_at_limit" in plan else None,
    )


def _figure_json(figure: Figure) -> Json:
    return {
        "name": figure.name,
        "value": usd(figure.value.mid),
        "low": usd(figure.value.low),
        "high": usd(figure.value.high),
        "source": figure.source,
        "checked": figure.checked.isoformat(),
        "assumed": figure.assumed,
    }


def _read_figure(row: JsonObject) -> Figure:
    value = Interval(Decimal(row["low"]), Decimal(row["value"]), Decimal(row["high"]))
    return Figure(row["name"], value, row["source"], date.fromisoformat(row["checked"]), row["assumed"])


def _margin_json(margin: PublishedMargin) -> Json:
    return {
        "name": margin.name,
        "value": usd(margin.value.mid),
        "low": usd(margin.value.low),
        "high": usd(margin.value.high),
        "source": margin.source,
        "checked": None if margin.checked is None else margin.checked.isoformat(),
        "assumed": margin.assumed,
        "kind": margin.kind,
        "when": margin.when,
    }


def _read_margin(row: JsonObject) -> PublishedMargin:
    checked = row.get("checked")
    return PublishedMargin(
        name=row["name"],
        kind=row.get("kind", "gross"),
        when=row.get("when"),
        value=Interval(Decimal(row["low"]), Decimal(row["value"]), Decimal(row["high"])),
        source=row["source"],
        checked=None if checked is None else date.fromisoformat(checked),
        assumed=row["assumed"],
    )


def _shaped_json(shaped: ShapedBill) -> Json:
    return {
        "total_usd": usd(shaped.total_usd),
        "basis": shaped.basis,
        "turns": [
            {
                "index": turn.index,
                "billed_usd": usd(turn.billed_usd),
                "shaped_usd": range_json(turn.shaped_usd),
            }
            for turn in shaped.turns
        ],
    }


def _read_shaped(shaped: JsonObject) -> ShapedBill:
    return ShapedBill(
        total_usd=Decimal(shaped["total_usd"]),
        basis=shaped["basis"],
        turns=tuple(
            ShapedTurn(turn["index"], Decimal(turn["billed_usd"]), read_range(turn["shaped_usd"]))
            for turn in shaped["turns"]
        ),
    )

"""The report of a run as the JSON object `tokenprof.report/1` (docs/report.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tokenprof.attribute.estimate import local_tokens
from tokenprof.attribute.model import Placed
from tokenprof.attribute.solve import largest_remainder
from tokenprof.costing.cache_misses import CacheMiss, explain_misses, follow_cache
from tokenprof.costing.cache_prediction import CachePrediction, predict_cache
from tokenprof.costing.compute import FULL_COST, Hardware, Work, cost_to_compute
from tokenprof.costing.disclosure import disclose
from tokenprof.costing.ledger import NOTHING, Ledger, build_ledger
from tokenprof.facts.types import Run
from tokenprof.hw_model.cost import DeploymentDescription
from tokenprof.pricing.book import PriceBook, Unpriced, default_book
from tokenprof.pricing.usage import CLASSES, Usage
from tokenprof.report.chain_json import chain_section
from tokenprof.report.compute import compute_of
from tokenprof.report.disclosure_json import disclosure_json
from tokenprof.report.findings import find
from tokenprof.report.groups import groups_of
from tokenprof.report.money import interval_json, price_to_cost, usd

SCHEMA = "tokenprof.report/1"
MAX_NOTES = 20

Json = dict[str, Any]


def report_of(
    run: Run,
    *,
    book: PriceBook | None = None,
    deployment: str | None = None,
    counts: Mapping[str, int] | None = None,
) -> Json:
    """Return the whole report of a run: attributed, priced, set against compute, with findings.

    `counts` are the provider's own counts of blocks, from `tokenprof count`.

    Raises what the price book raises for a tier it does not know.
    """
    priced_by = book or default_book()
    ledger = build_ledger(run, priced_by, counts)
    hardware = cost_to_compute(ledger, deployment=deployment)
    return build(ledger, hardware, priced_by)


def build(ledger: Ledger, hardware: Hardware, book: PriceBook) -> Json:
    """Return the report of a ledger whose work has been costed."""
    run = ledger.run
    outcomes = follow_cache(ledger)
    misses = explain_misses(ledger, outcomes)
    predictions = predict_cache(ledger, outcomes)
    report: Json = {
        "schema": SCHEMA,
        "sources": [{"file": s.file, "format": s.format, "runs": s.runs} for s in run.sources],
        "prices": book.describe(),
        "deployment": _deployment(ledger, hardware),
        "totals": _totals(ledger, hardware),
        "classes": _classes(ledger, hardware),
        "turns": _turns(ledger, hardware, misses, predictions),
        "blocks": _blocks(ledger, hardware),
        "findings": [],
        "warnings": _warnings(ledger),
    }
    report["groups"] = groups_of(ledger, hardware)
    report["compute"] = compute_of(ledger, hardware)
    report["chain"] = chain_section(ledger, hardware)
    report["disclosure"] = disclosure_json(disclose(ledger))
    report["findings"] = find(report)
    return report


def _usage_json(usage: Usage) -> dict[str, int]:
    return usage.by_class()


def _bases(hardware: Hardware, works: Sequence[Work]) -> list[Json]:
    """Return the three costs of each piece of work: full, with idle KV priced, marginal; never added."""
    columns = [
        [interval_json(cost) for cost in hardware.many(works, basis)]
        for basis in (FULL_COST, "opportunity", "marginal")
    ]
    names = ("hardware_usd", "hardware_opportunity_usd", "hardware_marginal_usd")
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _totals(ledger: Ledger, hardware: Hardware) -> Json:
    turns = ledger.run.turns
    usage = sum((t.usage for t in turns if t.usage is not None), Usage())
    billed = [b for b in ledger.billed_usd if b is not None]
    unmeasured = sum(t.usage is None for t in turns)
    unpriced = sum(t.usage is not None and b is None for t, b in zip(turns, ledger.billed_usd, strict=True))
    total = sum(billed, NOTHING) if billed or not turns else None
    comparable = total if not unpriced and not hardware.total.missing else None
    return {
        "turns": len(turns),
        "usage": _usage_json(usage),
        "billed_usd": usd(total),
        "unpriced_turns": unpriced,
        "unmeasured_turns": unmeasured,
        "partial_turns": sum(t.status == "partial" for t in turns),
        "incomplete_output_turns": sum(t.output_incomplete and t.output_rest_in is None for t in turns),
        **_bases(hardware, [hardware.total])[0],
        "price_to_cost": price_to_cost(comparable, hardware.usd(hardware.total)),
    }


def _classes(ledger: Ledger, hardware: Hardware) -> list[Json]:
    tokens: dict[str, int] = defaultdict(int)
    billed: dict[str, Decimal | None] = defaultdict(lambda: NOTHING)
    counts = 0
    for entries in ledger.entries:
        for entry in entries:
            tokens[entry.cls] += entry.tokens
            counts += entry.count
            known = billed[entry.cls]
            billed[entry.cls] = (
                None if known is None or entry.billed_usd is None else known + entry.billed_usd
            )
    rows = []
    for cls in CLASSES:
        if not tokens[cls] and not (cls == "fee" and counts):
            continue
        work = hardware.classes.get(cls, Work(missing=True))
        interval = None if cls == "fee" else hardware.usd(work)
        row = {
            "class": cls,
            "tokens": tokens[cls],
            "billed_usd": usd(billed[cls]),
            "hardware_usd": interval_json(interval),
            "price_to_cost": price_to_cost(billed[cls], interval),
        }
        rows.append(row | {"count": counts} if cls == "fee" else row)
    return rows


def _turns(
    ledger: Ledger,
    hardware: Hardware,
    misses: Sequence[CacheMiss | None],
    predictions: Sequence[CachePrediction | None],
) -> list[Json]:
    bases = _bases(hardware, hardware.turns)
    full_cost = hardware.many(hardware.turns)
    rows = []
    for index, turn in enumerate(ledger.run.turns):
        rows.append(
            {
                "index": index,
                "id": turn.id,
                "agent": turn.agent,
                "context": turn.context,
                "parent": turn.parent,
                "provider": turn.provider,
                "model": turn.model,
                "requested_model": turn.requested_model,
                "at": _time(turn.started_at),
                "duration_s": turn.duration_s,
                "ttft_s": turn.ttft_s,
                "status": turn.status,
                "attempts": turn.attempts,
                "tags": dict(turn.tags),
                "usage": None if turn.usage is None else _usage_json(turn.usage),
                "context_tokens": None if turn.usage is None else turn.usage.input_tokens,
                "output_incomplete": turn.output_incomplete,
                "output_rest_in": turn.output_rest_in,
                "billed_usd": usd(ledger.billed_usd[index]),
                **bases[index],
                "price_to_cost": price_to_cost(ledger.billed_usd[index], full_cost[index]),
                "cache_miss": _miss_json(misses[index]),
                "cache_prediction": _prediction_json(predictions[index]),
                "entries": [
                    {
                        "block": entry.block,
                        "class": entry.cls,
                        "tokens": entry.tokens,
                        "billed_usd": usd(entry.billed_usd),
                        "hardware_usd": interval_json(compute),
                        "state": "exact" if entry.exact else "estimated",
                        **({"count": entry.count} if entry.cls == "fee" else {}),
                    }
                    for entry, compute in hardware.of_entries(ledger, index)
                ],
            }
        )
    return rows


def _miss_json(miss: CacheMiss | None) -> Json | None:
    if miss is None:
        return None
    return {
        "cause": miss.cause,
        "block": miss.block,
        "field": miss.field,
        "tokens": miss.tokens,
        "usd": usd(miss.usd),
        "evidence": miss.evidence,
    }


def _prediction_json(prediction: CachePrediction | None) -> Json | None:
    if prediction is None:
        return None
    return {
        "cache_read": prediction.cache_read_tokens,
        "cache_write_5m": prediction.cache_write_5m_tokens,
        "cache_write_1h": prediction.cache_write_1h_tokens,
        "uncached_input": prediction.uncached_input_tokens,
        "miss": prediction.miss,
        "agrees": prediction.agrees,
    }


def _blocks(ledger: Ledger, hardware: Hardware) -> list[Json]:
    tokens: dict[str, int] = defaultdict(int)
    billed: dict[str, Decimal | None] = defaultdict(lambda: NOTHING)
    for entries in ledger.entries:
        for entry in entries:
            tokens[entry.block] += entry.tokens
            known = billed[entry.block]
            billed[entry.block] = (
                None if known is None or entry.billed_usd is None else known + entry.billed_usd
            )
    works = [hardware.blocks.get(block_id, Work()) for block_id in ledger.attribution.blocks]
    computed = hardware.many(works)
    return [
        {
            "id": placed.id,
            "kind": placed.block.kind,
            "name": placed.block.name,
            **({} if placed.block.uses is None else {"uses": list(placed.block.uses)}),
            "digest": placed.block.digest or None,
            "context": placed.context,
            "section": placed.block.section,
            "born_turn": placed.born_turn,
            "last_turn": placed.last_turn,
            "evicted_by": placed.evicted_by,
            "tokens": placed.size.tokens,
            "tokens_low": placed.size.low,
            "tokens_high": placed.size.high,
            "state": "exact" if placed.size.exact else "estimated",
            "billed_tokens": tokens[placed.id],
            "billed_usd": usd(billed[placed.id]),
            "hardware_usd": interval_json(compute),
            "replaces": placed.replaces,
            "children": _children(placed),
        }
        for placed, compute in zip(ledger.attribution.blocks.values(), computed, strict=True)
    ]


def _children(placed: Placed) -> list[Json]:
    """Return the finer parts of a block, its size shared out by local counts; never more than estimates."""
    children = placed.block.children
    if not children:
        return []
    local = [float(next(iter(c.tokens.values()), 0)) for c in children]
    of_block = max(local_tokens(placed.block), sum(local), 1.0)
    parts = largest_remainder(local, round(placed.size.tokens * sum(local) / of_block))
    return [
        {"name": child.name, "digest": child.digest, "tokens": tokens, "state": "estimated"}
        for child, tokens in zip(children, parts, strict=True)
    ]


def _deployment(ledger: Ledger, hardware: Hardware) -> Json | None:
    """Return the deployment that the run's most billed model is costed on, the others beside it."""
    if not hardware.scenarios:
        return None
    spent: dict[tuple[str, str], Decimal] = defaultdict(lambda: NOTHING)
    for turn, billed in zip(ledger.run.turns, ledger.billed_usd, strict=True):
        spent[turn.provider, turn.model] += billed or NOTHING
    ranked = sorted(hardware.scenarios, key=lambda model: spent[model], reverse=True)
    first, *others = (_description_json(hardware.scenarios[model].description) for model in ranked)
    return first | ({"others": others} if others else {})


def _description_json(description: DeploymentDescription) -> Json:
    cut = description.parallelism
    return {
        "model": description.model,
        "chip": description.chip,
        "chips": description.chips,
        "precision": description.precision,
        **({} if cut is None else {"parallelism": asdict(cut)}),
        "assumptions": [
            {"name": row.name, "value": row.value, "source": row.source}
            | ({} if row.low is None else {"low": row.low, "high": row.high})
            for row in description.assumptions
        ],
    }


def _warnings(ledger: Ledger) -> list[str]:
    found = list(ledger.run.warnings)
    unpriced: dict[str, list[int]] = defaultdict(list)
    for index, price in enumerate(ledger.prices):
        if isinstance(price, Unpriced):
            near = f" Near: {', '.join(price.near)}." if price.near else ""
            unpriced[f"{price.reason}{near}"].append(index)
    found += [f"{_named(turns)} unpriced: {reason}" for reason, turns in unpriced.items()]
    unmeasured = [i for i, t in enumerate(ledger.run.turns) if t.usage is None]
    if unmeasured:
        found.append(f"{_named(unmeasured)} unmeasured: the provider reported no usage.")
    incomplete = [
        index
        for index, turn in enumerate(ledger.run.turns)
        if turn.output_incomplete and turn.output_rest_in is None and turn.status == "ok"
    ]
    if incomplete:
        found.append(
            f"{_named(incomplete)} with incomplete output: the source holds only a placeholder of the output "
            "tokens, so the output billed is at least what is shown."
        )
    notes = ledger.attribution.notes
    found += notes[:MAX_NOTES]
    if len(notes) > MAX_NOTES:
        found.append(f"… and {len(notes) - MAX_NOTES} more notes of the kind above.")
    return found


def _named(turns: Sequence[int]) -> str:
    shown = ", ".join(str(i) for i in turns[:8]) + (", …" if len(turns) > 8 else "")
    return f"{len(turns)} turn{'s' if len(turns) != 1 else ''} ({shown})"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def schema_path() -> Path:
    """Return where the report's JSON Schema ships."""
    return Path(__file__).with_name("schema.json")

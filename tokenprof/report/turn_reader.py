"""The turns of a saved report, with their entries, back into rows; and how each value in a report is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tokenprof.analysis.rows.row_types import EntryRow, TurnRow
from tokenprof.costing.cache_misses import CacheMiss
from tokenprof.costing.cache_prediction import CachePrediction
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.usage import CLASSES, Usage

Json = Mapping[str, Any]


def usd_of(text: str | None) -> Decimal | None:
    """Return an amount as it is written, or None if it is unknown."""
    return None if text is None else Decimal(text)


def estimate_of(found: Json | None) -> Estimate | None:
    """Return a range as it is written, or None if it is unknown. Raises ValueError if it is not in order."""
    if found is None:
        return None
    low, mid, high = (float(found[end]) for end in ("low", "mid", "high"))
    if not low <= mid <= high:
        raise ValueError(f"an estimate is not low ≤ mid ≤ high: {low}, {mid}, {high}")
    return Estimate(low, mid, high)


def usage_of(found: Json | None) -> Usage | None:
    """Return the tokens of every class, or None for a turn without usage."""
    tokens = [cls for cls in CLASSES if cls != "fee"]
    return None if found is None else Usage(**{f"{cls}_tokens": found[cls] for cls in tokens})


def read_turn(row: Json) -> TurnRow:
    """Return a turn of a report, with its entries if the report has them."""
    entries = tuple(_entry(row["index"], entry) for entry in row.get("entries") or ())
    unpriced = row.get("unpriced_classes")
    return TurnRow(
        index=row["index"],
        id=row["id"],
        agent=row["agent"],
        context=row["context"],
        parent=row["parent"],
        provider=row["provider"],
        model=row["model"],
        requested_model=row["requested_model"],
        at=None if row["at"] is None else datetime.fromisoformat(row["at"]),
        duration_s=row["duration_s"],
        ttft_s=row.get("ttft_s"),
        status=row["status"],
        attempts=row["attempts"],
        tags=row["tags"],
        usage=usage_of(row["usage"]),
        context_tokens=row["context_tokens"],
        output_incomplete=row.get("output_incomplete", False),
        output_rest_in=row.get("output_rest_in"),
        billed_usd=usd_of(row["billed_usd"]),
        hardware_usd=estimate_of(row["hardware_usd"]),
        hardware_opportunity_usd=estimate_of(row["hardware_opportunity_usd"]),
        hardware_marginal_usd=estimate_of(row["hardware_marginal_usd"]),
        hardware_owned_usd=estimate_of(row.get("hardware_owned_usd")),
        price_to_cost=estimate_of(row.get("price_to_cost")),
        cache_miss=_miss(row["cache_miss"]),
        cache_prediction=_prediction(row.get("cache_prediction")),
        unpriced_classes=_unpriced(entries) if unpriced is None else tuple(unpriced),
        seller=row.get("seller"),
        stated_usd=usd_of(row.get("stated_usd")),
        notes=tuple(row.get("notes", ())),
        output_tokens_estimate=estimate_of(row.get("output_tokens_estimate")),
        entries=entries,
    )


def _unpriced(entries: Sequence[EntryRow]) -> tuple[str, ...]:
    used = [entry for entry in entries if entry.tokens or entry.count]
    found = dict.fromkeys(entry.cls for entry in used if entry.billed_usd is None)
    return tuple(found) if any(entry.billed_usd is not None for entry in used) else ()


def _entry(turn: int, row: Json) -> EntryRow:
    return EntryRow(
        turn=turn,
        block=row["block"],
        cls=row["class"],
        tokens=row["tokens"],
        billed_usd=usd_of(row["billed_usd"]),
        hardware_usd=estimate_of(row["hardware_usd"]),
        state=row["state"],
        count=row.get("count", 0),
    )


def _miss(row: Json | None) -> CacheMiss | None:
    if row is None:
        return None
    return CacheMiss(
        row["cause"], row["block"], row["field"], row["tokens"], usd_of(row["usd"]), row["evidence"]
    )


def _prediction(row: Json | None) -> CachePrediction | None:
    if row is None:
        return None
    return CachePrediction(
        cache_read_tokens=row["cache_read"],
        cache_write_5m_tokens=row["cache_write_5m"],
        cache_write_1h_tokens=row["cache_write_1h"],
        uncached_input_tokens=row["uncached_input"],
        miss=row["miss"],
        agrees=row["agrees"],
    )

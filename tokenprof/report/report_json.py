"""A report as the JSON object `tokenprof.report/2` (docs/report.md).

Money is a decimal string, an estimate three of them; None becomes null, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.rows.last_time import LastTime
from tokenprof.analysis.rows.latest_days import LatestPeriods, Period
from tokenprof.analysis.rows.repricing import Repriced, repricing
from tokenprof.analysis.rows.row_types import (
    BlockRow,
    ClassRow,
    ComputeSummary,
    EntryRow,
    GroupRow,
    RunRows,
    Totals,
    TurnRow,
)
from tokenprof.costing.cache_misses import CacheMiss
from tokenprof.costing.cache_prediction import CachePrediction
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.chain.figures import PublishedMargin
from tokenprof.report.chain_json import chain_json
from tokenprof.report.deployment_json import deployments_json
from tokenprof.report.disclosure_json import disclosure_json
from tokenprof.report.document import Report, report_of
from tokenprof.report.money import estimate_json, usd
from tokenprof.report.suggested_change import change_json
from tokenprof.report.written_finding import WrittenFinding

Json = dict[str, Any]


def report_json(report: Report) -> Json:
    """Return a report as a JSON object."""
    rows = report.rows
    omitted = report.entries_omitted
    return {
        "schema": report.schema,
        "sources": [plain(source) for source in report.sources],
        "prices": plain(report.prices),
        "deployment": deployments_json(report.deployments),
        "totals": _totals(rows.totals),
        "classes": [_class(row) for row in rows.classes],
        "turns": [turn_json(row, with_entries=omitted is None) for row in rows.turns],
        "blocks": [block_json(row) for row in rows.blocks],
        "findings": [_finding(finding) for finding in report.findings],
        **({} if report.changes is None else {"suggestions": [change_json(each) for each in report.changes]}),
        **({"suggestions_untried": report.changes_untried} if report.changes_untried else {}),
        "warnings": list(report.warnings),
        "groups": [_group(row) for row in rows.groups],
        "compute": _compute(rows),
        "repricing": [_repriced(each) for each in repricing(rows)],
        "chain": None if report.chain is None else chain_json(report.chain),
        "disclosure": None if report.disclosure is None else disclosure_json(report.disclosure),
        **({} if omitted is None else {"entries_omitted": plain(omitted)}),
    }


def json_report(analysis: Analysis, *, with_entries: bool = False) -> Json:
    """Return the report of an analysis as a JSON object; `with_entries` as in `report_of`."""
    return report_json(report_of(analysis, with_entries=with_entries))


def last_time_json(before: LastTime | LatestPeriods) -> Json:
    """Return what a bill is compared with: the run before or, of several runs, the days before."""
    if isinstance(before, LatestPeriods):
        of_days = {**_period(before.latest), "is_running": before.is_running}
        return {"latest_days": {**of_days, "before": _period(before.before)}}
    return {
        "last_time": {
            "file": before.file,
            "at": _time(before.at),
            "turns": before.turns,
            "billed_usd": usd(before.billed_usd),
        }
    }


def _period(period: Period) -> Json:
    return {
        "first_day": period.first_day.isoformat(),
        "last_day": period.last_day.isoformat(),
        "turns": period.turns,
        "billed_usd": usd(period.billed_usd),
    }


def plain(value: Any) -> Any:
    """Return a frozen dataclass of facts as plain JSON, field by field."""
    if isinstance(value, Decimal):
        return usd(value)
    if isinstance(value, Estimate):
        return estimate_json(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def _totals(row: Totals) -> Json:
    return {
        "turns": row.turns,
        "usage": None if row.usage is None else row.usage.by_class(),
        "billed_usd": usd(row.billed_usd),
        "unpriced_turns": row.unpriced_turns,
        "unmeasured_turns": row.unmeasured_turns,
        "partial_turns": row.partial_turns,
        "incomplete_output_turns": row.incomplete_output_turns,
        **({"missing_calls": row.missing_calls} if row.missing_calls else {}),
        **_hardware(row),
        "price_to_cost": estimate_json(row.price_to_cost),
        "incomplete": [{"reason": found.reason, "count": found.count} for found in row.incomplete],
        **({} if row.stated_usd is None else {"stated_usd": usd(row.stated_usd)}),
    }


def _hardware(row: Totals | TurnRow) -> Json:
    return {
        "hardware_usd": estimate_json(row.hardware_usd),
        "hardware_opportunity_usd": estimate_json(row.hardware_opportunity_usd),
        "hardware_marginal_usd": estimate_json(row.hardware_marginal_usd),
        "hardware_owned_usd": estimate_json(row.hardware_owned_usd),
    }


def _class(row: ClassRow) -> Json:
    found = {
        "class": row.cls,
        "tokens": row.tokens,
        "billed_usd": usd(row.billed_usd),
        "hardware_usd": estimate_json(row.hardware_usd),
        "price_to_cost": estimate_json(row.price_to_cost),
    }
    if row.cls == "fee":
        found["count"] = row.count
    return _with_bound(found, row)


def _repriced(found: Repriced) -> Json:
    return {
        "class": found.cls,
        "share": round(found.share, 4),
        "bill_usd": estimate_json(found.bill_usd),
        "change": {end: round(getattr(found.change, end), 4) for end in ("low", "mid", "high")},
    }


def _with_bound(found: Json, row: ClassRow | BlockRow) -> Json:
    """Add the known part of a bill that is not known as a whole."""
    return found | {"at_least_usd": usd(row.at_least_usd)} if row.is_lower_bound else found


def turn_json(row: TurnRow, *, with_entries: bool) -> Json:
    """Return a turn as JSON; without entries, they are null."""
    return {
        "index": row.index,
        "id": row.id,
        "agent": row.agent,
        "context": row.context,
        "parent": row.parent,
        "provider": row.provider,
        "model": row.model,
        "requested_model": row.requested_model,
        "at": None if row.at is None else _time(row.at),
        "duration_s": row.duration_s,
        "ttft_s": row.ttft_s,
        "status": row.status,
        "attempts": row.attempts,
        "tags": dict(row.tags),
        "usage": None if row.usage is None else row.usage.by_class(),
        "context_tokens": row.context_tokens,
        "output_incomplete": row.output_incomplete,
        "output_rest_in": row.output_rest_in,
        "billed_usd": usd(row.billed_usd),
        **_hardware(row),
        "price_to_cost": estimate_json(row.price_to_cost),
        "cache_miss": None if row.cache_miss is None else _miss(row.cache_miss),
        "cache_prediction": None if row.cache_prediction is None else _prediction(row.cache_prediction),
        "unpriced_classes": list(row.unpriced_classes),
        **({} if row.seller is None else {"seller": row.seller}),
        **({} if row.stated_usd is None else {"stated_usd": usd(row.stated_usd)}),
        **({} if not row.notes else {"notes": list(row.notes)}),
        **_output_estimate(row),
        "entries": [_entry(entry) for entry in row.entries] if with_entries else None,
    }


def _output_estimate(row: TurnRow) -> Json:
    found = row.output_tokens_estimate
    return {} if found is None else {"output_tokens_estimate": estimate_json(found)}


def _entry(row: EntryRow) -> Json:
    found = {
        "block": row.block,
        "class": row.cls,
        "tokens": row.tokens,
        "billed_usd": usd(row.billed_usd),
        "hardware_usd": estimate_json(row.hardware_usd),
        "state": row.state,
    }
    if row.cls == "fee":
        found["count"] = row.count
    return found


def _miss(miss: CacheMiss) -> Json:
    return {
        "cause": miss.cause,
        "block": miss.block,
        "field": miss.field,
        "tokens": miss.tokens,
        "usd": usd(miss.usd),
        "evidence": miss.evidence,
    }


def _prediction(prediction: CachePrediction) -> Json:
    return {
        "cache_read": prediction.cache_read_tokens,
        "cache_write_5m": prediction.cache_write_5m_tokens,
        "cache_write_1h": prediction.cache_write_1h_tokens,
        "uncached_input": prediction.uncached_input_tokens,
        "miss": prediction.miss,
        "agrees": prediction.agrees,
    }


_OF_CALLS: Final = ("link", "content_digest", "label")
"""Fields that only tool calls and results have."""


def block_json(row: BlockRow) -> Json:
    """Return a block as JSON."""
    found = {
        "id": row.id,
        "kind": row.kind,
        "name": row.name,
        **({} if row.uses is None else {"uses": list(row.uses)}),
        **{key: value for key in _OF_CALLS if (value := getattr(row, key)) is not None},
        "digest": row.digest,
        "context": row.context,
        "section": row.section,
        "born_turn": row.born_turn,
        "last_turn": row.last_turn,
        "turns_carried": row.turns_carried,
        "evicted_by": row.evicted_by,
        "tokens": row.tokens,
        "tokens_low": row.tokens_low,
        "tokens_high": row.tokens_high,
        "state": row.state,
        **({} if row.exact_group is None else {"exact_group": plain(row.exact_group)}),
        "billed_tokens": row.billed_tokens,
        "billed_usd": usd(row.billed_usd),
        "hardware_usd": estimate_json(row.hardware_usd),
        "replaces": row.replaces,
        "children": [plain(child) for child in row.children],
    }
    return _with_bound(found, row)


def _group(row: GroupRow) -> Json:
    return {
        "load_turns": list(row.load_turns),
        "load_turns_usd": usd(row.load_turns_usd),
        "kind": row.kind,
        "name": row.name,
        "blocks": list(row.blocks),
        "billed_tokens": row.billed_tokens,
        "billed_usd": usd(row.billed_usd),
        "hardware_usd": estimate_json(row.hardware_usd),
    }


def _finding(finding: WrittenFinding) -> Json:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "title": finding.title,
        "blocks": list(finding.blocks),
        "turns": list(finding.turns),
        "saves_usd": usd(finding.saves_usd),
        "detail": finding.detail,
        "state": finding.state,
        "figures": plain(finding.figures),
    }


def _compute(rows: RunRows) -> Json | None:
    summary: ComputeSummary | None = rows.compute
    if summary is None:
        return None
    margin = summary.implied_gross_margin
    return {
        "model": summary.model,
        "implied_gross_margin": None if margin is None else _shares(margin),
        "published_gross_margins": [_margin(row) for row in summary.published_gross_margins],
        "within_published_range": summary.within_published_range,
        "drivers": [
            {"name": driver.name, "share_of_variance": round(driver.share_of_variance, 4)}
            for driver in summary.drivers
        ],
        "ratios": [plain(ratio) for ratio in summary.ratios],
        "kv": {
            "active_token_seconds": round(summary.kv.active_token_seconds, 3),
            "idle_token_seconds": round(summary.kv.idle_token_seconds, 3),
            "idle_share": None if summary.kv.idle_share is None else round(summary.kv.idle_share, 4),
            "gap_usd_per_s_at_longest_context": estimate_json(summary.kv.gap_usd_per_s_at_longest_context),
            "gaps_usd": estimate_json(summary.kv.gaps_usd),
            "gaps_host_memory_usd": estimate_json(summary.kv.gaps_host_memory_usd),
        },
    }


def _margin(row: PublishedMargin) -> Json:
    return {
        "name": row.name,
        "kind": row.kind,
        "when": row.when,
        "low": float(row.value.low),
        "high": float(row.value.high),
        "source": row.source,
    }


def _shares(margin: Estimate) -> Json:
    return {end: round(getattr(margin, end), 4) for end in ("low", "mid", "high")}


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def schema_path() -> Path:
    """Return where the report's JSON Schema ships."""
    return Path(__file__).with_name("schema.json")

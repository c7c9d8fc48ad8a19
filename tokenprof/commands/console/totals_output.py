"""Totals of a store in text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tokenprof.commands.console.tables import table
from tokenprof.report.numbers import mid_ratio, usd_interval

if TYPE_CHECKING:
    from tokenprof.analysis.rows.latest_days import LatestPeriods
    from tokenprof.hw_model.estimate import Estimate
    from tokenprof.store.queries.fleet import FleetReport
    from tokenprof.store.queries.totals import GroupTotal, StoreTotals

_AT_LEAST: Final = "at least "
GROUPS_SHOWN: Final = 8


def totals_text(found: StoreTotals, rows: Sequence[GroupTotal]) -> str:
    """Return totals as a table, with a sentence for each thing that they lack."""
    lines = what_is_missing(found)
    if (known := found.from_store) is not None:
        from tokenprof.report.phrases import not_read_again

        lines.append(not_read_again(known.logs, known.read, f"the store {known.store}"))
    return totals_table(found, rows) + "".join(f"{line}\n" for line in lines)


def totals_table(found: StoreTotals, rows: Sequence[GroupTotal]) -> str:
    """Return totals as a table that ends with the total."""
    by_turn = found.level == "turn"
    heads = [*found.dimensions, *(_TURN_HEADS if by_turn else ["tokens"]), "billed USD"]
    cells = [
        [*(each or "-" for each in row.key), *_counts(row, by_turn), _money(row), *_compute(found, row)]
        for row in rows
    ]
    if by_turn or not rows:
        whole = ["total" if found.dimensions else "", *[""] * (len(found.dimensions) - 1)]
        cells.append(
            [
                *whole[: len(found.dimensions)],
                *_counts(found.whole, True),
                _whole_money(found),
                *_compute(found, found.whole),
            ]
        )
        heads = [*found.dimensions, *_TURN_HEADS, "billed USD"]
    else:
        cells.append(
            [
                "total",
                *[""] * (len(found.dimensions) - 1),
                sum(row.tokens for row in found.rows),
                _AT_LEAST * found.is_lower_bound
                + plain_usd(sum((r.billed_usd for r in found.rows), Decimal(0))),
                *_compute(found, found.whole),
            ]
        )
    heads += _COMPUTE_HEADS if found.has_compute else []
    left = range(len(found.dimensions))
    shown = "" if len(rows) == len(found.rows) else f"{len(found.rows) - len(rows):,} more groups.\n"
    return table(heads, cells, left=left) + shown


_TURN_HEADS: Final = ["turns", "prompt tokens", "cached", "output tokens"]
_COMPUTE_HEADS: Final = ["to compute (USD)", "billed / compute"]


def _compute(found: StoreTotals, row: GroupTotal) -> list[str]:
    """Return what a group cost to compute, and how many times that was billed; nothing if nobody asked."""
    if not found.has_compute:
        return []
    return [usd_interval(row.hardware_usd), mid_ratio(_ratio(row))]


def _ratio(row: GroupTotal) -> Estimate | None:
    if row.is_lower_bound or not row.billed_usd:
        return None
    # Only totals with --compute need the model of hardware.
    from tokenprof.analysis.rows.run_rows import price_to_cost

    return price_to_cost(row.billed_usd, row.hardware_usd)


def _counts(row: GroupTotal, by_turn: bool) -> list[int | None]:
    if by_turn:
        return [row.turns, row.input_tokens, row.cache_read_tokens, row.output_tokens]
    return [row.tokens]


def _money(row: GroupTotal) -> str:
    nothing_known = row.turns is not None and row.turns == row.unpriced_turns + row.unmeasured_turns
    if nothing_known and row.is_lower_bound:
        return "unknown"
    return _AT_LEAST * row.is_lower_bound + plain_usd(row.billed_usd)


def _whole_money(found: StoreTotals) -> str:
    whole = _money(found.whole)
    return _AT_LEAST + whole if found.is_lower_bound and whole[:1].isdigit() else whole


def plain_usd(amount: Decimal) -> str:
    """Return an exact amount without zeros at its end, with two decimals at least."""
    text = format(amount, "f")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def what_is_missing(found: StoreTotals) -> list[str]:
    """Return a sentence for each thing that totals lack."""
    whole = found.whole
    counted = (
        (whole.unmeasured_turns, "{} reported no usage"),
        (whole.unpriced_turns, "{} used something that has no known price"),
        (whole.incomplete_output_turns, "{} ended before the final count of the output"),
    )
    lines = [
        f"{sentence.format('1 turn' if count == 1 else f'{count:,} turns')}; "
        "the bill is at least what is shown."
        for count, sentence in counted
        if count
    ]
    lines += [f"No price: {reason}" for reason in list(found.unpriced)[:3]]
    if found.missing_calls:
        lines.append(f"{found.missing_calls:,} calls could not be recorded and are in no total.")
    if found.unreadable_logs:
        lines.append(f"{found.unreadable_logs:,} logs could not be read and are in no total.")
    if found.warnings:
        lines.append(
            f"The readers of the logs gave {found.warnings:,} warnings; `tokenprof query` shows them:"
        )
        lines.append('  tokenprof query "SELECT source, warnings FROM logs WHERE len(warnings) > 0"')
    return lines


def totals_json(found: StoreTotals, rows: Sequence[GroupTotal]) -> dict[str, object]:
    """Return totals as JSON: money as decimal strings, what is missing in numbers."""
    return {
        "schema": "tokenprof.totals/1",
        "by": list(found.dimensions),
        "total": {
            **_with_compute(found, found.whole, with_turns=True),
            "is_lower_bound": found.is_lower_bound,
            "missing_calls": found.missing_calls,
            "unreadable_logs": found.unreadable_logs,
            "warnings": found.warnings,
            "repeated_responses": found.repeated_responses,
        },
        "groups": [
            {
                **dict(zip(found.dimensions, row.key, strict=True)),
                **_with_compute(found, row, with_turns=found.level == "turn"),
            }
            for row in rows
        ],
        "unpriced": found.unpriced,
        **({} if found.from_store is None else {"from_store": asdict(found.from_store)}),
    }


def group_cells(found: StoreTotals, row: GroupTotal, *, with_turns: bool) -> dict[str, object]:
    """Return one group as the cells of a CSV row: the ends of an interval are columns of their own."""
    cells = group_json(row, with_turns=with_turns)
    for name in ("hardware_usd", "price_to_cost") if found.has_compute else ():
        interval = _interval(row.hardware_usd if name == "hardware_usd" else _ratio(row))
        cells |= {f"{name}_{end}": (interval or {}).get(end, "") for end in ("low", "mid", "high")}
    return cells


def _with_compute(found: StoreTotals, row: GroupTotal, *, with_turns: bool) -> dict[str, object]:
    cells = group_json(row, with_turns=with_turns)
    if found.has_compute:
        cells |= {"hardware_usd": _interval(row.hardware_usd), "price_to_cost": _interval(_ratio(row))}
    return cells


def _interval(estimate: Estimate | None) -> dict[str, str] | None:
    """Return an estimate as decimal strings; None if it is unknown."""
    if estimate is None:
        return None
    return {
        "low": _digits(estimate.low),
        "mid": _digits(estimate.mid),
        "high": _digits(estimate.high),
    }


def _digits(value: float) -> str:
    return format(Decimal(f"{value:.{_ESTIMATE_DIGITS}g}"), "f")


_ESTIMATE_DIGITS: Final = 6


def group_json(row: GroupTotal, *, with_turns: bool) -> dict[str, object]:
    """Return one group as JSON."""
    usd = {"billed_usd": plain_usd(row.billed_usd), "is_lower_bound": row.is_lower_bound}
    if not with_turns:
        return {"tokens": row.tokens, **usd}
    return {
        "turns": row.turns,
        "input_tokens": row.input_tokens,
        "cache_read_tokens": row.cache_read_tokens,
        "output_tokens": row.output_tokens,
        "unpriced_turns": row.unpriced_turns,
        "unmeasured_turns": row.unmeasured_turns,
        "incomplete_output_turns": row.incomplete_output_turns,
        **usd,
    }


TITLES: Final = {
    "class": "By price class",
    "month": "By month",
    "project": "By project",
    "model": "By model",
    "agent": "By agent",
    "tool": "By tool: schema, calls and results",
    "session": "The most expensive sessions",
}


def latest_days(report: FleetReport) -> LatestPeriods | None:
    """Return the bill of the latest day or week beside the one before; None if one is not known in full."""
    from tokenprof.analysis.rows.latest_days import DayBill, latest_periods

    if report.days.missing_calls:
        return None
    bills = {
        date.fromisoformat(str(row.key[0])): DayBill(
            row.turns or 0, (row.turns or 0) - row.unpriced_turns - row.unmeasured_turns, row.billed_usd
        )
        for row in report.days.rows
    }
    return latest_periods(bills)


def fleet_text(report: FleetReport, *, is_full: bool = False) -> str:
    """Return a fleet report: the whole, then what it divides into."""
    latest = latest_days(report)
    whole = report.whole
    logs = f"{report.logs:,} logs, {report.first_day} to {report.last_day}" if report.logs else "no logs"
    shown = [f"{whole.whole.turns:,} turns in {logs}\n\n", totals_table(whole, [])]
    if latest is not None:
        from tokenprof.report.phrases import days_in_words

        shown.append(f"\n{days_in_words(latest)}\n")
    for section in report.sections:
        rows = section.rows if is_full else section.rows[:GROUPS_SHOWN]
        if len(section.rows) > 1 or section.dimensions[0] == "class":
            shown.append(f"\n{TITLES[section.dimensions[0]]}\n\n{totals_table(section, rows)}")
    missing = what_is_missing(whole)
    return "".join(shown) + ("\n" + "".join(f"{line}\n" for line in missing) if missing else "")


def fleet_json(report: FleetReport) -> dict[str, object]:
    """Return a fleet report as JSON; each section is what `totals --format json` gives.

    `latest_days` is what the report of a folder has.
    """
    from tokenprof.report.report_json import last_time_json

    latest = latest_days(report)
    return {
        "schema": "tokenprof.fleet/1",
        "logs": report.logs,
        "first_day": report.first_day,
        "last_day": report.last_day,
        "total": totals_json(report.whole, [])["total"],
        "unpriced": report.whole.unpriced,
        **(last_time_json(latest) if latest is not None else {}),
        "sections": {
            section.dimensions[0]: totals_json(section, section.rows)["groups"] for section in report.sections
        },
    }

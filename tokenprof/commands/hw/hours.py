"""`tokenprof hw hours`: what an hour of each chip costs its owner, and what it is rented for, on a day."""

from __future__ import annotations

import argparse
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tokenprof.analysis.settings_table import OF_AN_OWNER
from tokenprof.commands.console.assumption_options import add_set_option, only_settings_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import add_format, emit, format_of, json_text
from tokenprof.commands.console.tables import Cell, table
from tokenprof.commands.console.values import moment

if TYPE_CHECKING:
    from tokenprof.pricing.chain.gpu_hours import HourRange


def add_verbs(verbs: Any) -> None:
    """Add `hours` and `classes` to the verbs of `hw`."""
    hours = verbs.add_parser(
        "hours",
        help="what an hour of each chip costs, and to whom",
        description="Show what an accelerator-hour costs its owner bottom up (equation 2.9), what published "
        "models say that it costs a hyperscaler and a neocloud, and what it is rented for.",
    )
    # Not `chip`, which is a setting.
    hours.add_argument(
        "name", nargs="?", metavar="chip", help="one chip, with every reading and its source (default: all)"
    )
    hours.add_argument("--on", type=moment, metavar="DAY", help="the day (default: today)")
    add_set_option(hours)
    add_format(hours, ("text", "json"))
    hours.set_defaults(run=run_hours)
    classes = verbs.add_parser(
        "classes",
        help="what is assumed of closed models",
        description="List the classes of closed models with what is drawn for each, and the evidence.",
    )
    add_format(classes, ("text", "json"))
    classes.set_defaults(run=run_classes)


def run_hours(options: argparse.Namespace) -> int:
    """Print the hours of all chips, or the readings of one."""
    from tokenprof.analysis.assumptions import resolve_assumptions
    from tokenprof.commands.hw.paid_hour import paid_hour
    from tokenprof.hw_model.catalogue.lookup import chips, find_chip
    from tokenprof.pricing.chain.gpu_hours import CONTRACT, OF_CONTRACT, OWNED_TIERS, hour_range
    from tokenprof.pricing.chain.gpu_hours import shipped_hour_prices as readings

    given = only_settings_of(options, OF_AN_OWNER, "hours")
    owner = paid_hour(resolve_assumptions(settings=given)).owner
    when: date | None = None if options.on is None else options.on.date()
    if options.name is not None:
        name = find_chip(options.name).name
        rows = [row for row in readings() if row.chip == name and (when is None or row.at <= when)]
        rows.sort(key=lambda row: (row.tier, row.at), reverse=True)
        if format_of(options) == "json":
            emit(
                json_text(
                    {
                        "chip": name,
                        "owner_usd": owner.usd_per_chip_hour(find_chip(name)),
                        "readings": [
                            {
                                "tier": row.tier,
                                "usd": str(row.usd.mid),
                                "low": str(row.usd.low),
                                "high": str(row.usd.high),
                                "at": row.at.isoformat(),
                                "quality": row.quality,
                                "source": row.source,
                                "note": row.note,
                            }
                            for row in rows
                        ],
                    }
                )
            )
            return OK
        lines = [f"{name}: owner, bottom up (2.9): ${owner.usd_per_chip_hour(find_chip(name)):.2f} an hour"]
        for row in rows:
            ends = "" if row.usd.is_exact else f" ({row.usd.low:f}-{row.usd.high:f})"
            lines.append(f"{row.tier:<18} {row.at:%Y-%m}  ${row.usd.mid:f}{ends}  {row.quality}")
            lines.append(f"    {row.source}" + (f"; {row.note}" if row.note else ""))
        emit("\n".join(lines) + "\n")
        return OK
    tiers = {
        "own, cloud": (OWNED_TIERS[1],),
        "own, neocloud": (OWNED_TIERS[0],),
        "contract": OF_CONTRACT[CONTRACT],
        "on demand": OF_CONTRACT["on demand"],
    }
    found: list[tuple[str, float, dict[str, HourRange | None]]] = [
        (
            chip.name,
            owner.usd_per_chip_hour(chip),
            {name: hour_range(readings(), chip.name, of, name, when) for name, of in tiers.items()},
        )
        for chip in chips().values()
    ]
    if format_of(options) == "json":
        emit(
            json_text(
                {
                    "hours": [
                        {
                            "chip": name,
                            "owner_usd": owner,
                            **{
                                tier: None
                                if usd is None
                                else {
                                    "low": str(usd.usd.low),
                                    "mid": str(usd.usd.mid),
                                    "high": str(usd.usd.high),
                                    "source": usd.source,
                                }
                                for tier, usd in by_tier.items()
                            },
                        }
                        for name, owner, by_tier in found
                    ]
                }
            )
        )
        return OK
    cells: list[tuple[Cell, ...]] = [
        (name, f"{owner:.2f}", *(_cell(usd) for usd in by_tier.values())) for name, owner, by_tier in found
    ]
    emit(table(("USD/h", "built", *tiers), cells))
    emit(
        "built: the owner's hour, bottom up at 10 % over 4 years (2.9). own: what hours\n"
        "cost clouds and neoclouds, published. contract, on demand: rents. Each is the\n"
        "median of the readings and, where they differ, the lowest and the highest.\n"
        "tokenprof hw hours CHIP shows each reading with its source.\n"
    )
    return OK


def _cell(hours: HourRange | None) -> str:
    if hours is None:
        return "-"
    usd = hours.usd
    return f"{usd.mid:.2f}" if usd.is_exact else f"{usd.mid:.2f} {_short(usd.low)}-{_short(usd.high)}"


def _short(usd: Decimal) -> str:
    """Return dollars an hour in two digits: `1.3`, `7`, `12`."""
    return f"{float(usd):.2g}"


def run_classes(options: argparse.Namespace) -> int:
    """Print what is drawn for each class of closed models, with the evidence."""
    from dataclasses import asdict

    from tokenprof.commands.console.pages import page_of
    from tokenprof.hw_model.cost import CLASSES

    if format_of(options) == "json":
        emit(json_text({"classes": {name: asdict(each) for name, each in CLASSES.items()}}))
        return OK
    facts = {
        f"{name}: {each.name}": {
            "active parameters, B": _range(each.active_parameters_b),
            "total parameters, B": _range(each.total_parameters_b),
            "KV bytes per token, bf16": _range(each.kv_bytes_per_token_bf16),
            "tokens/s to each user": _range(each.tokens_per_s),
            "evidence": each.evidence,
        }
        for name, each in CLASSES.items()
    }
    emit(page_of(facts))
    return OK


def _range(bounds: tuple[float, float, float]) -> str:
    return " - ".join(f"{end:,.0f}" for end in bounds)

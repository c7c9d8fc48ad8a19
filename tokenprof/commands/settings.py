"""`tokenprof settings`: every assumption that can be set; `tokenprof sweep`: a run as one of them changes."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

from tokenprof.analysis.settings_table import SETTING_ROWS
from tokenprof.commands.console.assumption_options import (
    add_assumption_options,
    assumptions_of,
    parse_setting,
)
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import add_format, emit, format_of, json_text
from tokenprof.commands.console.pages import WIDTH
from tokenprof.commands.console.tables import Cell, table
from tokenprof.commands.console.values import file_path
from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis


def add_commands(commands: Any) -> None:
    """Add `settings` and `sweep` to a parser's subcommands."""
    settings = commands.add_parser(
        "settings",
        help="list what --set can set",
        description="List every assumption that can be set: its name, values, unit, default and source.",
    )
    add_format(settings, ("text", "json"))
    settings.set_defaults(run=run_settings)
    sweep = commands.add_parser(
        "sweep",
        help="a run's compute and margin as one assumption changes",
        description="Show what a run costs to compute, the ratio and the margins, as one setting changes.",
    )
    sweep.add_argument("files", nargs="+", type=file_path, metavar="FILE|FOLDER")
    sweep.add_argument(
        "--over",
        required=True,
        metavar="NAME=A,B,…",
        help="the setting to change and its values, e.g. utilisation=0.2,0.5,0.8 or hours=own,rent",
    )
    add_format(sweep, ("text", "json"))
    add_assumption_options(sweep)
    sweep.set_defaults(run=run_sweep)


def run_settings(options: argparse.Namespace) -> int:
    """Print the table of settings."""
    if format_of(options) == "json":
        rows = [
            {
                "name": row.name,
                "about": row.about,
                "values": row.values,
                "unit": row.unit or None,
                "default": row.default,
                "source": row.source,
                "option": row.option,
                "example": f"{row.name}={row.example}",
            }
            for row in SETTING_ROWS
        ]
        emit(json_text({"settings": rows}))
        return OK
    lines = []
    for row in SETTING_ROWS:
        unit = f" {row.unit}" if row.unit else ""
        option = f"; option {row.option}" if row.option else ""
        lines.append(f"{row.name}={row.example}{unit}")
        for text in (
            row.about,
            f"values {row.values}; default: {row.default}",
            f"source: {row.source}{option}",
        ):
            lines += textwrap.wrap(text, WIDTH - 6, initial_indent="    ", subsequent_indent="      ")
    emit("\n".join(lines) + "\n")
    return OK


def run_sweep(options: argparse.Namespace) -> int:
    """Print the run at each value of a setting, the bill unchanged unless the model changes."""
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.reading.files import read

    name, text = parse_setting(options.over, "--over")
    values = [value.strip() for value in text.split(",") if value.strip()]
    if len(values) < 2:
        raise InputError(f"--over {options.over}: give two values or more, separated by commas.")
    settings = [assumptions_of(options, {name: value}) for value in values]
    run = read(options.files)
    rows = [_row(value, Analysis(run, said)) for value, said in zip(values, settings, strict=True)]
    if format_of(options) == "json":
        emit(json_text({"over": name, "rows": rows}))
        return OK
    heads = (name, "billed $", "compute $", "P10", "P90", "ratio", "with evid.", "unexpl.")
    cells = [
        (*(value for key, value in row.items() if key != "unexplained_share"), _percent(row)) for row in rows
    ]
    emit(table(heads, cells))
    emit(
        "\ncompute is the middle (P50) of the draws, beside their P10 and P90. ratio:\n"
        "billed ÷ compute; with evid.: with published prices and margins as evidence.\n"
        "unexpl.: share of what is paid that compute, rent and training do not explain.\n"
    )
    return OK


def _percent(row: dict[str, Cell]) -> str | None:
    share = row["unexplained_share"]
    return None if share is None else f"{100 * float(share):.0f} %"


def _row(value: str, analysis: Analysis) -> dict[str, Cell]:
    totals, chain = analysis.totals, analysis.chain
    compute = totals.hardware_usd
    billed = None if totals.billed_usd is None else float(totals.billed_usd)
    posterior = None if chain is None or chain.evidence is None else chain.evidence.price_to_cost.mid
    margin = None if chain is None or chain.all_in_margin is None else float(chain.all_in_margin.mid)
    return {
        "value": value,
        "billed_usd": billed,
        "compute_usd": None if compute is None else compute.mid,
        "compute_low_usd": None if compute is None else compute.low,
        "compute_high_usd": None if compute is None else compute.high,
        "billed_over_compute": None if totals.price_to_cost is None else totals.price_to_cost.mid,
        "billed_over_compute_with_evidence": posterior,
        "unexplained_share": margin,
    }

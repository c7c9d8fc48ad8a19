"""`tokenprof hw validate`: the time model's predictions against a CSV of measurements."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any, Final

from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.failures import naming
from tokenprof.commands.console.output import add_format, emit, format_of, json_text
from tokenprof.commands.console.tables import percent, table
from tokenprof.commands.console.values import file_path
from tokenprof.commands.hw.constants import add_constants, constants_of

MEASUREMENTS: Final = "a CSV of measurements (docs/hardware.md)"


def add_verbs(verbs: Any) -> None:
    """Add `validate` to the verbs of `hw`."""
    validate = verbs.add_parser(
        "validate",
        help="predictions against a CSV of measurements",
        description="Show how far predictions are from a CSV of measurements.",
    )
    validate.add_argument("file", type=file_path, metavar="FILE.csv", help="measurements, one row for each")
    add_constants(validate)
    add_format(validate, ("text", "json"))
    validate.set_defaults(run=run_validate)


def run_validate(options: argparse.Namespace) -> int:
    """Print the errors, over all rows and by kind, and the rows that were refused."""
    from tokenprof.hw_model.measured.measurements import read_measurements
    from tokenprof.hw_model.measured.row_values import read_rows
    from tokenprof.hw_model.measured.service_validation import reads_services, validate_services
    from tokenprof.hw_model.measured.validation import predictions, summary

    constants = constants_of(options.constants)
    with naming(options.file, MEASUREMENTS):
        rows = read_rows(options.file)
        if reads_services(list(rows[0])):
            services = validate_services(rows, constants)
            emit(json_text(services) if format_of(options) == "json" else _services_text(services))
            return OK
        measured, refused = read_measurements(options.file)
    report = summary(predictions(measured, constants), refused)
    emit(json_text(report) if format_of(options) == "json" else _text(report))
    return OK


def _services_text(report: dict[str, Any]) -> str:
    rows = [("all", report["throughput"], report["tpot"])]
    rows += [(regime, by["throughput"], by["tpot"]) for regime, by in report["by_regime"].items()]
    text = table(
        (
            "tokens/s/GPU",
            "n",
            "bias",
            "MAPE",
            "within 1.25x",
            "within 1.5x",
            "within 2x",
            "covered",
            "TPOT MAPE",
        ),
        (
            (
                name,
                gained["n"],
                *(
                    percent(gained[key])
                    for key in ("bias", "mape", "within_1_25x", "within_1_5x", "within_2x")
                ),
                percent(gained["coverage"]),
                percent(times["mape"]),
            )
            for name, gained, times in rows
        ),
    )
    refused = [point for point in report["points"] if point["refused"]]
    assumed = Counter(sentence for point in report["points"] for sentence in point["assumed"])
    lines = [
        "",
        f"{len(refused)} rows refused",
        *(f"  row {point['row']}: {point['refused']}" for point in refused),
    ]
    lines += [f"assumed in {rows} row{'s' * (rows > 1)}: {sentence}" for sentence, rows in assumed.items()]
    return text + "".join(f"{line}\n" for line in lines)


def _text(report: dict[str, Any]) -> str:
    rows = [("all", report["tpot"])]
    rows += [(f"{kind} {name}", figures) for kind, by in report["by"].items() for name, figures in by.items()]
    text = table(
        ("time per output token", "n", "bias", "MAPE", "median", "within 25 %", "within 2x"),
        (
            (
                name,
                figures["n"],
                *(percent(figures[key]) for key in ("bias", "mape", "median_ape", "within_25", "within_2x")),
            )
            for name, figures in rows
        ),
    )
    covered = percent(report["interval"]["covered"])
    lines = [
        "",
        f"intervals at a nominal 90 % cover {covered}",
        f"{len(report['refused'])} rows refused",
        *(f"  line {row['line']}, {row['model_path']}: {row['reason']}" for row in report["refused"]),
    ]
    return text + "".join(f"{line}\n" for line in lines)

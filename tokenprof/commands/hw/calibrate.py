"""`tokenprof hw calibrate`: the constants of the time model, fitted to your own server."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any, Final

from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.failures import naming
from tokenprof.commands.console.output import add_format, emit, json_text, put, require_writable
from tokenprof.commands.console.tables import percent, table
from tokenprof.commands.console.values import file_path
from tokenprof.commands.hw.validate import MEASUREMENTS
from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.hw_model.measured.measurements import Measurement

SHOWN_CONSTANTS: Final = 12


def add_verbs(verbs: Any) -> None:
    """Add `calibrate` to the verbs of `hw`."""
    calibrate = verbs.add_parser(
        "calibrate",
        help="fit the constants to your own server",
        description="Fit the constants of the time model to measurements of your own server.",
    )
    calibrate.add_argument(
        "file", type=file_path, metavar="FILE", help="a CSV as for validate, or a vLLM or SGLang metrics page"
    )
    calibrate.add_argument(
        "--deployment",
        metavar="MODEL@CHIPS",
        help="what the metrics page is of, e.g. llama-3.1-70b@4xh100:engine=vllm",
    )
    calibrate.add_argument(
        "-o", "--output", type=file_path, metavar="FILE", help="write the constants here, as JSON"
    )
    add_format(calibrate, ("text", "json"))
    calibrate.set_defaults(run=run_calibrate)


def run_calibrate(options: argparse.Namespace) -> int:
    """Fit, write the constants if asked to, and print what moved."""
    from tokenprof.hw_model.measured.calibration import calibrate_to

    # The format is of what is printed; the constants are JSON whatever their file is called.
    form = options.format or options.formats[0]
    require_writable(options.output, [options.file])
    outcome = calibrate_to(_measured(options))
    if options.output:
        put(options.output, json.dumps(outcome, indent=1) + "\n")
    emit(json_text(outcome) if form == "json" else _text(outcome))
    return OK


def _measured(options: argparse.Namespace) -> list[Measurement]:
    from tokenprof.hw_model.equations.deployment_text import parse_deployment
    from tokenprof.hw_model.measured.measurements import read_measurements
    from tokenprof.hw_model.measured.server_metrics import measurement_from_metrics

    if options.deployment:
        deployment = parse_deployment(options.deployment)
        with naming(options.file, "a metrics page of vLLM or SGLang"):
            text = options.file.read_text("utf-8")
        return [measurement_from_metrics(text, deployment)]
    with naming(options.file, MEASUREMENTS):
        measured, refused = read_measurements(options.file)
    if not measured:
        first = f"; the first problem: {refused[0].reason}" if refused else ""
        raise InputError(
            f"{options.file} has no usable row{first}. A metrics page needs --deployment beside it."
        )
    return measured


def _text(outcome: dict[str, Any]) -> str:
    moved = sorted(outcome["constants"].items(), key=lambda item: -abs(item[1]["moved"]))
    text = table(
        ("constant", "shipped", "yours", "moved"),
        (
            (name, row["shipped"], row["value"], percent(row["moved"]))
            for name, row in moved[:SHOWN_CONSTANTS]
        ),
    )
    before, after = outcome["before"], outcome["after"]
    return text + (
        f"\n{before['n']} points: median error {percent(before['median_ape'])} before, "
        f"{percent(after['median_ape'])} after\n"
    )

"""`tokenprof hw estimate` and `sweep`: what tokens cost on a deployment, at one point or along a range."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from tokenprof.analysis.settings_table import OF_AN_HOUR
from tokenprof.commands.console.assumption_options import (
    add_operating_options,
    add_set_option,
    add_whose_hours,
    only_settings_of,
)
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import add_format, emit, format_of, json_text
from tokenprof.commands.console.tables import cell_text, facts_table, table
from tokenprof.commands.console.values import choice, one_of, positive_number, share
from tokenprof.commands.hw.constants import add_constants, constants_of
from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.hw_model.economics import Operation

DEFAULT_CONTEXT_TOKENS: Final = 32_000.0
DEFAULT_UTILISATION: Final = 0.5
BAR_CELLS: Final = 24

SWEPT: Final[Mapping[str, tuple[float, ...]]] = {
    "batch": (1.0, 4.0, 16.0, 64.0, 128.0, 256.0),
    "context_tokens": (1_000.0, 4_000.0, 16_000.0, 32_000.0, 64_000.0, 128_000.0, 200_000.0),
    "tokens_per_s": (10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0),
    "utilisation": (0.2, 0.3, 0.5, 0.8, 1.0),
}
"""What can be swept, and the values if none are given."""

OF_AN_OPERATION: Final = ("deployment", "speed", "utilisation", *OF_AN_HOUR)
"""The settings that have an effect on one deployment at one operating point."""

FIXED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "batch": ("--batch", "--speed"),
    "context_tokens": ("--context",),
    "tokens_per_s": ("--speed", "--batch"),
    "utilisation": ("--utilisation",),
}
"""The options that would fix what is swept."""


def add_verbs(verbs: Any) -> None:
    """Add `estimate` and `sweep` to the verbs of `hw`."""
    estimate = verbs.add_parser(
        "estimate",
        help="what tokens cost on a deployment",
        description="Show what tokens cost on a deployment at one operating point.",
    )
    _add_operation(estimate)
    estimate.set_defaults(run=run_estimate)
    sweep = verbs.add_parser(
        "sweep",
        help="cost per token along context, batch, speed or utilisation",
        description="Show what tokens cost on a deployment as one quantity changes.",
    )
    _add_operation(sweep)
    names = tuple(SWEPT)
    sweep.add_argument(
        "--over",
        type=one_of(names),
        metavar=choice(names),
        default="context_tokens",
        help="quantity to change (default: context_tokens)",
    )
    sweep.add_argument(
        "--values",
        metavar="N,N,…",
        help="values of that quantity, separated by commas (default: a usual range)",
    )
    sweep.set_defaults(run=run_sweep)


def _add_operation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "deployment",
        metavar="MODEL@CHIPS",
        help="e.g. deepseek-v3@8xh200 or kimi-k2.5@8xh200:tp=8,kv=fp8",
    )
    parser.add_argument(
        "--context",
        type=positive_number,
        metavar="TOKENS",
        help=f"mean context (default: {DEFAULT_CONTEXT_TOKENS:.0f})",
    )
    parser.add_argument(
        "--speed",
        type=positive_number,
        metavar="TOKENS/S",
        help="least tokens per second to each user (default: none, memory sets the batch)",
    )
    parser.add_argument("--batch", type=positive_number, metavar="N", help="run at this batch instead")
    add_operating_options(parser)
    add_whose_hours(parser)
    add_set_option(parser)
    add_constants(parser)
    add_format(parser, ("text", "json"))


def _operation(options: argparse.Namespace) -> Operation:
    from tokenprof.analysis.assumptions import resolve_assumptions
    from tokenprof.commands.hw.paid_hour import paid_hour
    from tokenprof.hw_model.economics import Operation
    from tokenprof.hw_model.equations.deployment_text import parse_deployment

    given = only_settings_of(options, OF_AN_OPERATION, "one deployment")
    assumptions = resolve_assumptions(settings=given)
    return Operation(
        context_tokens=options.context or DEFAULT_CONTEXT_TOKENS,
        tokens_per_s=assumptions.speed if "speed" in given else None,
        batch=options.batch,
        utilisation=assumptions.utilisation or DEFAULT_UTILISATION,
        usd_per_accelerator_hour=paid_hour(assumptions).usd(parse_deployment(options.deployment).chip),
    )


def run_estimate(options: argparse.Namespace) -> int:
    """Print the cost at one operating point, with the parts of a decode step."""
    from dataclasses import asdict

    from tokenprof.hw_model.economics import unit_cost
    from tokenprof.hw_model.equations.deployment_text import parse_deployment
    from tokenprof.hw_model.equations.timing import decode_step

    if options.speed and options.batch:
        raise InputError("--batch sets the speed, so --speed has no effect beside it; give one of the two.")
    operation, constants = _operation(options), constants_of(options.constants)
    deployment = parse_deployment(options.deployment)
    cost = unit_cost(deployment, operation, constants)
    step = decode_step(deployment.plan(), cost.batch, operation.context_tokens, constants)
    facts = {
        "deployment": {
            "model": deployment.shape.name,
            "chip": deployment.chip.name,
            "chips": deployment.accelerators,
        },
        "precision": deployment.precision,
        "context_tokens": operation.context_tokens,
        "utilisation": operation.utilisation,
        **asdict(cost),
        **{f"step_{name}": float(getattr(step, name)) for name in step.__dataclass_fields__},
    }
    emit(json_text(facts) if format_of(options) == "json" else facts_table(facts))
    return OK


def run_sweep(options: argparse.Namespace) -> int:
    """Print the cost along one quantity, with a bar for the price of output."""
    from dataclasses import asdict

    from tokenprof.hw_model.economics import sweep
    from tokenprof.hw_model.equations.deployment_text import parse_deployment

    fixed = {"--batch": options.batch, "--speed": options.speed, "--context": options.context,
             "--utilisation": options.utilisation}  # fmt: skip
    for flag in FIXED_BY[options.over]:
        if fixed[flag] is not None:
            raise InputError(f"--over {options.over} sets {flag} at each step; leave {flag} out.")
    values = _values(options.values, options.over)
    operation, constants = _operation(options), constants_of(options.constants)
    points = sweep(parse_deployment(options.deployment), operation, options.over, values, constants)
    if format_of(options) == "json":
        emit(json_text([{options.over: value, **asdict(cost)} for value, cost in points]))
        return OK
    highest = max(cost.output_usd_per_m for _, cost in points)
    costs = ("tok/s/user", "tok/s", "$/M fresh in", "$/M cached", "$/M out")
    heads = (options.over, "batch", "limited by", *costs, "")
    rows = (
        (
            cell_text(value),
            cost.batch,
            "memory" if cost.memory_binds else "speed",
            cost.tokens_per_s_per_user,
            cost.tokens_per_s,
            cost.fresh_input_usd_per_m,
            cost.cached_input_usd_per_m,
            cost.output_usd_per_m,
            "█" * max(1, round(BAR_CELLS * cost.output_usd_per_m / highest)),
        )
        for value, cost in points
    )
    emit(table(heads, rows, left=(0, len(heads) - 1)))
    return OK


def _values(text: str | None, over: str) -> tuple[float, ...]:
    """Return the values to sweep. Raises InputError for one that the quantity cannot have."""
    if text is None:
        return SWEPT[over]
    parse: Callable[[str], float] = share if over == "utilisation" else positive_number
    try:
        return tuple(parse(part.strip()) for part in text.split(","))
    except argparse.ArgumentTypeError as error:
        raise InputError(f"--values: {error}; give values of {over} separated by commas.") from None

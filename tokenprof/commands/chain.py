"""`tokenprof chain`: where a run's billed dollar goes, and the published claims about it, recomputed."""

from __future__ import annotations

import argparse
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tokenprof.commands.console.assumption_options import add_assumption_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.output import (
    add_output,
    drawn,
    format_of,
    json_text,
    put,
    require_writable,
    say,
)
from tokenprof.commands.console.values import choice, one_of, require_known, usd, whole_number
from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.chain.chain import Choices
    from tokenprof.costing.ledger import Ledger
    from tokenprof.pricing.chain.figures import ChainData

PATHS: Final = ("direct", "aggregator", "plan")
ADD_ROW: Final = "Add a row to a chain file (--chain)."

DEFAULTS: Final[Mapping[str, Any]] = {
    "path": "direct",
    "aggregator": "openrouter",
    "plan": "claude-max",
    "sessions": 20,
    "credits": Decimal(100),
    "compute": "coreweave",
    "contract": "reserved",
}
"""What the options about the market are if nobody gives them."""


def add_commands(commands: Any) -> None:
    """Add `chain` to a parser's subcommands."""
    parser = commands.add_parser(
        "chain",
        help="where a billed dollar goes",
        description="Push a run's billed dollars down the chain: application, lab margin, training, "
        "GPU-hour margin, chips, building, power.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE|FOLDER")
    parser.add_argument(
        "--examples",
        action="store_true",
        help="instead: the published claims about bills and the chain, each beside our own figure",
    )
    add_output(parser, ("text", "json", "svg"))
    add_assumption_options(parser)
    parser.add_argument(
        "--chip", metavar="NAME", help="cost the work on this generation of hardware, e.g. h100 or gb200"
    )
    _add_market(parser)
    parser.set_defaults(run=run_chain)


def _add_market(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the chain above the chip")
    group.add_argument(
        "--path",
        type=one_of(PATHS),
        metavar=choice(PATHS),
        help=f"how the tokens are bought (default: {DEFAULTS['path']})",
    )
    group.add_argument(
        "--aggregator", metavar="NAME", help=f"who resells the tokens (default: {DEFAULTS['aggregator']})"
    )
    group.add_argument("--plan", metavar="NAME", help=f"subscription (default: {DEFAULTS['plan']})")
    group.add_argument(
        "--sessions",
        type=whole_number(1),
        metavar="N",
        help=f"number of such runs a month that share a plan (default: {DEFAULTS['sessions']})",
    )
    group.add_argument(
        "--credits",
        type=usd,
        metavar="USD",
        help="credit bought at a time from the aggregator, which has a least fee "
        f"(default: {DEFAULTS['credits']})",
    )
    group.add_argument(
        "--supplier", metavar="NAME", help="who serves the model (default: the run's provider)"
    )
    group.add_argument(
        "--compute",
        metavar="NAME",
        help=f"whose GPU-hours the supplier rents, if it rents (default: {DEFAULTS['compute']})",
    )
    group.add_argument(
        "--contract",
        metavar="TERMS",
        help=f"terms of the rental, e.g. three years or on demand (default: {DEFAULTS['contract']})",
    )
    group.add_argument(
        "--tool-price",
        type=_tool_price,
        action="append",
        default=[],
        metavar="TOOL=USD",
        help="price of one call of a tool (repeatable)",
    )
    group.add_argument("--chain", type=Path, metavar="FILE", help="your own chain file in place of ours")


def run_chain(options: argparse.Namespace) -> int:
    """Read, price, model, follow the dollars and print them; or print the examples."""
    from tokenprof.pricing.chain.figures import load_chain_data

    form = format_of(options)
    if options.examples:
        _require_examples_only(options, form)
    elif not options.files:
        raise InputError("Give a recording to follow the dollars of, or --examples.")
    if options.chip and options.deployment:
        raise InputError(
            "--deployment names its chips, so --chip has no effect beside it; give one of the two."
        )
    assumptions = assumptions_of(options)
    data = load_chain_data(options.chain)
    require_writable(options.output, [*options.files, options.chain, *assumptions.prices])
    if options.examples:
        put(options.output, _examples(assumptions, data, form))
    else:
        _put_chain(options.output, _chain(options, assumptions, data), form)
    return OK


def _require_examples_only(options: argparse.Namespace, form: str) -> None:
    """Raise InputError for options that belong to a run."""
    run_only = [*DEFAULTS, "supplier", "tool_price", "chip", "deployment", "usd_per_gpu_hour", "utilisation"]
    given = [f"--{name.replace('_', '-')}" for name in run_only if getattr(options, name) not in (None, [])]
    given += [str(file) for file in options.files]
    if given:
        raise InputError(f"--examples follows no run, so {' and '.join(given)} has no effect; leave it out.")
    if form == "svg":
        raise InputError("The examples are a table: use --format text or json.")


def _choices(options: argparse.Namespace, data: ChainData) -> Choices:
    """Return what the user said of the market. Raises InputError for a name that the chain file lacks."""
    from tokenprof.chain.chain import Choices

    said = {name: default if getattr(options, name) is None else getattr(options, name)
            for name, default in DEFAULTS.items()}  # fmt: skip
    require_known("aggregator", said["aggregator"], data.aggregators, ADD_ROW)
    require_known("plan", said["plan"], data.plans, ADD_ROW)
    require_known("supplier", said["compute"], data.suppliers, ADD_ROW)
    require_known("contract", said["contract"], {terms for _, terms in data.rentals}, ADD_ROW)
    if options.supplier is not None:
        require_known("supplier", options.supplier, data.suppliers, ADD_ROW)
    return Choices(
        path=said["path"],
        aggregator=said["aggregator"],
        plan=said["plan"],
        sessions_per_month=said["sessions"],
        credits_usd=said["credits"],
        supplier=options.supplier,
        compute=said["compute"],
        contract=said["contract"],
    )


def _chain(options: argparse.Namespace, assumptions: Assumptions, data: ChainData) -> dict[str, Any]:
    from tokenprof.chain.chain import chain_of, tool_fees
    from tokenprof.chain.kv_between_turns import STAND_IN
    from tokenprof.chain.owner_cost import on_chip
    from tokenprof.commands.analysed import hardware_of, ledger_of
    from tokenprof.reading.files import read
    from tokenprof.report.chain_json import chain_json, gaps_json, shape_json, sweeps_json
    from tokenprof.report.money import usd

    choices = _choices(options, data)
    ledger = ledger_of(read(options.files), assumptions)
    hardware = hardware_of(ledger, assumptions)
    sweeps = sweeps_json(ledger, hardware, assumptions.utilisation, assumptions.deployment)
    if options.chip:
        moved = on_chip(ledger.run, hardware, options.chip, assumptions.utilisation)
        if moved is None:
            known = ", ".join(row["chip"] for row in sweeps["generations"])
            raise InputError(f"This run cannot have been served on {options.chip}; it can on {known}.")
        hardware = moved
    chain = chain_of(ledger, hardware, data, choices)
    if options.contract and not chain.rental.name.endswith(f", {options.contract}"):
        raise InputError(
            f"Nobody is known to rent these chips out {options.contract!r}; the nearest terms are "
            f"{chain.rental.name!r}. {ADD_ROW}"
        )
    prices = dict(options.tool_price)
    fees = tool_fees(ledger, prices)
    _warn_of_uncalled(ledger, set(prices) - set(fees))
    return {
        **chain_json(chain, data),
        "cost_shaped": shape_json(ledger, hardware),
        **sweeps,
        "waiting": gaps_json(ledger, assumptions.deployment or STAND_IN),
        "tool_payments": [
            {"tool": tool, "calls": calls, "usd": usd(paid)} for tool, (calls, paid) in fees.items()
        ],
    }


def _warn_of_uncalled(ledger: Ledger, tools: set[str]) -> None:
    called = {block.name for turn in ledger.run.turns for block in turn.output if block.link is not None}
    for tool in sorted(tools):
        say(f"--tool-price {tool}: this run calls no such tool.{did_you_mean(tool, called)}")


def _examples(assumptions: Assumptions, data: ChainData, form: str) -> str | bytes:
    from dataclasses import asdict

    from tokenprof.analysis.assumptions import price_book
    from tokenprof.chain.worked_examples import all_examples

    rows = [asdict(row) for row in all_examples(price_book(assumptions), data)]
    if form == "json":
        return json_text({"examples": rows})
    from tokenprof.report.terminal.chain_text import examples_text

    return examples_text(rows)


def _put_chain(output: Path | None, found: Mapping[str, Any], form: str) -> None:
    if form == "json":
        put(output, json_text(found))
    elif form == "svg":
        from tokenprof.report.terminal.chain_svg import chain_svg

        put(output, chain_svg(found))
    elif output is None:
        from tokenprof.report.terminal.chain_text import render_chain

        put(None, drawn(lambda console: render_chain(found, console)))
    else:
        from tokenprof.report.terminal.chain_text import chain_text

        put(output, chain_text(found))


def _tool_price(text: str) -> tuple[str, Decimal]:
    tool, equals, amount = text.partition("=")
    if not (tool and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not a price such as search=0.005")
    return tool, usd(amount)

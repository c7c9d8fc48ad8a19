"""`tokenprof chain`: where a run's billed dollar goes, and the published claims about it, recomputed."""

from __future__ import annotations

import argparse
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tokenprof.commands.console.assumption_options import add_assumption_options, assumptions_of
from tokenprof.commands.console.exit_codes import OK
from tokenprof.commands.console.failures import naming
from tokenprof.commands.console.output import (
    add_output,
    drawn,
    format_of,
    json_text,
    put,
    require_writable,
    say,
)
from tokenprof.commands.console.values import choice, file_path, one_of, require_known, usd, whole_number
from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.chain.chain_detail import ChainDetail
    from tokenprof.chain.choices import Choices
    from tokenprof.chain.section import ChainSection
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
    parser.add_argument("files", nargs="*", type=file_path, metavar="FILE|FOLDER")
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
    group.add_argument("--chain", type=file_path, metavar="FILE", help="your own chain file in place of ours")


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
    with naming(options.chain or Path(), "a chain file"):
        data = load_chain_data(options.chain)
    require_writable(options.output, [*options.files, options.chain, *assumptions.prices])
    if options.examples:
        put(options.output, _examples(assumptions, data, form))
    else:
        section, detail = _chain(options, assumptions, data)
        _put_chain(options.output, section, detail, form)
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
    """Return what the user said about the market. Raises InputError for a name that the chain file lacks."""
    from tokenprof.chain.choices import Choices

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


def _chain(
    options: argparse.Namespace, assumptions: Assumptions, data: ChainData
) -> tuple[ChainSection, ChainDetail]:
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.chain.chain import chain_of
    from tokenprof.chain.chain_detail import chain_detail
    from tokenprof.chain.cost_shaped_price import cost_shaped
    from tokenprof.chain.hardware_sweeps import on_chip
    from tokenprof.chain.section import section_of
    from tokenprof.reading.files import read

    choices = _choices(options, data)
    analysis = Analysis(read(options.files), assumptions)
    ledger, hardware = analysis.ledger, analysis.hardware
    prices = dict(options.tool_price)
    detail = chain_detail(
        ledger,
        hardware,
        prices,
        deployment=assumptions.deployment,
        utilisation=assumptions.utilisation,
        usd_per_gpu_hour=assumptions.usd_per_gpu_hour,
    )
    _warn_of_uncalled(ledger, set(prices) - {paid.tool for paid in detail.tool_payments})
    if options.chip:
        moved = on_chip(
            ledger.run, hardware, options.chip, assumptions.utilisation, assumptions.usd_per_gpu_hour
        )
        if moved is None:
            known = ", ".join(step.chip for step in detail.sweeps.generations)
            raise InputError(f"This run cannot have been served on {options.chip}; it can on {known}.")
        hardware = moved
    chain = chain_of(ledger, hardware, data, choices)
    if options.contract and not chain.rental.name.endswith(f", {options.contract}"):
        raise InputError(
            f"Nobody is known to rent these chips out {options.contract!r}; the nearest terms are "
            f"{chain.rental.name!r}. {ADD_ROW}"
        )
    return section_of(chain, cost_shaped(ledger, hardware), data), detail


def _warn_of_uncalled(ledger: Ledger, tools: set[str]) -> None:
    called = {block.name for turn in ledger.run.turns for block in turn.output if block.link is not None}
    for tool in sorted(tools):
        say(f"--tool-price {tool}: this run calls no such tool.{did_you_mean(tool, called)}")


def _examples(assumptions: Assumptions, data: ChainData, form: str) -> str | bytes:
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.chain.worked_examples import all_examples

    rows = all_examples(price_book(assumptions), data)
    if form == "json":
        from tokenprof.report.chain_detail_json import examples_json

        return json_text(examples_json(rows))
    from tokenprof.report.terminal.chain_text import examples_text

    return examples_text(rows)


def _put_chain(output: Path | None, section: ChainSection, detail: ChainDetail, form: str) -> None:
    if form == "json":
        from tokenprof.report.chain_detail_json import detail_json
        from tokenprof.report.chain_json import chain_json

        put(output, json_text(chain_json(section) | detail_json(detail)))
    elif form == "svg":
        from tokenprof.report.terminal.chain_svg import chain_svg

        put(output, chain_svg(section))
    elif output is None:
        from tokenprof.report.terminal.chain_text import render_chain

        put(None, drawn(lambda console: render_chain(section, console, detail)))
    else:
        from tokenprof.report.terminal.chain_text import chain_text

        put(output, chain_text(section, detail))


def _tool_price(text: str) -> tuple[str, Decimal]:
    tool, equals, amount = text.partition("=")
    if not (tool and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not a price such as search=0.005")
    return tool, usd(amount)

"""`tokenprof chain`: where a run's billed dollar goes, and the published claims about it, recomputed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tokenprof.commands.console.assumption_options import (
    add_assumption_options,
    assumptions_of,
    settings_of,
)
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
    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.chain.chain_detail import ChainDetail
    from tokenprof.chain.section import ChainSection
    from tokenprof.costing.ledger import Ledger
    from tokenprof.pricing.chain.figures import ChainData

PATHS: Final = ("direct", "aggregator", "plan")
TYPES: Final[Mapping[str, Callable[[str], object]]] = {
    "sessions": whole_number(1),
    "credits": usd,
    "path": one_of(PATHS),
}
"""How the values of options are read; the others are names."""

ADD_ROW: Final = "Add a row to a chain file (--chain)."


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
        help="instead: a page of published claims about bills and the chain, beside our own figures",
    )
    add_output(parser, ("text", "json", "svg"))
    add_assumption_options(parser)
    _add_market(parser)
    parser.set_defaults(run=run_chain)


def _add_market(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the chain above the chip")
    for name, metavar, what in (
        ("path", choice(PATHS), "how the tokens are bought (default: direct)"),
        ("aggregator", "NAME", "who resells the tokens (default: openrouter)"),
        ("plan", "NAME", "subscription (default: claude-max)"),
        ("sessions", "N", "number of such runs a month that share a plan (default: 20)"),
        ("credits", "USD", "credit bought at a time from the aggregator, with its least fee (default: 100)"),
        ("supplier", "NAME", "who serves the model (default: the run's seller or provider)"),
        ("compute", "NAME", "whose GPU-hours the supplier rents (default: not known, so not named)"),
        ("contract", "TERMS", "terms of rented hours, e.g. three years or on demand (default: contract)"),
    ):
        group.add_argument(f"--{name}", metavar=metavar, help=what, type=TYPES.get(name, str))
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
    from tokenprof.pricing.chain.chain_file import load_chain_data

    form = format_of(options)
    if options.examples:
        _require_examples_only(options, form)
    elif not options.files:
        raise InputError("Give a recording to follow the dollars of, or --examples.")
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
    row_names = [*settings_of(options)]
    given = [f"--{name}" for name in row_names if name not in ("seller",)]
    given += ["--tool-price"] if options.tool_price else []
    given += [str(file) for file in options.files]
    if given:
        raise InputError(f"--examples follows no run, so {' and '.join(given)} has no effect; leave it out.")
    if form == "svg":
        raise InputError("The examples are a table: use --format text or json.")


def _require_named(said: Assumptions, data: ChainData) -> None:
    """Raise InputError for a name that the chain file lacks."""
    for what, name, known in (
        ("aggregator", said.aggregator, data.aggregators),
        ("plan", said.plan, data.plans),
        ("supplier", said.compute, data.suppliers),
        ("supplier", said.supplier, data.suppliers),
        ("anchor", said.anchor, data.anchors),
    ):
        if name is not None:
            require_known(what, name, known, ADD_ROW)


def _chain(
    options: argparse.Namespace, assumptions: Assumptions, data: ChainData
) -> tuple[ChainSection, ChainDetail]:
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.analysis.scenario import choices_of, serving_of
    from tokenprof.chain.chain import NO_DOLLAR
    from tokenprof.chain.chain_detail import chain_detail
    from tokenprof.chain.kv_between_turns import TTLS
    from tokenprof.chain.make_section import chain_section
    from tokenprof.costing.compute import cost_to_compute
    from tokenprof.pricing.chain.figures import ChainDataError
    from tokenprof.reading.files import read

    _require_named(assumptions, data)
    ledger = Analysis(read(options.files), assumptions).ledger
    hardware = cost_to_compute(ledger, serving=serving_of(assumptions, data))
    prices = dict(options.tool_price)
    ttls = (assumptions.ttl,) if assumptions.ttl else TTLS
    detail = chain_detail(ledger, hardware, prices, ttls, data)
    _warn_of_uncalled(ledger, set(prices) - {paid.tool for paid in detail.tool_payments})
    try:
        section = chain_section(
            ledger, hardware, data, choices_of(assumptions), without_evidence=assumptions.without_evidence
        )
    except ChainDataError as error:
        raise InputError(str(error)) from None
    if section is None:
        raise InputError(NO_DOLLAR)
    return section, detail


def _warn_of_uncalled(ledger: Ledger, tools: set[str]) -> None:
    called = {block.name for turn in ledger.run.turns for block in turn.output if block.link is not None}
    for tool in sorted(tools):
        say(f"--tool-price {tool}: this run calls no such tool.{did_you_mean(tool, called)}")


def _examples(assumptions: Assumptions, data: ChainData, form: str) -> str | bytes:
    from tokenprof.analysis.assumptions import price_book
    from tokenprof.chain.claims.worked_examples import all_examples

    rows = all_examples(price_book(assumptions), data)
    if form == "json":
        from tokenprof.report.chain_detail_json import examples_json

        return json_text(examples_json(rows))
    from tokenprof.report.comparisons.claims_page import claims_page

    return claims_page(rows)


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

"""`tokenprof chain`: where a run's billed dollar goes, and the published claims about it, recomputed."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.chain.chain_detail import ChainDetail
    from tokenprof.chain.section import ChainSection
    from tokenprof.pricing.book import PriceBook
    from tokenprof.pricing.chain.figures import ChainData

OK = 0


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
    parser.add_argument("--format", choices=("text", "json", "svg"), default="text", help="default: text")
    parser.add_argument("-o", "--output", type=Path, help="write to a file instead of standard output")
    _add_hardware(parser)
    _add_market(parser)
    parser.set_defaults(run=run_chain)


def _add_hardware(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("hardware")
    group.add_argument("--deployment", help="cost the work on this deployment, e.g. deepseek-v3@8xh200")
    group.add_argument(
        "--utilisation",
        type=float,
        help="share of the fleet's hours that are sold (default: as drawn, or 0.5)",
    )
    group.add_argument("--chip", help="only this generation of hardware, e.g. h100 or gb200")


def _add_market(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the chain above the chip")
    group.add_argument("--path", choices=("direct", "aggregator", "plan"), default="direct")
    group.add_argument("--aggregator", default="openrouter", help="default: openrouter")
    group.add_argument("--plan", default="claude-max", help="default: claude-max")
    group.add_argument(
        "--sessions",
        type=int,
        default=20,
        metavar="N",
        help="such runs a month that share a plan (default: 20)",
    )
    group.add_argument(
        "--credits", type=_dollars, default=Decimal(100), metavar="USD",
        help="credit bought at a time at the aggregator, which has a least fee (default: 100)",
    )  # fmt: skip
    group.add_argument("--supplier", help="who serves the model (default: the run's provider)")
    group.add_argument("--compute", default="coreweave", help="whose GPU-hours it rents, if it rents")
    group.add_argument("--contract", default="reserved", help="reserved, three years, on demand, …")
    group.add_argument(
        "--tool-price", type=_tool_price, action="append", default=[], metavar="TOOL=USD",
        help="what one call of a tool costs (repeatable)",
    )  # fmt: skip
    group.add_argument("--chain", type=Path, metavar="FILE", help="your own chain file in place of ours")
    group.add_argument(
        "--prices", type=Path, action="append", default=[], metavar="FILE", help="a TOML overlay (repeatable)"
    )


def run_chain(options: argparse.Namespace) -> int:
    """Read, price, model, follow the dollars and print them; or print the examples."""
    from tokenprof.pricing.book import default_book
    from tokenprof.pricing.chain.figures import ChainDataError, load_chain_data
    from tokenprof.pricing.overlay_toml import OverlayError

    try:
        data, book = load_chain_data(options.chain), default_book(options.prices)
        if options.examples:
            return _examples(options, book, data)
        section, detail = _chain(options, book, data)
    except (ChainDataError, OverlayError) as error:
        raise InputError(str(error)) from error
    return _write(options, section, detail)


def _chain(options: argparse.Namespace, book: PriceBook, data: ChainData) -> tuple[ChainSection, ChainDetail]:
    from tokenprof.chain.chain import NothingToPushDownError, chain_of
    from tokenprof.chain.chain_detail import chain_detail
    from tokenprof.chain.choices import Choices
    from tokenprof.chain.cost_shaped_price import cost_shaped
    from tokenprof.chain.hardware_sweeps import at_utilisation, on_chip
    from tokenprof.chain.section import section_of
    from tokenprof.costing.compute import cost_to_compute
    from tokenprof.costing.ledger import build_ledger
    from tokenprof.hw_model.catalogue.lookup import UnknownChipError, UnknownModelError
    from tokenprof.hw_model.cost import DeploymentError
    from tokenprof.reading.files import read

    if not options.files:
        raise InputError("Give a recording to follow the dollars of, or --examples.")
    if options.sessions < 1:
        raise InputError(f"{options.sessions} runs a month share no plan; give at least 1 with --sessions.")
    if options.utilisation is not None and not 0 < options.utilisation <= 1:
        raise InputError(f"A utilisation of {options.utilisation} is none; give a share above 0 and up to 1.")
    ledger = build_ledger(read(options.files), book)
    choices = Choices(
        path=options.path,
        aggregator=options.aggregator,
        plan=options.plan,
        sessions_per_month=options.sessions,
        credits_usd=options.credits,
        supplier=options.supplier,
        compute=options.compute,
        contract=options.contract,
    )
    try:
        hardware = cost_to_compute(ledger, deployment=options.deployment)
        if options.utilisation is not None:
            hardware = at_utilisation(ledger.run, hardware, options.utilisation, options.deployment)
        detail = chain_detail(
            ledger,
            hardware,
            dict(options.tool_price),
            deployment=options.deployment,
            utilisation=options.utilisation,
        )
        if options.chip:
            moved = on_chip(ledger.run, hardware, options.chip, options.utilisation)
            if moved is None:
                known = ", ".join(step.chip for step in detail.sweeps.generations)
                raise InputError(f"This run cannot have been served on {options.chip}; it can on {known}.")
            hardware = moved
        chain = chain_of(ledger, hardware, data, choices)
    except (
        DeploymentError, UnknownChipError, UnknownModelError, NothingToPushDownError,
    ) as error:  # fmt: skip
        raise InputError(str(error.args[0] if error.args else error)) from error
    return section_of(chain, cost_shaped(ledger, hardware), data), detail


def _examples(options: argparse.Namespace, book: PriceBook, data: ChainData) -> int:
    from tokenprof.chain.worked_examples import all_examples

    rows = all_examples(book, data)
    if options.format == "json":
        return _put_json(options.output, {"examples": [asdict(row) for row in rows]})
    if options.format == "svg":
        raise InputError("The examples are a table: use --format text or json.")
    from tokenprof.report.terminal.chain_text import examples_text

    return _put(options.output, examples_text(rows).encode())


def _write(options: argparse.Namespace, section: ChainSection, detail: ChainDetail) -> int:
    if options.format == "json":
        from tokenprof.report.chain_detail_json import detail_json
        from tokenprof.report.chain_json import chain_json

        return _put_json(options.output, chain_json(section) | detail_json(detail))
    if options.format == "svg":
        from tokenprof.report.terminal.chain_svg import chain_svg

        return _put(options.output, chain_svg(section).encode())
    from rich.console import Console

    from tokenprof.report.terminal.chain_text import chain_text, render_chain

    if options.output is None:
        render_chain(section, Console(), detail)
        return OK
    return _put(options.output, chain_text(section, detail).encode())


def _put_json(output: Path | None, found: dict[str, Any]) -> int:
    import orjson

    return _put(output, orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _put(output: Path | None, data: bytes) -> int:
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return OK
    try:
        output.write_bytes(data)
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror}.") from error
    return OK


def _dollars(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not an amount such as 12.50") from error
    if not amount.is_finite() or amount < 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not an amount of money that can be paid")
    return amount


def _tool_price(text: str) -> tuple[str, Decimal]:
    tool, equals, amount = text.partition("=")
    if not (tool and equals):
        raise argparse.ArgumentTypeError(f"'{text}' is not a price such as search=0.005")
    return tool, _dollars(amount)

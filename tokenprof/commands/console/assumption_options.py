"""The options for prices and hardware, alike in every command that shows a dollar."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tokenprof.commands.console.values import file_path, positive_number, share

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions

_ELSEWHERE = (
    "What is not given here is taken from the environment (TOKENPROF_PRICES and so on), then from "
    "[tool.tokenprof] in the nearest pyproject.toml."
)


def add_price_options(parser: argparse.ArgumentParser) -> None:
    """Add `--prices`, for a command that shows billed dollars only."""
    _add_prices(parser.add_argument_group("prices", _ELSEWHERE))


def add_assumption_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for prices and for the hardware that the work is costed on."""
    group = parser.add_argument_group("prices and hardware", _ELSEWHERE)
    _add_prices(group)
    group.add_argument(
        "--deployment",
        metavar="MODEL@CHIPS",
        help="cost the work on this deployment, e.g. deepseek-v3@8xh200 (default: by the model of each call)",
    )
    add_operating_options(group)


def add_operating_options(group: argparse._ActionsContainer) -> None:
    """Add what an hour of an accelerator costs, and how much of it is sold."""
    group.add_argument(
        "--usd-per-gpu-hour",
        type=positive_number,
        metavar="USD",
        help="price of an accelerator-hour (default: what it costs its owner, bottom up)",
    )
    group.add_argument(
        "--utilisation",
        type=share,
        metavar="SHARE",
        help="share of the fleet's hours that are sold (default: 0.5, or sampled for closed models)",
    )


def _add_prices(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--prices",
        type=file_path,
        action="append",
        metavar="FILE",
        help="add the price rows of this TOML file (repeatable, later files win)",
    )
    group.add_argument(
        "--seller",
        metavar="NAME",
        help="who sold the calls that do not show it, as in prices, e.g. openrouter (default: by the API)",
    )


def assumptions_of(options: argparse.Namespace) -> Assumptions:
    """Return the settings that the options, the environment and pyproject.toml give together.

    Raises InputError if one cannot be used, a price file included, before any work is done.
    """
    from tokenprof.analysis.assumptions import price_book, resolve_assumptions

    found = resolve_assumptions(
        prices=getattr(options, "prices", None),
        deployment=getattr(options, "deployment", None),
        usd_per_gpu_hour=getattr(options, "usd_per_gpu_hour", None),
        utilisation=getattr(options, "utilisation", None),
        seller=getattr(options, "seller", None),
    )
    if found.prices:
        price_book(found)
    return found

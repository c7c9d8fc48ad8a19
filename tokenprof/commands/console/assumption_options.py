"""The options for prices and hardware, alike in every command that shows a dollar.

All of them are rows of `tokenprof.analysis.settings_table`; `--set NAME=VALUE` sets any of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tokenprof.analysis.settings_table import EVIDENCE_SWITCHES, SETTINGS, Group, row_of
from tokenprof.commands.console.values import file_path, one_of, positive_number, share
from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean
from tokenprof.facts.whole_characters import with_whole_characters

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions

_ELSEWHERE = (
    "What is not given here is taken from the environment (TOKENPROF_PRICES and so on), then from "
    "[tool.tokenprof] in the nearest pyproject.toml. `tokenprof settings` lists every name that --set takes."
)

OPTIONS_OF_SETTINGS: Final = ("chip", "precision", "speed", "hours")
"""Settings beside prices and operation that have an option of their own in every command with compute."""


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
    add_whose_hours(group)
    group.add_argument(
        "--chip", metavar="NAME", help="serve on this chip, e.g. h100 or gb200 (default: a drawn fleet)"
    )
    group.add_argument("--precision", metavar="DTYPE", help="weights in bf16, fp8 or fp4 (default: drawn)")
    group.add_argument(
        "--speed",
        metavar="TOKENS_PER_S",
        help="speed to each user (default: the run's own clock, else drawn)",
    )
    add_set_option(group)
    group.add_argument(
        "--without-evidence",
        action="append",
        default=[],
        type=one_of(EVIDENCE_SWITCHES),
        metavar="NAME",
        help=f"leave published evidence out of the posterior: {', '.join(EVIDENCE_SWITCHES)} (repeatable)",
    )


def add_whose_hours(group: argparse._ActionsContainer) -> None:
    """Add `--own` and `--rent`: whose accelerator-hours are paid."""
    whose = group.add_mutually_exclusive_group()
    whose.add_argument(
        "--own",
        dest="hours",
        action="store_const",
        const="own",
        help="hours at their owner's cost (default: as whoever serves the model pays them)",
    )
    whose.add_argument(
        "--rent", dest="hours", action="store_const", const="rent", help="hours at what they are rented for"
    )


def add_set_option(group: argparse._ActionsContainer) -> None:
    """Add `--set NAME=VALUE`, which sets any row of the table of settings."""
    group.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set any assumption by name (repeatable); tokenprof settings lists them",
    )


def add_operating_options(group: argparse._ActionsContainer) -> None:
    """Add what an hour of an accelerator costs, and how much of it is sold."""
    group.add_argument(
        "--usd-per-gpu-hour",
        type=positive_number,
        metavar="USD",
        help="price of an accelerator-hour (default: by chip, date and whose racks they are)",
    )
    group.add_argument(
        "--utilisation",
        type=share,
        metavar="SHARE",
        help="share of the fleet's hours that are sold (default: drawn, or 0.5 for a given deployment)",
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
        type=with_whole_characters,
        help="who sold the calls that do not show it, as in prices, e.g. openrouter (default: by the API)",
    )


def assumptions_of(options: argparse.Namespace, more: dict[str, object] | None = None) -> Assumptions:
    """Return the settings that the options, the environment and pyproject.toml give together.

    `more` are settings by name that win over all of these. Raises InputError if one cannot be used, a price
    file included, before any work is done.
    """
    from tokenprof.analysis.assumptions import price_book, resolve_assumptions

    named = settings_of(options)
    found = resolve_assumptions(
        prices=getattr(options, "prices", None),
        settings={**named, **(more or {})},
        without_evidence=getattr(options, "without_evidence", ()),
    )
    in_deployment = ("chip", "precision", "kv-precision", "drafts", "pools", "attention")
    beside = next(
        (name for name in in_deployment if getattr(found, name.replace("-", "_")) is not None), None
    )
    if found.deployment and beside is not None:
        option = f"--{beside}" if beside in OPTIONS_OF_SETTINGS else f"--set {beside}"
        raise InputError(
            f"--deployment names its {beside}, so {option} has no effect beside it; give one of the two."
        )
    if found.prices:
        price_book(found)
    return found


def settings_of(options: argparse.Namespace) -> dict[str, object]:
    """Return the settings that options of their own and `--set` give.

    Raises InputError for a name that does not exist, one without a value, and one that is given twice.
    """
    found: dict[str, object] = {}
    for name in SETTINGS:
        row = row_of(name)
        value = None if row is None or name == "prices" else getattr(options, row.field, None)
        if value is not None:
            found[name] = value
    for text in getattr(options, "settings", None) or []:
        name, value = parse_setting(text)
        if name in found:
            raise InputError(f"--set {text}: {name} is set twice; give it once.")
        found[name] = value
    return found


def parse_setting(text: str, option: str = "--set") -> tuple[str, str]:
    """Return the name and the value of NAME=VALUE. Raises InputError for another form or an unknown name."""
    name, equals, value = text.partition("=")
    name = name.strip().replace("_", "-")
    if not equals or not value.strip():
        raise InputError(f"{option} {text}: write NAME=VALUE, such as utilisation=0.5.")
    if name not in SETTINGS or name == "prices":
        raise InputError(
            f"{option} {text}: there is no setting {name!r}.{did_you_mean(name, SETTINGS)} "
            "`tokenprof settings` lists them."
        )
    return name, value.strip()


def given_of_groups(options: argparse.Namespace, *groups: Group) -> list[str]:
    """Return the settings of some groups that options of their own and `--set` give, as they were written."""
    found = []
    for name in settings_of(options):
        row = row_of(name)
        if row is None or row.group not in groups:
            continue
        of_its_own = getattr(options, row.field, None)
        if of_its_own is None:
            found.append(f"--set {name}")
        else:
            found.append(f"--{of_its_own if name == 'hours' else name}")
    return found


def require_effect(options: argparse.Namespace, *without: Group, where: str) -> None:
    """Raise InputError for a setting that is given and belongs to a group that moves nothing `where`."""
    idle = given_of_groups(options, *without)
    if idle:
        verb = "has" if len(idle) == 1 else "have"
        raise InputError(f"{' and '.join(idle)} {verb} no effect on {where}; leave it out.")


def only_settings_of(options: argparse.Namespace, taken: Sequence[str], where: str) -> dict[str, object]:
    """Return what `settings_of` returns. Raises InputError for a setting that is not among those `taken`."""
    given = settings_of(options)
    for name in given:
        if name not in taken:
            raise InputError(
                f"--set {name} has no effect on {where}; leave it out. "
                f"What counts here is {', '.join(taken)}."
            )
    return given

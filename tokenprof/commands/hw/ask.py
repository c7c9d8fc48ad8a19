"""`tokenprof hw ask`: the standing questions about hardware, a page each."""

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
from tokenprof.commands.console.output import emit
from tokenprof.commands.console.values import one_of
from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.commands.hw.ask_pages import Supposed

QUESTIONS: Final = (
    "megawatt", "agent-against-chatbot", "generations", "techniques", "racks", "buildout",
)  # fmt: skip
"""The questions by name; each has a page."""

SUPPOSED: Final = ("model", "speed", "utilisation", *OF_AN_HOUR)
"""The settings that a page can take."""


def add_verbs(verbs: Any) -> None:
    """Add `ask` to the verbs of `hw`."""
    ask = verbs.add_parser(
        "ask",
        help="the standing questions, a page each",
        description="Answer a standing question from the catalogue and the equations: what 1 MW buys, an "
        "agent against a chatbot on one rack, the generations of hardware, each technique with and without, "
        "racks and their domains, what fits where, what a build-out has to earn. "
        f"--set takes {', '.join(SUPPOSED)}.",
    )
    ask.add_argument("question", type=one_of(QUESTIONS), metavar="QUESTION", help=", ".join(QUESTIONS))
    ask.add_argument("--speed", metavar="TOKENS_PER_S", help="speed to each user (default: 30)")
    add_operating_options(ask)
    add_whose_hours(ask)
    add_set_option(ask)
    ask.set_defaults(run=run_ask)


def run_ask(options: argparse.Namespace) -> int:
    """Print one page."""
    from tokenprof.commands.hw import ask_pages
    from tokenprof.commands.hw.ask_buildout import buildout

    pages: Mapping[str, Callable[[Supposed], str]] = {
        "megawatt": ask_pages.megawatt,
        "agent-against-chatbot": ask_pages.agent_against_chatbot,
        "generations": ask_pages.generations,
        "techniques": ask_pages.techniques,
        "racks": ask_pages.racks,
        "buildout": buildout,
    }
    emit(pages[options.question](_supposed(options)))
    return OK


def _supposed(options: argparse.Namespace) -> Supposed:
    """Return what the options suppose. Raises InputError for a setting that no page takes."""
    from tokenprof.analysis.assumptions import resolve_assumptions
    from tokenprof.commands.hw.ask_pages import Supposed
    from tokenprof.commands.hw.paid_hour import paid_hour
    from tokenprof.hw_model.cost import UnknownModelError, find_model

    said = resolve_assumptions(settings=only_settings_of(options, SUPPOSED, "a page of hw ask"))
    usual = Supposed(paid_hour(said))
    try:
        model = usual.model if said.model is None else find_model(said.model).name
    except UnknownModelError as error:
        raise InputError(f"--set model={said.model}: {error.args[0]}") from None
    return Supposed(usual.hour, model, said.speed or usual.speed, said.utilisation or usual.utilisation)

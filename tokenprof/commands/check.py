"""`tokenprof check RUN…`: recorded runs against budgets and a baseline, for any language and any CI."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from tokenprof.commands.console.assumption_options import (
    add_assumption_options,
    assumptions_of,
    given_of_groups,
    require_effect,
)
from tokenprof.commands.console.exit_codes import FOUND, OK
from tokenprof.commands.console.failures import naming
from tokenprof.commands.console.numpy_threads import load_numpy_without_threads
from tokenprof.commands.console.output import add_output, format_of, put, require_writable, say
from tokenprof.commands.console.values import file_path
from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tokenprof.gate.baseline import BaselineScenario

UNSEEN_NAMED: Final = 5

COMPUTE_MEASURE: Final = "hardware_usd"
"""The one measure that needs a compute estimate, which takes longer."""


def add_commands(commands: Any) -> None:
    """Add `check` to a parser's subcommands."""
    parser = commands.add_parser(
        "check",
        help="fail a build when a run costs too much, with the reason",
        description="Check recorded runs against budgets and a baseline. Exit code 0: ok, or too few runs to "
        "tell; 1: a regression, a budget crossed, a scenario without a baseline or, with --strict, an "
        "incomplete bill; 2: bad input.",
    )
    parser.add_argument("files", nargs="+", type=file_path, metavar="RUN", help="recordings or transcripts")
    parser.add_argument("--baseline", type=file_path, metavar="FILE", help="the committed baseline file")
    parser.add_argument(
        "--update", action="store_true", help="write what these runs cost to the baseline, and check nothing"
    )
    parser.add_argument(
        "--scenario",
        metavar="NAME",
        help="treat all files as runs of this scenario (default: one scenario for each file, named after it)",
    )
    parser.add_argument(
        "--budget",
        action="append",
        default=[],
        metavar="MEASURE=LIMIT",
        help="limit for each run, e.g. usd=0.50 (repeatable)",
    )
    parser.add_argument(
        "--tolerance", metavar="PERCENT", help="growth over the baseline that does not matter (default: 5%%)"
    )
    parser.add_argument(
        "--measures",
        metavar="NAME,…",
        help="measures compared with the baseline (default: turns,input_tokens,output_tokens); "
        f"{COMPUTE_MEASURE} must be in the baseline: name it with --update, too",
    )
    parser.add_argument(
        "--fail-on-price-rise", action="store_true", help="fail if list prices rose since the baseline, too"
    )
    parser.add_argument(
        "--strict",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="fail if a run's bill is incomplete (turns without usage or price, any warning), if a measure "
        "cannot be compared, or if a scenario of the baseline has no run (default: only if the environment "
        "variable CI is set)",
    )
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="let scenarios pass that the baseline does not have, a baseline that does not exist, and "
        "scenarios of the baseline without a run",
    )
    add_output(parser, ("text", "json", "junit", "sarif", "markdown"))
    add_assumption_options(parser)
    parser.set_defaults(run=run_check)


def run_check(options: argparse.Namespace) -> int:
    """Read the runs, judge each scenario, print the verdicts."""
    load_numpy_without_threads()

    from tokenprof.gate.baseline import read_baseline, scenario_of, write_baseline
    from tokenprof.gate.budget import parse_budget
    from tokenprof.gate.formats import FORMATS
    from tokenprof.gate.outcome import judge
    from tokenprof.gate.runs import samples_of_file
    from tokenprof.gate.settings import is_strict, parse_items, settings_from

    form = format_of(options)
    budget = parse_budget(parse_items(options.budget))
    settings = settings_from(
        options.tolerance, options.measures, fail_on_price_rise=options.fail_on_price_rise
    )
    costs_compute = COMPUTE_MEASURE in budget or (
        options.measures is not None and COMPUTE_MEASURE in settings.measures
    )
    _require_an_effect(options, costs_compute=costs_compute)
    assumptions = assumptions_of(options)
    require_writable(options.output, [*options.files, options.baseline, *assumptions.prices])
    samples: dict[str, list[Any]] = {}
    for file in options.files:
        name = options.scenario or file.stem
        found = samples_of_file(file, assumptions, hardware=costs_compute)
        samples.setdefault(name, []).extend(found)
    known = {}
    if options.baseline:
        if not (options.update or options.allow_missing or options.baseline.exists()):
            raise InputError(
                f"There is no baseline {options.baseline}; check the name, write it with --update, or let "
                "the runs pass without one: --allow-missing."
            )
        with naming(options.baseline, "a baseline that --update wrote"):
            known = read_baseline(options.baseline)
    if options.update:
        written = {**known, **{name: scenario_of(own) for name, own in samples.items()}}
        write_baseline(options.baseline, written)
        scenarios = "1 scenario" if len(samples) == 1 else f"{len(samples)} scenarios"
        say(f"{scenarios} written to {options.baseline}.")
        return OK
    if options.measures is not None and COMPUTE_MEASURE in settings.measures:
        _require_compute([name for name in samples if name in known], known, options.baseline)
    strict = is_strict(options.strict)
    outcomes = [
        judge(
            name,
            own,
            budget=budget,
            baseline=known.get(name),
            settings=settings,
            wants_baseline=bool(options.baseline),
            is_strict=strict,
            may_be_missing=options.allow_missing,
        )
        for name, own in samples.items()
    ]
    for name in sorted(samples.keys() - known.keys()) if options.baseline else ():
        say(f"{options.baseline} has no scenario {name!r}.{did_you_mean(name, known)} --update adds it.")
    unseen = [] if options.scenario else sorted(known.keys() - samples.keys())
    if unseen:
        names = ", ".join(unseen[:UNSEEN_NAMED]) + (" …" if len(unseen) > UNSEEN_NAMED else "")
        way_out = "fails, since --strict is on; --allow-missing lets it pass" if strict else "--strict fails"
        say(f"{options.baseline} has {len(unseen)} that no run was given for: {names}. ({way_out})")
    put(options.output, FORMATS[form](outcomes, str(options.baseline or "")))
    is_missed = bool(unseen) and strict and not options.allow_missing
    return FOUND if is_missed or any(outcome.failed for outcome in outcomes) else OK


def _require_an_effect(options: argparse.Namespace, *, costs_compute: bool) -> None:
    """Raise InputError if an option would change nothing."""
    compared = _given(
        ("--tolerance", options.tolerance),
        ("--measures", options.measures),
        ("--fail-on-price-rise", options.fail_on_price_rise),
        ("--allow-missing", options.allow_missing),
    )
    if options.update and not options.baseline:
        raise InputError("--update writes a baseline; say which: --baseline FILE.")
    if options.update:
        writes_compute = costs_compute and compared == ["--measures"]
        judged = ([] if writes_compute else compared) + _given(
            ("--budget", options.budget), ("--format", options.format), ("-o", options.output)
        )
        if judged:
            raise InputError(
                f"--update checks nothing, so {' and '.join(judged)} has no effect; leave it out."
            )
    if compared and not options.baseline:
        raise InputError(f"{' and '.join(compared)} needs a baseline to compare with: --baseline FILE.")
    if not options.baseline and not options.budget and not options.strict:
        raise InputError(
            "There is nothing to check against; give --baseline FILE, --budget MEASURE=LIMIT or --strict."
        )
    require_effect(options, "chain", where="check")
    hardware = given_of_groups(options, "hours", "service")
    if hardware and not costs_compute:
        raise InputError(
            f"{' and '.join(hardware)} changes the compute estimate only, which no budget is set for; "
            f"add --budget {COMPUTE_MEASURE}=LIMIT or --measures {COMPUTE_MEASURE}, or leave it out."
        )


def _require_compute(names: Sequence[str], known: Mapping[str, BaselineScenario], baseline: Path) -> None:
    """Raise InputError if a scenario's baseline has no compute to compare with: it would pass unseen."""
    for name in names:
        if any(sample.measures.get(COMPUTE_MEASURE) is None for sample in known[name].samples):
            raise InputError(
                f"{baseline} has no {COMPUTE_MEASURE} of scenario {name!r}; write it with --update "
                f"--measures {COMPUTE_MEASURE}."
            )


def _given(*options: tuple[str, object]) -> list[str]:
    return [flag for flag, value in options if value not in (None, False, [])]

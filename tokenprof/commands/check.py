"""`tokenprof check RUN…`: recorded runs against budgets and a baseline, for any language and any CI."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

OK, REGRESSION = 0, 1


def add_commands(commands: Any) -> None:
    """Add `check` to a parser's subcommands. Exit code: 0 ok or inconclusive, 1 regression, 2 bad input."""
    parser = commands.add_parser(
        "check",
        help="fail a build when a run costs too much, with the reason",
        description="Check recorded runs against budgets and a baseline. Exit code 0: ok, or not enough runs "
        "to tell; 1: a regression or a budget crossed; 2: bad input.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="RUN", help="recordings or transcripts")
    parser.add_argument("--baseline", type=Path, help="the committed baseline file")
    parser.add_argument("--update", action="store_true", help="write what these runs cost to the baseline")
    parser.add_argument("--scenario", help="treat all files as runs of this scenario (default: one each)")
    parser.add_argument(
        "--budget", action="append", default=[], metavar="MEASURE=LIMIT", help="e.g. usd=0.50 (repeatable)"
    )
    parser.add_argument("--tolerance", default="5%", help="growth that does not matter (default: 5%%)")
    parser.add_argument("--measures", default=None, help="measures held against the baseline, by commas")
    parser.add_argument("--fail-on-price-rise", action="store_true", help="fail if list prices rise, too")
    parser.add_argument("--format", choices=("text", "json", "junit", "sarif", "markdown"), default="text")
    parser.add_argument("-o", "--output", type=Path, help="write to a file instead of standard output")
    parser.set_defaults(run=run_check)


def run_check(options: argparse.Namespace) -> int:
    """Read the runs, judge each scenario, print."""
    from tokenprof.analysis.assumptions import resolve_assumptions
    from tokenprof.facts.errors import InputError
    from tokenprof.gate.baseline import read_baseline, scenario_of, write_baseline
    from tokenprof.gate.budget import parse_budget
    from tokenprof.gate.formats import FORMATS
    from tokenprof.gate.outcome import judge
    from tokenprof.gate.runs import sample_of_file
    from tokenprof.gate.settings import parse_items, settings_from

    if options.update and not options.baseline:
        raise InputError("--update writes a baseline; say which: --baseline FILE.")
    if options.output and options.output in (options.baseline, *options.files):
        raise InputError(f"-o {options.output} would overwrite what is read; name another file.")
    budget = parse_budget(parse_items(options.budget))
    settings = settings_from(
        options.tolerance, options.measures, fail_on_price_rise=options.fail_on_price_rise
    )
    samples: dict[str, list[Any]] = {}
    for file in options.files:
        name = options.scenario or file.stem
        samples.setdefault(name, []).append(
            sample_of_file(file, resolve_assumptions(), hardware="hardware_usd" in budget)
        )
    known = read_baseline(options.baseline) if options.baseline else {}
    if options.update:
        written = {**known, **{name: scenario_of(own) for name, own in samples.items()}}
        write_baseline(options.baseline, written)
        print(f"{len(samples)} written to {options.baseline}.", file=sys.stderr)  # noqa: T201
        return OK
    outcomes = [
        judge(
            name,
            own,
            budget=budget,
            baseline=known.get(name),
            settings=settings,
            wants_baseline=bool(options.baseline),
        )
        for name, own in samples.items()
    ]
    for name in samples.keys() - known.keys() if options.baseline else ():
        print(f"tokenprof: {options.baseline} has no scenario {name!r}; --update adds it.", file=sys.stderr)  # noqa: T201
    text = FORMATS[options.format](outcomes, str(options.baseline or ""))
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return REGRESSION if any(outcome.failed for outcome in outcomes) else OK

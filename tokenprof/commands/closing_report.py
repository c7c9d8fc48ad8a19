"""What `run`, `proxy` and `demo` share: where they record, and the report when the recording has ended."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tokenprof.commands.console.assumption_options import add_assumption_options, assumptions_of
from tokenprof.commands.console.output import drawn, say, write_error
from tokenprof.commands.console.values import file_path
from tokenprof.facts.errors import InputError

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.live.budget_guard import BudgetGuard

DEFAULT_RECORDING: Final = Path("run.jsonl")


def add_recording_options(parser: argparse.ArgumentParser) -> None:
    """Add where to record, and the options of the report that follows."""
    parser.add_argument(
        "--record",
        type=file_path,
        metavar="FILE",
        help=f"recording to write or to continue (default: {DEFAULT_RECORDING}, or the next free name)",
    )
    parser.add_argument("--no-report", action="store_true", help="record only")
    parser.add_argument(
        "--warn-at", metavar="LIMITS", help="warn at usd=N, turns=N, context=N, cache-misses=N (with commas)"
    )
    parser.add_argument(
        "--stop-at",
        metavar="LIMITS",
        help="refuse further calls there, with an error in the provider's shape",
    )
    add_assumption_options(parser)


def closing_assumptions(options: argparse.Namespace) -> Assumptions | None:
    """Return the settings of the report that will follow; None with `--no-report`.

    Raises InputError if a setting is wrong, before anything is recorded.
    """
    if not options.no_report:
        return assumptions_of(options)
    given = [
        flag
        for flag, value in (
            ("--prices", options.prices),
            ("--deployment", options.deployment),
            ("--usd-per-gpu-hour", options.usd_per_gpu_hour),
            ("--utilisation", options.utilisation),
        )
        if value is not None
    ]
    if given:
        raise InputError(f"With --no-report nothing is costed; leave out {' and '.join(given)}.")
    return None


def guard_asked_for(options: argparse.Namespace) -> BudgetGuard | None:
    """Return what watches the limits that the options name; None without any. Raises InputError."""
    if options.warn_at is None and options.stop_at is None:
        return None
    from tokenprof.live.budget_guard import BudgetGuard
    from tokenprof.live.limits import parsed_limits

    warn_at, stop_at = (
        None if text is None else parsed_limits(text) for text in (options.warn_at, options.stop_at)
    )
    return BudgetGuard(warn_at, stop_at, assumptions_of(options), warn=say)


def free_name(path: Path = DEFAULT_RECORDING) -> Path:
    """Return `path`, or if that exists the first of `name-2`, `name-3`, … that does not."""
    further = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    return next(name for name in itertools.chain([path], further) if not name.exists())


def require_recordable(path: Path) -> None:
    """Raise InputError if a recording cannot be written, before anything runs."""
    from tokenprof.record.background.appended_file import AppendedFile
    from tokenprof.record.recorder import require_recording

    try:
        require_recording(path)
        AppendedFile(path).close()
    except FileExistsError as error:
        raise InputError(str(error)) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path} cannot be recorded to ({reason}); name another file.") from None


def remove_if_empty(path: Path) -> bool:
    """Remove a recording that holds nothing; returns whether it did."""
    if path.exists() and path.stat().st_size:
        return False
    path.unlink(missing_ok=True)
    return True


def report_recording(path: Path, assumptions: Assumptions | None, *, recorded: bool) -> None:
    """Report a recording on standard error; without assumptions, print nothing.

    Standard output is the command's own, and what goes wrong here does not change its exit code.
    """
    if assumptions is None:
        return
    if not recorded:
        from tokenprof.record.wires import WIRES

        variables = ", ".join(wire.variable for wire in WIRES if wire.variable)
        say(
            f"no model call was recorded. A client that reads none of {variables} "
            "needs the address of `tokenprof proxy` in its own settings."
        )
        return
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.analysis.earlier_run import last_time
    from tokenprof.reading.files import read
    from tokenprof.report.document import report_of
    from tokenprof.report.terminal.text import render

    try:
        analysis = Analysis(read([path]), assumptions)
        report, before = report_of(analysis), last_time(path, analysis.run, analysis.book)
        write_error(drawn(lambda console: render(report, console, last_time=before), to_error=True))
    except Exception as error:  # noqa: BLE001 - the command has ended well or badly; that is what counts
        say(f"the run could not be reported ({type(error).__name__}: {error})")
    say(f"recorded in {path}; read it again with: tokenprof report {path}")

"""Recorded files as samples. Heavy modules load when called, so that the plugin stays light."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tokenprof.gate.sample import RunSample

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions
    from tokenprof.facts.types import Run

AFTER_RUN_ID: Final = "."
"""What stands between a run's id and the rest of a context's name."""


def samples_of_file(path: Path, assumptions: Assumptions, *, hardware: bool = False) -> list[RunSample]:
    """Return the sample of each run that a file holds; a recording can hold several, one after another.

    Raises InputError as `sample_of_file` does.
    """
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.gate.sample import sample_of

    apart = runs_apart(_run_with_turns(path))
    return [sample_of(Analysis(run, assumptions), hardware=hardware) for run in apart]


def runs_apart(run: Run) -> list[Run]:
    """Return the runs of a recording in time order, each with the warnings of the file.

    The contexts of a recorded run begin with its id. If a file says that it holds another number of runs
    than there are ids (a child process belongs to the run of its parent), all turns stay together.
    """
    from tokenprof.reading.recordings import FORMAT
    from tokenprof.reading.tag_filter import subset

    ids = [turn.context.partition(AFTER_RUN_ID)[0] for turn in run.turns]
    apart = list(dict.fromkeys(ids))
    is_recorded = all(source.format == FORMAT for source in run.sources)
    if not is_recorded or len(apart) != sum(source.runs for source in run.sources):
        return [run]
    return [subset(run, [at for at, own in enumerate(ids) if own == run_id]) for run_id in apart]


def _run_with_turns(path: Path) -> Run:
    from tokenprof.facts.errors import InputError
    from tokenprof.reading.files import read

    run = read([path])
    if not run.turns:
        raise InputError(f"{path} holds no billed turn, so there is nothing to check.")
    return run


def sample_of_file(path: Path, assumptions: Assumptions, *, hardware: bool = False) -> RunSample:
    """Return the sample of a recording or transcript; `hardware` also costs its compute (slower).

    Raises InputError for a file that cannot be read or holds no turn, and for prices or a deployment that
    cannot be used.
    """
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.gate.sample import sample_of

    return sample_of(Analysis(_run_with_turns(path), assumptions), hardware=hardware)

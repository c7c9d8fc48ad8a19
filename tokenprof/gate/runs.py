"""Recorded files as samples. Heavy modules load when called, so that the plugin stays light."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tokenprof.gate.sample import RunSample

if TYPE_CHECKING:
    from tokenprof.analysis.assumptions import Assumptions


def sample_of_file(path: Path, assumptions: Assumptions, *, hardware: bool = False) -> RunSample:
    """Return the sample of a recording or transcript; `hardware` also costs its compute (slower).

    Raises InputError for a file that cannot be read or holds no turn, and for prices or a deployment that
    cannot be used.
    """
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.facts.errors import InputError
    from tokenprof.gate.sample import sample_of
    from tokenprof.reading.files import read

    run = read([path])
    if not run.turns:
        raise InputError(f"{path} holds no billed turn, so there is nothing to check.")
    return sample_of(Analysis(run, assumptions), hardware=hardware)

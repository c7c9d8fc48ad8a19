"""The sessions of a folder analysed once more, when it is known how all of them are served.

What a report lists of each turn and block is not kept while a folder is summed, so its logs are
read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.analysis.scenario import serving_of
from tokenprof.costing.compute import Hardware, cost_to_compute
from tokenprof.costing.work import Model
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run
from tokenprof.hw_model.cost import ServingScenario
from tokenprof.reading.files import read, whole_run
from tokenprof.reading.garbage import no_search_for_cycles
from tokenprof.reading.merge import merge
from tokenprof.reading.parallel import read_each
from tokenprof.reading.progress import Watcher, unwatched
from tokenprof.sessions.analyse_folder import Chosen
from tokenprof.sessions.folder_analysis import FolderAnalysis
from tokenprof.sessions.session_sums import Ints

Seen = TypeVar("Seen")


class DeployedAnalysis(Analysis):
    """The analysis of a session on deployments that are known, since they serve other sessions too."""

    def __init__(
        self, run: Run, assumptions: Assumptions, scenarios: Mapping[Model, ServingScenario]
    ) -> None:
        super().__init__(run, assumptions)
        self._scenarios = scenarios

    @cached_property
    def hardware(self) -> Hardware:
        """What each turn, class and block cost to compute on these deployments."""
        return cost_to_compute(self.ledger, serving_of(self.assumptions), scenarios=self._scenarios)


def look_again(
    found: FolderAnalysis,
    see: Callable[[Analysis, Sequence[int]], Seen],
    *,
    jobs: int | None = None,
    watch: Watcher = unwatched,
) -> Iterator[tuple[int, Seen]]:
    """Yield what `see` makes of each session, in any order, with the place of the session among the members.

    `see`, a function of a module, is called with the analysis of a session and the numbers that its turns
    have among all, in time order. Compute is on the deployments that were drawn for the whole folder.
    `jobs` and `watch` are those of `analyse_folder`. Names of contexts are those of the logs, with a
    number after them if a session before it has the same name; such a session comes twice, and the second
    time counts. Raises InputError if a log has changed.
    """
    members = found.members
    starts = np.concatenate([member.starts for member in members]) if members else np.zeros(0)
    numbers = np.empty(len(starts), np.int64)
    numbers[np.argsort(starts, kind="stable")] = np.arange(len(starts))
    ends = np.cumsum([len(member.starts) for member in members])
    chosen = Chosen(found.assumptions, found.tags)
    look = partial(_seen_again, see, chosen, dict(found.scenarios))
    tasks = [
        (member.file, member.format, member.others, numbers[end - len(member.starts) : end], "")
        for member, end in zip(members, ends, strict=True)
    ]
    contexts_of: dict[int, frozenset[str]] = {}
    for place, seen in read_each(tasks, look, jobs, watch):
        if isinstance(seen, InputError):
            raise seen
        made, contexts_of[place] = seen
        yield place, made
    named: set[str] = set()
    for place, contexts in sorted(contexts_of.items()):
        if not named.isdisjoint(contexts):
            made, contexts = look(*tasks[place][:-1], f"#{place + 1}")
            yield place, made
        named |= contexts


def _seen_again(
    see: Callable[[Analysis, Sequence[int]], Seen],
    chosen: Chosen,
    scenarios: Mapping[Model, ServingScenario],
    file: Path,
    form: str,
    others: Sequence[Path],
    numbers: Ints,
    suffix: str,
) -> tuple[Seen, frozenset[str]]:
    """Return what `see` makes of a session, and the names of its contexts, each with `suffix` after it."""
    with no_search_for_cycles():
        run = chosen.turns_of(read([file, *others]) if others else merge([whole_run(file, form)]))
        if len(run.turns) != len(numbers):
            raise InputError(f"{file} changed while the folder was read; run the report again.")
        if suffix:
            run = _with_suffix(run, suffix)
        analysis = DeployedAnalysis(run, chosen.assumptions, scenarios)
        return see(analysis, numbers.tolist()), frozenset(turn.context for turn in run.turns)


def _with_suffix(run: Run, suffix: str) -> Run:
    turns = (
        replace(
            turn,
            context=turn.context + suffix,
            parent=None if turn.parent is None else turn.parent + suffix,
        )
        for turn in run.turns
    )
    return replace(run, turns=tuple(turns))

"""The way in from Python: files of any known format, ready to be analysed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tokenprof.analysis.assumptions import resolve_assumptions
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.types import Run, Source, Turn

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis
    from tokenprof.facts.call_labels import LabelRule

StrPath = str | os.PathLike[str]


@frozen
class LoadedRun:
    """What files hold: the billed turns in time order, where they came from, and what could not be read."""

    run: Run

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The billed turns as they were recorded, in time order."""
        return self.run.turns

    @property
    def sources(self) -> tuple[Source, ...]:
        """The files that were read, with their formats."""
        return self.run.sources

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the readers could not make sense of, a sentence each."""
        return self.run.warnings

    def __len__(self) -> int:
        return len(self.run.turns)

    def analyze(
        self,
        *,
        prices: StrPath | Sequence[StrPath] | None = None,
        deployment: str | None = None,
        usd_per_gpu_hour: float | None = None,
        utilisation: float | None = None,
        seller: str | None = None,
        counts: Mapping[str, int] | None = None,
    ) -> Analysis:
        """Return the analysis of the run.

        Parameters: `prices`, one or more TOML files of your own prices, laid over the list prices;
        `deployment`, the hardware to cost the work on (`deepseek-v3@8xh200`); `usd_per_gpu_hour`, what an
        accelerator-hour costs you, in USD; `utilisation`, the share of paid hours that serve, above 0 and up
        to 1; `seller`, who sold the calls that do not show it (`openrouter`); `counts`, the provider's own
        counts of blocks. What is not given comes from the environment, then from `[tool.tokenprof]` in
        pyproject.toml (docs/prices.md).

        Raises `InputError` for a setting that cannot be used.
        """
        from tokenprof.analysis.analysis import Analysis

        assumptions = resolve_assumptions(
            prices=prices,
            deployment=deployment,
            usd_per_gpu_hour=usd_per_gpu_hour,
            utilisation=utilisation,
            seller=seller,
        )
        return Analysis(self.run, assumptions, counts)


def load(
    source: StrPath | Sequence[StrPath],
    *more: StrPath,
    tags: Sequence[str] = (),
    labels: bool | LabelRule = False,
) -> LoadedRun:
    """Read recordings, transcripts or folders of them, each billed response once.

    Parameters: `source` and `more`, paths of files or folders; `tags`, to keep only turns with these
    `KEY=VALUE` tags; `labels=True`, to name tool calls by file, command, query or host (secrets masked), or
    a rule of your own from tool name and arguments to a label. Returns the run; `.analyze()` prices and
    costs it.

    Raises `InputError` for a file that is missing, empty, malformed or of an unknown format.
    """
    from tokenprof.facts.call_labels import Labeller, labels_read
    from tokenprof.reading.files import read
    from tokenprof.reading.tag_filter import with_tags

    first = [source] if isinstance(source, str | os.PathLike) else list(source)
    labeller = Labeller(rule=None if labels is True else labels) if labels else None
    with labels_read(labeller):
        run = read([Path(path) for path in (*first, *more)])
    return LoadedRun(with_tags(run, list(tags)))

"""`Analysis`: a run and assumptions in, everything derived out, each part computed once when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.facts.errors import InputError
from tokenprof.facts.own_decimals import all_in_own_decimals
from tokenprof.facts.types import Run

if TYPE_CHECKING:
    from tokenprof.analysis.findings.finding import Finding
    from tokenprof.analysis.rows.row_types import (
        BlockRow,
        ClassRow,
        ComputeSummary,
        EntryRow,
        GroupRow,
        Incompleteness,
        RunRows,
        Totals,
        TurnRow,
    )
    from tokenprof.chain.section import ChainSection
    from tokenprof.costing.cache_misses import CacheMiss, CacheOutcome
    from tokenprof.costing.cache_prediction import CachePrediction
    from tokenprof.costing.compute import Hardware
    from tokenprof.costing.disclosure import Disclosure
    from tokenprof.costing.ledger import Ledger
    from tokenprof.hw_model.description import DeploymentDescription
    from tokenprof.pricing.book import PriceBook
    from tokenprof.pricing.price_source import PriceSource
    from tokenprof.whatif.break_even import BreakEven
    from tokenprof.whatif.prediction import Prediction, WhatIf
    from tokenprof.whatif.suggestions import Suggested, Suggestion


def sold_by(seller: str | None, run: Run) -> Run:
    """Return a run whose calls are sold by `seller`, unless they show who sold them; None changes nothing."""
    if seller is None:
        return run
    turns = (turn if turn.seller else replace(turn, seller=seller) for turn in run.turns)
    return replace(run, turns=tuple(turns))


@all_in_own_decimals
class Analysis:
    """What can be said about a run: its bill, its compute, its cache, its chain, its findings.

    Parameters: `run`, what happened; `assumptions`, whose prices and which hardware; `counts`, the
    provider's own counts of blocks (see `tokenprof count`). Nothing is computed before it is asked for, and
    nothing twice.

    `turns`, `blocks`, `classes` and `groups` are tuples of frozen rows (`tokenprof.analysis.rows`); `entries`
    iterates over the pairs of turn and block, which are never held. The tables are also data frames:
    `to_frame("turns")`. `print(analysis)` shows the report; `save("report.json")` writes it.

    Properties raise `InputError` for prices or a deployment that cannot be used.
    """

    def __init__(
        self, run: Run, assumptions: Assumptions | None = None, counts: Mapping[str, int] | None = None
    ) -> None:
        self.assumptions = assumptions or Assumptions()
        self.run = sold_by(self.assumptions.seller, run)
        if self.assumptions.model is not None:
            from tokenprof.analysis.other_model import served_by_model

            self.run = served_by_model(self.run, self.assumptions.model, self.book)
        self._counts = counts

    @cached_property
    def book(self) -> PriceBook:
        """The prices that turns are billed at: list prices, with the user's own laid over them."""
        return price_book(self.assumptions)

    @cached_property
    def prices(self) -> PriceSource:
        """Where the prices come from: the book's name, version and date, and the user's files over it."""
        return self.book.describe()

    @cached_property
    def deployments(self) -> tuple[DeploymentDescription, ...]:
        """The deployments that the run's models were costed on, the most expensive model's first."""
        from tokenprof.analysis.rows.run_rows import deployments

        return deployments(self.ledger, self.hardware)

    @cached_property
    def ledger(self) -> Ledger:
        """Every billed token and dollar on a block."""
        from tokenprof.costing.ledger import build_ledger

        return build_ledger(self.run, self.book, self._counts)

    @cached_property
    def hardware(self) -> Hardware:
        """What each turn, class and block cost to compute."""
        from tokenprof.analysis.scenario import serving_of
        from tokenprof.costing.compute import cost_to_compute

        return cost_to_compute(self.ledger, serving=serving_of(self.assumptions))

    @cached_property
    def cache_outcomes(self) -> tuple[CacheOutcome, ...]:
        """What became of each turn's prompt at the cache: the cause and the size of a miss."""
        from tokenprof.costing.cache_misses import follow_cache

        return tuple(follow_cache(self.ledger))

    @cached_property
    def misses(self) -> tuple[CacheMiss | None, ...]:
        """The cache miss of each turn."""
        from tokenprof.costing.cache_misses import explain_misses

        return tuple(explain_misses(self.ledger, self.cache_outcomes))

    @cached_property
    def predictions(self) -> tuple[CachePrediction | None, ...]:
        """What the published cache rules say about each turn."""
        from tokenprof.costing.cache_prediction import predict_cache

        return tuple(predict_cache(self.ledger, self.cache_outcomes))

    @cached_property
    def disclosure(self) -> Disclosure | None:
        """What loading skills and tools on demand cost, beside having them in every prompt."""
        from tokenprof.costing.disclosure import disclose

        return disclose(self.ledger)

    @cached_property
    def chain(self) -> ChainSection | None:
        """Where the billed dollars go, down to chips; None if no turn is both priced and modelled."""
        from tokenprof.analysis.scenario import choices_of
        from tokenprof.chain.make_section import chain_section
        from tokenprof.pricing.chain.figures import ChainDataError

        try:
            return chain_section(
                self.ledger,
                self.hardware,
                choices=choices_of(self.assumptions),
                without_evidence=self.assumptions.without_evidence,
            )
        except ChainDataError as error:
            raise InputError(str(error)) from None

    @cached_property
    def _what_ifs(self) -> WhatIf:
        from tokenprof.costing.cache_misses import changed_prefixes
        from tokenprof.whatif.prediction import WhatIf

        return WhatIf(
            self.ledger, self.book, self.hardware, missed_tokens=changed_prefixes(self.ledger, self.misses)
        )

    def what_if(self, *levers: str) -> Prediction:
        """Return what the run would have been billed, and cost to compute, with something changed.

        `levers` are texts such as "ttl=1h", "cap=read_file:2000", "model=claude-sonnet-4-6" (docs/what-if.md
        lists them); several are pulled together, in their order.

        Raises `InputError` for a lever that does not exist, or one that leads to a call without a price.
        """
        from tokenprof.whatif.all_levers import parse_levers

        return self._what_ifs.ask(parse_levers(levers))

    def break_even(self, model: str, runs_per_day: Sequence[float] = ()) -> BreakEven:
        """Return when hosting an open model yourself would cost less than buying tokens for such calls.

        `runs_per_day` are the volumes to look at, in runs like the recording.

        Raises `InputError` for a model without public weights, or a run without a priced call.
        """
        from tokenprof.analysis.scenario import serving_of
        from tokenprof.whatif.break_even import break_even

        return break_even(self.ledger, self.book, serving_of(self.assumptions), model, runs_per_day)

    @cached_property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """What to change: the levers that save at least a hundredth of the bill, the best first."""
        from tokenprof.whatif.suggestions import suggest

        return suggest(self._what_ifs).found

    @cached_property
    def first_suggestions(self) -> Suggested:
        """The first three suggestions, as a report shows them; not every lever is tried on a long run."""
        from tokenprof.whatif.suggestions import MOST_REPLAYED_CALLS, SHOWN_FIRST, suggest

        return suggest(self._what_ifs, most=SHOWN_FIRST, most_replayed=MOST_REPLAYED_CALLS)

    @cached_property
    def totals(self) -> Totals:
        """The run as a whole."""
        from tokenprof.analysis.rows.run_rows import totals

        return totals(self.ledger, self.hardware)

    @cached_property
    def incomplete(self) -> tuple[Incompleteness, ...]:
        """Why the bill may be larger than shown, with how many turns each reason is about."""
        from tokenprof.analysis.rows.run_rows import incompleteness

        return incompleteness(self.ledger)

    @property
    def is_complete(self) -> bool:
        """Whether every call that the sources show is counted and priced, and nothing was warned of."""
        return not self.incomplete

    @cached_property
    def classes(self) -> tuple[ClassRow, ...]:
        """The price classes that the run used, in the contract's order."""
        from tokenprof.analysis.rows.run_rows import class_rows

        return class_rows(self.ledger, self.hardware)

    @cached_property
    def turns(self) -> tuple[TurnRow, ...]:
        """The billed responses in time order."""
        from tokenprof.analysis.rows.run_rows import turn_rows

        return turn_rows(self.ledger, self.hardware, self.misses, self.predictions)

    @cached_property
    def blocks(self) -> tuple[BlockRow, ...]:
        """The blocks of the context, in the order in which they came in."""
        from tokenprof.analysis.rows.block_rows import block_rows

        return block_rows(self.ledger, self.hardware)

    @cached_property
    def groups(self) -> tuple[GroupRow, ...]:
        """What each tool, skill, MCP server and agent cost in all."""
        from tokenprof.analysis.rows.group_rows import group_rows

        return group_rows(self.ledger, self.hardware)

    @cached_property
    def compute(self) -> ComputeSummary | None:
        """Ratios, drivers and the implied margin of the most expensive model; None if none is modelled."""
        from tokenprof.analysis.rows.compute_summary import compute_summary

        return compute_summary(self.ledger, self.hardware)

    @cached_property
    def rows(self) -> RunRows:
        """All rows together, as findings and renderers take them."""
        from tokenprof.analysis.rows.row_types import RunRows

        return RunRows(
            self.totals, self.classes, self.turns, self.blocks, self.groups, self.compute, self.ledger
        )

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What stands out, the most severe first."""
        from tokenprof.analysis.findings.find import find

        return find(self.rows, self.disclosure)

    @property
    def entries(self) -> Iterator[EntryRow]:
        """The pairs of turn and block, drawn up a turn at a time."""
        return (entry for turn in self.turns for entry in turn.entries)

    def to_frame(self, table: str, library: str | None = None) -> Any:
        """Return a table as a data frame of pandas, polars or pyarrow, whichever is installed.

        `table` is "turns", "blocks", "classes", "groups", "entries" or "findings". Money becomes a float
        column in USD, an estimate three (`…_low`, `…_mid`, `…_high`). `library` picks one by name.

        Raises `ValueError` for an unknown table or library, `ImportError` if no library is installed.
        """
        from tokenprof.analysis.frames import frame_of

        return frame_of(self, table, library)

    def save(self, path: str | Path, *, with_entries: bool = False) -> Path:
        """Write the report to a file in the format that its suffix names (`.html`, `.json`, `.txt`, …).

        The JSON of a run of more than 500 turns leaves out the entries of its turns unless `with_entries`
        is set: there are as many as turns times blocks.

        Raises `InputError` for another suffix or a file that cannot be written.
        """
        from tokenprof.analysis.renderers import render_to_file

        return render_to_file(self, Path(path), with_entries=with_entries)

    def __str__(self) -> str:
        from tokenprof.analysis.renderers import render_as

        return render_as(self, "text").decode()

    def _repr_html_(self) -> str:
        from html import escape

        from tokenprof.analysis.renderers import render_as

        # The page runs in a frame of its own: its styles and scripts cannot meet the notebook's.
        page = escape(render_as(self, "html").decode(), quote=True)
        return (
            f'<iframe title="tokenprof" sandbox="allow-scripts allow-downloads" srcdoc="{page}" '
            'style="width: 100%; height: 800px; border: 0"></iframe>'
        )

    def __repr__(self) -> str:
        sources = ", ".join(source.file for source in self.run.sources) or "memory"
        return f"<Analysis of {len(self.run.turns)} turns from {sources}>"

"""What a folder of sessions holds, as the rows that a report draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Final, Literal, cast, get_args

import numpy as np

from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.analysis.findings.cache_use import cached_context
from tokenprof.analysis.findings.evidence import Evidence
from tokenprof.analysis.findings.finding import SEVERITIES, Finding
from tokenprof.analysis.findings.finding_figures import LowCacheHitRate, UnplacedTokens
from tokenprof.analysis.findings.price_and_compute import margin_beyond_published, price_far_from_compute
from tokenprof.analysis.rows.compute_summary import compute_summary
from tokenprof.analysis.rows.row_types import (
    BlockRow,
    GroupRow,
    Incompleteness,
    IncompleteReason,
    RunRows,
    Totals,
)
from tokenprof.analysis.rows.run_rows import class_rows, deployments, price_to_cost
from tokenprof.analysis.scenario import choices_of, serving_of
from tokenprof.chain.make_section import chain_section
from tokenprof.chain.section import ChainSection
from tokenprof.costing.work import Model, sum_work
from tokenprof.hw_model.cost import OWNED, ServingScenario
from tokenprof.hw_model.description import DeploymentDescription
from tokenprof.pricing.price_source import PriceSource
from tokenprof.pricing.usage import Usage
from tokenprof.sessions.add_findings import weighed
from tokenprof.sessions.condensed import condense, kv_held
from tokenprof.sessions.folder_sums import FolderSums
from tokenprof.sessions.session_sums import Member
from tokenprof.sessions.tried_changes import LargestSessions

LEAST_RESENT_TOKENS: Final = 10_000
LOW_HIT_RATE: Final = Decimal("0.5")
LEAST_UNPLACED_SHARE: Final = Decimal("0.01")


class FolderAnalysis:
    """Everything that follows from the sums of a folder; computed when it is asked for, and once.

    The sums of `kept_logs` of its logs are those of an earlier report; the others were read.
    """

    def __init__(
        self,
        sums: FolderSums,
        assumptions: Assumptions,
        warnings: Sequence[str],
        largest: LargestSessions | None,
        members: Sequence[Member] = (),
        tags: Sequence[str] = (),
        kept_logs: int = 0,
    ) -> None:
        self.sums = sums
        self.assumptions = assumptions
        self.warnings = tuple(warnings)
        self.largest = largest
        self.members = tuple(members)
        self.tags = tuple(tags)
        self.kept_logs = kept_logs
        self._ledger, self._hardware = condense(sums, serving_of(assumptions))

    @cached_property
    def prices(self) -> PriceSource:
        """Where the prices come from."""
        return price_book(self.assumptions).describe()

    @cached_property
    def deployments(self) -> tuple[DeploymentDescription, ...]:
        """The deployments that the models were costed on, the most expensive model's first."""
        return tuple(dict.fromkeys(deployments(self._ledger, self._hardware)))

    @property
    def scenarios(self) -> Mapping[Model, ServingScenario]:
        """How each model is served, drawn for its turns in all sessions."""
        return self._hardware.scenarios

    @cached_property
    def chain(self) -> ChainSection | None:
        """Where the billed dollars go, down to chips."""
        section = chain_section(
            self._ledger,
            self._hardware,
            choices=choices_of(self.assumptions),
            without_evidence=self.assumptions.without_evidence,
        )
        if section is None:
            return None
        followed = sum(
            found.turns
            for key, found in self.sums.models.items()
            if key.is_priced and key.modelled_as in self._hardware.scenarios
        )
        return replace(section, turns=followed, turns_left_out=self.sums.turns.turns - followed)

    @cached_property
    def incomplete(self) -> tuple[Incompleteness, ...]:
        """Why the bill may be larger than shown."""
        reasons = Counter(self.sums.missing.reasons) + Counter(warned=len(self.warnings))
        listed: tuple[IncompleteReason, ...] = get_args(IncompleteReason)
        return tuple(Incompleteness(reason, reasons[reason]) for reason in listed if reasons[reason])

    @cached_property
    def rows(self) -> RunRows:
        """Totals, classes, blocks and groups; turns are summed, and none is listed."""
        classes = class_rows(self._ledger, self._hardware)
        summary = compute_summary(self._ledger, self._hardware)
        if summary is not None:
            model = next(each for each in self._hardware.scenarios if each[1] == summary.model)
            work = sum_work(self._hardware.turns).by_model.get(model)
            if work is not None and model in self.sums.kv:
                held = kv_held(self.sums.kv[model], self._hardware, model, np.asarray(work))
                summary = replace(summary, kv=held)
        return RunRows(self._totals(), classes, (), self._blocks(), self._groups(), summary, None)

    def _totals(self) -> Totals:
        turns, missing = self.sums.turns, self.sums.missing
        billed_usd = turns.known_usd if turns.billed_turns or not turns.turns else None
        total = self._hardware.total
        hardware_usd = self._hardware.usd(total)
        comparable = billed_usd if not turns.unpriced_turns and not total.missing else None
        usage = Usage()
        for turn in self._ledger.run.turns:
            if turn.usage is not None:
                usage = usage + turn.usage
        return Totals(
            turns=turns.turns,
            usage=usage,
            billed_usd=billed_usd,
            unpriced_turns=turns.unpriced_turns,
            unmeasured_turns=turns.unmeasured_turns,
            partial_turns=missing.partial_turns,
            incomplete_output_turns=missing.reasons.get("output_incomplete", 0),
            hardware_usd=hardware_usd,
            hardware_opportunity_usd=self._hardware.usd(total, "opportunity"),
            hardware_marginal_usd=self._hardware.usd(total, "marginal"),
            hardware_owned_usd=self._hardware.usd(total, OWNED),
            price_to_cost=price_to_cost(comparable, hardware_usd),
            missing_calls=missing.reasons.get("missing", 0),
            incomplete=self.incomplete,
            stated_usd=missing.stated_usd,
        )

    def _blocks(self) -> tuple[BlockRow, ...]:
        return tuple(self.sums.blocks.values())

    def _groups(self) -> tuple[GroupRow, ...]:
        return tuple(
            GroupRow(
                kind=cast("Literal['tool', 'skill', 'mcp_server', 'agent']", kind),
                name=name,
                blocks=(),
                billed_tokens=group.billed_tokens,
                billed_usd=group.known_usd if group.is_complete else None,
                hardware_usd=None,
                block_count=group.blocks,
            )
            for (kind, name), group in self.sums.groups.items()
        )

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What stands out over all sessions, the most severe first."""
        billed_usd = self.rows.totals.billed_usd
        found = weighed(self.sums.findings.values(), billed_usd, self.sums.predicted_turns)
        evidence = Evidence(self.rows, None)
        for look in (cached_context, price_far_from_compute, margin_beyond_published):
            found += look(evidence)
        resent, read = self.sums.resent_tokens, self.sums.reread_tokens
        if resent >= LEAST_RESENT_TOKENS and read < LOW_HIT_RATE * resent:
            found.append(Finding("low-cache-hit-rate", "medium", LowCacheHitRate(resent, read)))
        unplaced, all_tokens = self.sums.unplaced_tokens, self.sums.unplaced_tokens + self.sums.placed_tokens
        if all_tokens and unplaced >= LEAST_UNPLACED_SHARE * all_tokens:
            found.append(Finding("unplaced-tokens", "info", UnplacedTokens(unplaced, all_tokens)))
        return tuple(
            sorted(found, key=lambda each: (SEVERITIES.index(each.severity), -(each.saves_usd or Decimal(0))))
        )

"""Findings about the figures themselves: what could not be measured, priced or placed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from tokenprof.analysis.findings.evidence import Evidence
from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.findings.finding_figures import (
    CacheDifference,
    CacheUnlikeRules,
    IncompleteOutput,
    UnmeasuredTurns,
    UnplacedTokens,
    UnpricedModel,
    UnpricedTurns,
)
from tokenprof.analysis.rows.row_types import TurnRow

_LEAST_UNPLACED_SHARE: Final = Decimal("0.01")


def unmeasured_turns(evidence: Evidence) -> Iterator[Finding]:
    """Find turns without usage."""
    turns = [turn for turn in evidence.rows.turns if not turn.is_measured]
    if turns:
        yield Finding("unmeasured-turns", "high", UnmeasuredTurns(len(turns)), turns=_indices(turns))


def unpriced_turns(evidence: Evidence) -> Iterator[Finding]:
    """Find turns whose price is not known."""
    turns = [turn for turn in evidence.rows.turns if turn.is_unpriced]
    if turns:
        models = dict.fromkeys(
            UnpricedModel(turn.provider, turn.model, turn.unpriced_classes) for turn in turns
        )
        figures = UnpricedTurns(len(turns), tuple(models))
        yield Finding("unpriced-turns", "high", figures, turns=_indices(turns))


def incomplete_output(evidence: Evidence) -> Iterator[Finding]:
    """Find turns whose output was not counted to its end, here or in another turn."""
    turns = [
        turn
        for turn in evidence.rows.turns
        if (turn.status == "partial" or turn.output_incomplete) and not turn.output_rest_in
    ]
    if turns:
        yield Finding("output-incomplete", "medium", IncompleteOutput(len(turns)), turns=_indices(turns))


def cache_unlike_rules(evidence: Evidence) -> Iterator[Finding]:
    """Find turns whose bill divides the prompt in another way than the published cache rules do."""
    compared = 0
    differing: dict[CacheDifference, list[tuple[TurnRow, int]]] = {
        "read-less": [],
        "read-more": [],
        "written-otherwise": [],
    }
    for turn in evidence.rows.turns:
        if turn.cache_prediction is None or turn.usage is None:
            continue
        compared += 1
        if not turn.cache_prediction.agrees:
            beyond = turn.usage.cache_read_tokens - turn.cache_prediction.cache_read_tokens
            differing[_difference(beyond)].append((turn, beyond))
    for difference, found in differing.items():
        if found:
            figures = CacheUnlikeRules(
                difference=difference,
                turns=len(found),
                turns_compared=compared,
                tokens=abs(sum(beyond for _, beyond in found)),
            )
            turns = _indices([turn for turn, _ in found])
            yield Finding(f"cache-{difference}", "info", figures, turns=turns)


def _difference(read_beyond_rules_tokens: int) -> CacheDifference:
    if read_beyond_rules_tokens == 0:
        return "written-otherwise"
    return "read-less" if read_beyond_rules_tokens < 0 else "read-more"


def unplaced_tokens(evidence: Evidence) -> Iterator[Finding]:
    """Find billed tokens that no recorded block accounts for."""
    blocks = [block for block in evidence.rows.blocks if block.kind == "unattributed"]
    unplaced = sum(block.billed_tokens or 0 for block in blocks)
    billed = sum(block.billed_tokens or 0 for block in evidence.rows.blocks)
    if billed and unplaced >= _LEAST_UNPLACED_SHARE * billed:
        ids = tuple(block.id for block in blocks)
        yield Finding("unplaced-tokens", "info", UnplacedTokens(unplaced, billed), blocks=ids)


def _indices(turns: Sequence[TurnRow]) -> tuple[int, ...]:
    return tuple(turn.index for turn in turns)

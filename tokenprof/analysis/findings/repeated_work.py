"""Findings about work done again: results whose text was in the context already, and calls made again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from tokenprof.analysis.findings.evidence import Evidence, billed_together
from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.findings.finding_figures import CalledAgain, RepeatedCalls, RepeatedResults
from tokenprof.analysis.findings.repeats import RepeatedWork, what_is_asked


def repeated_results(evidence: Evidence) -> Iterator[Finding]:
    """Find results whose text was in the context already; what they and their calls were billed is saved."""
    found = [work for work in evidence.repeated if work.unchanged]
    if found:
        blocks = [block for work in found for block in work.blocks]
        results = [work.result for work in found]
        figures = RepeatedResults(len(found), _by_call(evidence, found), billed_together(blocks))
        yield evidence.needless(
            "repeated-results", figures, blocks, evidence.turns_of(results), figures.billed_usd
        )


def repeated_calls(evidence: Evidence) -> Iterator[Finding]:
    """Find calls with arguments that were tried before and that had another result this time."""
    found = [work for work in evidence.repeated if not work.unchanged]
    if found:
        blocks = [block for work in found for block in work.blocks]
        figures = RepeatedCalls(
            len(found),
            _by_call(evidence, found),
            billed_together(blocks),
            any(block.state != "exact" for block in blocks),
        )
        turns = evidence.turns_of([work.result for work in found])
        yield Finding("repeated-calls", "info", figures, tuple(block.id for block in blocks), turns)


def _by_call(evidence: Evidence, found: Sequence[RepeatedWork]) -> tuple[CalledAgain, ...]:
    """Return the repetitions of each call together, the most expensive call first."""
    alike: dict[tuple[str, str], list[RepeatedWork]] = defaultdict(list)
    for work in found:
        alike[what_is_asked(work.result, work.call)].append(work)
    calls = evidence.calls_alike
    rows = [
        CalledAgain(
            tool=own[0].result.name,
            label=own[0].result.label,
            calls=max(calls.get(key, 0), len(own) + 1),
            unchanged=sum(work.unchanged for work in own),
            billed_usd=billed_together([block for work in own for block in work.blocks]),
        )
        for key, own in alike.items()
    ]
    return tuple(sorted(rows, key=lambda row: row.billed_usd or Decimal(0), reverse=True))

"""Findings as they are kept: the figures packed with the name of their type, since a file has one type."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, get_args

import msgspec

from tokenprof.analysis.findings.finding import Finding, Severity
from tokenprof.analysis.findings.finding_figures import FindingFigures
from tokenprof.analysis.rows.row_types import SizeState
from tokenprof.data_classes.frozen import frozen

FIGURES: Final = {kind.__name__: kind for kind in get_args(FindingFigures)}


@frozen
class PackedFinding:
    """A finding about a session as a whole, without the ids of blocks and the numbers of turns."""

    code: str
    severity: Severity
    kind: str
    figures: bytes
    saves_usd: Decimal | None
    state: SizeState | None


def packed(finding: Finding) -> PackedFinding:
    """Return a finding without ids and numbers, which mean nothing beside those of other sessions."""
    return PackedFinding(
        code=finding.code,
        severity=finding.severity,
        kind=type(finding.figures).__name__,
        figures=msgspec.msgpack.encode(finding.figures),
        saves_usd=finding.saves_usd,
        state=finding.state,
    )


def unpacked(kept: PackedFinding) -> Finding:
    """Return a finding again."""
    figures: FindingFigures = msgspec.msgpack.decode(kept.figures, type=FIGURES[kept.kind])
    return Finding(kept.code, kept.severity, figures, saves_usd=kept.saves_usd, state=kept.state)

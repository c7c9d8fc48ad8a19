"""A finding as a report shows it: a title, one or two sentences, and the figures in them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tokenprof.analysis.findings.finding import Severity
from tokenprof.analysis.findings.finding_figures import FindingFigures
from tokenprof.analysis.rows.row_types import SizeState
from tokenprof.data_classes.frozen import frozen


@frozen
class WrittenFinding:
    """A finding in words. `saves_usd` was billed needlessly; `state` says how well that is known.

    `figures` are the finding's own; a report that was read from JSON holds them as they stood there.
    """

    code: str
    severity: Severity
    title: str
    blocks: tuple[str, ...]
    turns: tuple[int, ...]
    saves_usd: Decimal | None
    detail: str
    state: SizeState | None
    figures: FindingFigures | Any = None

"""What a finding is: a code, its severity, what it is about, and its figures. Renderers hold the words."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

from tokenprof.analysis.findings.finding_figures import FindingFigures
from tokenprof.analysis.rows.row_types import SizeState
from tokenprof.data_classes.frozen import frozen

Severity = Literal["high", "medium", "low", "info"]

SEVERITIES: Final[tuple[Severity, ...]] = ("high", "medium", "low", "info")
"""By the share of the bill: from a tenth, from a fiftieth, below. `info` is a fact, not a fault."""


@frozen
class Finding:
    """Something that stands out in a run.

    `figures` is the frozen dataclass of the finding's kind (see `finding_figures`); its type
    decides which sentence a renderer writes. `blocks` are block ids, `turns` turn indices. `saves_usd` was
    billed and would not have been without the cause; None if that cannot be said. `state` says whether it
    rests on sizes that the bill pins.
    """

    code: str
    severity: Severity
    figures: FindingFigures
    blocks: tuple[str, ...] = ()
    turns: tuple[int, ...] = ()
    saves_usd: Decimal | None = None
    state: SizeState | None = None

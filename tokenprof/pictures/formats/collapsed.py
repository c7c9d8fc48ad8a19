"""The run as collapsed stacks, for flame-graph tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenprof.analysis.analysis import Analysis

SUFFIX = ".folded"


def render_analysis(analysis: Analysis) -> bytes:
    """Return the run in this format."""
    from tokenprof.pictures.exchange.collapsed_stacks import collapsed_stacks
    from tokenprof.pictures.views.spending_tree import spending_tree

    return collapsed_stacks(spending_tree(analysis)).encode()

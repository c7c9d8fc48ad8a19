"""Figures of sessions add up field by field, and no figure is left behind."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.findings.finding_figures import (
    BilledName,
    CalledAgain,
    FindingFigures,
    LoadsOnDemand,
    RepeatedResults,
    SkillsIndexUnused,
    ToolsNeverCalled,
)
from tokenprof.facts.adding import Adds, added
from tokenprof.sessions.add_findings import add_two, sort_of
from tokenprof.sessions.packed_findings import packed, unpacked
from tokenprof.sessions.session_sums import GroupSum, KvSums, ModelSum, SliceSum

OF_A_WHOLE_RUN = {"PriceFarFromCompute", "MarginBeyondPublished"}
"""Figures of a bill beside its compute, which a folder works out from its own sums."""


def test_every_number_of_every_figure_says_how_it_adds() -> None:
    for kind in [*get_args(FindingFigures), CalledAgain, BilledName, GroupSum, SliceSum, ModelSum, KvSums]:
        hints: dict[str, Any] = get_type_hints(kind, include_extras=True)
        for field in fields(kind):
            hint = hints[field.name]
            bare = get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
            is_number = bool({int, float, Decimal, bool} & {bare, *get_args(bare)})
            says = any(isinstance(each, Adds) for each in getattr(hint, "__metadata__", ()))
            assert says or not is_number or kind.__name__ in OF_A_WHOLE_RUN, (kind.__name__, field.name)


def test_repeated_results_of_two_sessions_are_counted_together() -> None:
    one = RepeatedResults(2, (CalledAgain("Read", None, 3, 2, Decimal("0.5")),), Decimal("0.5"))
    other = RepeatedResults(
        5,
        (CalledAgain("Grep", None, 2, 1, Decimal(2)), CalledAgain("Read", None, 4, 4, None)),
        Decimal(2),
    )
    assert added(one, other) == RepeatedResults(
        7,
        (CalledAgain("Grep", None, 2, 1, Decimal(2)), CalledAgain("Read", None, 7, 6, Decimal("0.5"))),
        Decimal("2.5"),
    )


def test_what_says_nothing_about_several_sessions_is_unknown() -> None:
    one = LoadsOnDemand(1, 2, Decimal(3), 10, Decimal(4), 5, 7, Decimal(9), 6.5)
    both = added(one, one)
    assert both == LoadsOnDemand(2, 4, Decimal(6), 20, Decimal(8), 10, 7, None, None)


def test_two_kinds_cannot_be_added() -> None:
    mixed: list[Any] = [SkillsIndexUnused(1, None), ToolsNeverCalled(())]
    with pytest.raises(TypeError, match="SkillsIndexUnused and a ToolsNeverCalled cannot be added"):
        added(*mixed)


names = st.builds(
    BilledName, st.sampled_from("abc"), st.none() | st.decimals(0, 9, places=4, allow_nan=False)
)
tools = st.builds(ToolsNeverCalled, st.lists(names, max_size=4, unique_by=lambda each: each.name).map(tuple))


@given(tools, tools, tools)
def test_the_order_of_sessions_does_not_matter(
    one: ToolsNeverCalled, two: ToolsNeverCalled, three: ToolsNeverCalled
) -> None:
    left, right = added(added(one, two), three), added(one, added(two, three))
    assert set(left.tools) == set(right.tools) == set(added(three, added(two, one)).tools)


def test_figures_are_the_same_after_they_were_kept() -> None:
    figures = RepeatedResults(2, (CalledAgain("Read", None, 3, 2, Decimal("0.5")),), Decimal("0.5"))
    finding = Finding("repeated-results", "low", figures, saves_usd=Decimal("0.5"), state="exact")
    assert unpacked(packed(finding)) == finding
    assert sort_of(finding) == sort_of(add_two(finding, finding))

"""Figures of sessions add up field by field, and no figure is left behind."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args, get_type_hints

import numpy as np
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
from tokenprof.analysis.rows.row_types import BlockRow
from tokenprof.facts.adding import Adds, added, adding_fields
from tokenprof.facts.types import Problem
from tokenprof.sessions.add_findings import add_two, sort_of
from tokenprof.sessions.folder_sums import FolderSums
from tokenprof.sessions.packed_findings import packed, unpacked
from tokenprof.sessions.session_sums import (
    GroupSum,
    KvSums,
    MissingSums,
    ModelSum,
    SessionSums,
    SliceSum,
)

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


OF_ONE_SESSION = {"session", "identities", "calls", "starts"}
"""What names a session, and by what its responses are known again; a folder keeps it elsewhere."""


def test_every_field_of_a_session_is_added_to_a_folder() -> None:
    in_session = {field.name for field in fields(SessionSums)}
    in_folder = {field.name for field in fields(FolderSums)}
    assert in_session - OF_ONE_SESSION == adding_fields(FolderSums) - {"sessions", "logs"}
    assert in_folder - adding_fields(FolderSums) == {"most_expensive"}
    assert adding_fields(MissingSums) == {field.name for field in fields(MissingSums)}


def problem(second: int, calls: int) -> Problem:
    return Problem("unreadable", datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC), calls, client="openai")


def test_every_reason_why_a_bill_may_be_larger_is_added() -> None:
    one = MissingSums(
        {"missing": 1}, 2, {"no price": 3}, 4, {"web_search": 5}, 6, (np.array([7]),), (np.array([8]),),
        Decimal("0.9"), None, 10, Decimal(11), Decimal(12), (problem(1, 13),), ("14",), 15,
    )  # fmt: skip
    other = MissingSums(
        {"missing": 1, "warned": 1}, 1, {"other": 1}, 1, {}, 1, (np.array([1]),), (np.array([2]),),
        Decimal("0.1"), Decimal(1), 1, Decimal(1), Decimal(1), (problem(2, 1),), ("15",), 1,
    )  # fmt: skip
    assert asdict(added(one, other)) == {
        "reasons": {"missing": 2, "warned": 1},
        "partial_turns": 3,
        "unpriced": {"no price": 3, "other": 1},
        "unmeasured_without_notes": 5,
        "fees_without_price": {"web_search": 5},
        "incomplete_ok_turns": 7,
        "counted_tokens": (7, 1),
        "repeated_tokens": (8, 2),
        "uncounted_usd": Decimal("1.0"),
        "stated_usd": Decimal(1),
        "stated_turns": 11,
        "stated_otherwise_usd": Decimal(12),
        "stated_at_list_usd": Decimal(13),
        "problems": ({**asdict(problem(0, 14)), "at": datetime(1970, 1, 1, tzinfo=UTC)},),
        "warnings": ("14", "15"),
        "notes": 16,
    }
    assert added(one, replace(other, uncounted_usd=None)).uncounted_usd is None


ADDED_OF_A_BLOCK = {"billed_tokens", "billed_usd", "at_least_usd", "turns_carried", "state"}
OF_ONE_PLACE = {"born_turn", "last_turn", "hardware_usd", "children", "uses", "replaces"}
OF_THE_FIRST = {
    *("id", "kind", "name", "digest", "context", "section", "evicted_by", "tokens", "tokens_low"),
    *("tokens_high", "link", "content_digest", "label", "exact_group"),
}


def test_every_field_of_a_block_is_added_or_is_that_of_one_place() -> None:
    """Fails for a new field until somebody has said what becomes of it when two blocks are added."""
    assert {field.name for field in fields(BlockRow)} == ADDED_OF_A_BLOCK | OF_ONE_PLACE | OF_THE_FIRST


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

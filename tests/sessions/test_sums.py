"""Parts of the sums of sessions, with values worked by hand."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.findings.finding_figures import (
    BilledName,
    CacheMisses,
    CarriedBlock,
    NamedBlock,
    ToolsNeverCalled,
)
from tokenprof.analysis.rows.row_types import BlockRow
from tokenprof.hw_model.equations.rates import Feature
from tokenprof.pricing.usage import Usage
from tokenprof.report.finding_wording import written
from tokenprof.sessions.add_findings import add_two, sort_of, weighed
from tokenprof.sessions.block_sums import KEPT_BLOCKS, kept_blocks
from tokenprof.sessions.same_responses import SeenResponses
from tokenprof.sessions.turn_sums import features_of


def test_the_prefill_of_a_class_is_its_tokens_and_their_pairs_with_what_is_before() -> None:
    # 10 tokens are read, then 4 written and 2 fresh: 6 new ones, 18 pairs, of which the first 4 make 8.
    usage = Usage(
        cache_read_tokens=10,
        cache_write_5m_tokens=4,
        uncached_input_tokens=2,
        output_tokens=3,
        reasoning_tokens=1,
    )
    total, by_class = features_of([usage])
    assert by_class["cache_read"][Feature.READ_PAIRS] == 60
    assert by_class["cache_read"][Feature.READ_TOKENS] == 10
    assert by_class["cache_write_5m"][Feature.PREFILL_PAIRS] == 8
    assert by_class["uncached_input"][Feature.PREFILL_PAIRS] == 10
    assert total[Feature.PREFILL_TOKENS] == 6
    assert total[Feature.PREFILL_PAIRS] == 18
    # 4 tokens are written after 16, and read 0 + 1 + 2 + 3 of their own, as 4 * 4 / 2.
    assert total[Feature.DECODE_CONTEXT] == 4 * 16 + 8
    assert by_class["output"][Feature.DECODE_CONTEXT] == 3 / 4 * 72
    assert by_class["reasoning"][Feature.DECODE_TOKENS] == 1


def seen(*sessions: tuple[str, list[int], list[int], list[float]]) -> list[list[int]]:
    found = SeenResponses()
    for number, (form, identities, calls, starts) in enumerate(sessions):
        found.add(
            number,
            form,
            np.array(identities, np.uint64),
            np.array(calls, np.uint64),
            np.array(starts, np.float64),
        )
    return found.together()


def test_sessions_with_a_response_in_common_are_read_together() -> None:
    at = [0.0, 1.0]
    assert seen(("a", [1, 2], [0, 0], at), ("a", [3, 4], [0, 0], at)) == []
    assert seen(("a", [1, 2], [0, 0], at), ("a", [3, 4], [0, 0], at), ("a", [5, 2], [0, 0], at)) == [[0, 2]]
    # The second shares with the first, and the third with the second.
    assert seen(("a", [1], [0], [0.0]), ("a", [1, 2], [0, 0], at), ("a", [2], [0], [0.0])) == [[0, 1, 2]]


def test_calls_of_two_formats_are_compared_if_they_lie_close_together() -> None:
    assert seen(("a", [1], [7], [0.0]), ("a", [2], [7], [0.0])) == []
    assert seen(("a", [1], [7], [0.0]), ("b", [2], [7], [100.0])) == [[0, 1]]
    assert seen(("a", [1], [7], [0.0]), ("b", [2], [7], [90_000.0])) == []


def test_findings_of_one_sort_are_added_and_weighed() -> None:
    def missed(usd: str, turns: int) -> Finding:
        figures = CacheMisses("changed", turns, 100 * turns, (), Decimal(usd), False)
        return Finding("cache-miss-changed", "high", figures, saves_usd=Decimal(usd), state="exact")

    assert sort_of(missed("1", 1)) == sort_of(missed("2", 5))
    both = add_two(missed("1.50", 1), missed("0.25", 2))
    assert both.saves_usd == Decimal("1.75")
    assert written(both).detail.startswith("3 turns: 300 tokens were billed again, which cost $1.75 more")
    [found] = weighed([both], Decimal(1000), 0)
    assert found.severity == "low"


def test_tools_of_one_name_are_added() -> None:
    def idle(usd: str, name: str) -> Finding:
        figures = ToolsNeverCalled((BilledName(name, Decimal(usd)),))
        return Finding("tools-never-called", "low", figures, saves_usd=Decimal(usd), state="estimated")

    both = add_two(add_two(idle("1", "a"), idle("2", "b")), idle("4", "a"))
    assert both.figures == ToolsNeverCalled((BilledName("a", Decimal(5)), BilledName("b", Decimal(2))))
    assert both.saves_usd == Decimal(7)


def test_a_block_that_is_large_in_one_session_alone_is_left_out_of_a_folder() -> None:
    figures = CarriedBlock(NamedBlock("system", "s"), Decimal(10), Decimal(1), Decimal(9), 5, False)
    found = Finding("carried-block", "info", figures)
    assert weighed([found], Decimal(50), 0) == [found]
    assert weighed([found], Decimal(500), 0) == []


def block(number: int, kind: str = "tool_result", text: str | None = None) -> BlockRow:
    return BlockRow(
        id=str(number), kind=kind, name="Read", digest=text or str(number), context="c", section=None,
        born_turn=0, last_turn=0, evicted_by=None, tokens=10, tokens_low=10, tokens_high=10, state="exact",
        billed_tokens=10, billed_usd=Decimal(number), hardware_usd=None, replaces=None, turns_carried=1,
    )  # type: ignore[arg-type]  # fmt: skip


def test_the_most_expensive_blocks_are_kept_and_the_others_counted() -> None:
    own = [block(number) for number in range(1, KEPT_BLOCKS + 3)]
    kept, others, others_usd = kept_blocks([*own, block(0, "system", "prompt"), block(5, text="3")])
    assert len(kept) == KEPT_BLOCKS + 1
    # The two cheapest of a session's own are left out; the text of 3 stands twice and is billed 8.
    assert (others, others_usd) == (2, Decimal(3))
    assert sum(each.billed_usd or 0 for each in kept) + others_usd == sum(range(1, KEPT_BLOCKS + 3)) + 5
    assert [each.billed_usd for each in kept if each.digest == "3"] == [Decimal(8)]

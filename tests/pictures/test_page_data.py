"""What a page draws adds up to the bill, and stays small."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hostile_page import hostile_run
from long_runs import TOKENS, long_run

from tokenprof.analysis.analysis import Analysis
from tokenprof.facts.types import Run
from tokenprof.pictures.page.page_json import page_json
from tokenprof.pictures.views.cache_events import cache_events
from tokenprof.pictures.views.context_bands import context_over_turns
from tokenprof.pictures.views.page_data import page_data
from tokenprof.pictures.views.prompt_rows import listed_rows, prompt_rows
from tokenprof.pictures.views.spending_tree import spending_tree
from tokenprof.pictures.views.turn_columns import FRESH, READ, WRITTEN
from tokenprof.pictures.views.what_if_cube import GPU_HOUR_USD, OWN_DEPLOYMENT, what_if_cube
from tokenprof.pricing.usage import Usage


@pytest.fixture(scope="module", params=["demo", "long", "hostile"])
def analysis(request: pytest.FixtureRequest, demo: Analysis) -> Analysis:
    made = {"long": lambda: Analysis(long_run(40)), "hostile": lambda: Analysis(hostile_run())}
    return demo if request.param == "demo" else made[request.param]()


def test_bands_add_up_to_every_prompt(analysis: Analysis) -> None:
    context = context_over_turns(analysis.ledger)
    for bands in (context.kind, context.tool, context.block):
        for turn in analysis.turns:
            assert turn.usage is not None
            by_state = [sum(band[turn.index] for band in state) for state in bands.tokens]
            assert by_state[READ] == turn.usage.cache_read_tokens
            assert by_state[FRESH] == turn.usage.uncached_input_tokens
            assert sum(by_state) == turn.usage.input_tokens


def test_a_band_by_hand() -> None:
    context = context_over_turns(Analysis(long_run(3)).ledger)
    assert context.kind.names == ("user",)
    assert context.kind.tokens[READ] == ((0, TOKENS, 2 * TOKENS),)
    assert context.kind.tokens[WRITTEN] == ((TOKENS, TOKENS, TOKENS),)


def test_prompts_can_be_rebuilt_from_rows(analysis: Analysis) -> None:
    rows = prompt_rows(analysis.ledger)
    for turn in analysis.turns:
        row = rows.rows[rows.row[turn.index]]
        tokens = sum(row.tokens[: rows.length[turn.index]])
        if turn.index in rows.beside:
            tokens += sum(rows.beside[turn.index].tokens)
        assert tokens == turn.context_tokens


@pytest.mark.parametrize(("listed", "most"), [(0, 60_000), (3, 60_000), (1_000, 60_000), (1_000, 5)])
def test_prompts_stay_whole_however_few_blocks_are_listed(analysis: Analysis, listed: int, most: int) -> None:
    number_of = {block.id: at for at, block in enumerate(analysis.blocks[:listed])}
    rows = listed_rows(prompt_rows(analysis.ledger), number_of, most)
    for turn in analysis.turns:
        row = rows.rows[rows.row[turn.index]]
        tokens = sum(row.tokens[: rows.length[turn.index]])
        if turn.index in rows.beside:
            tokens += sum(rows.beside[turn.index].tokens)
        assert tokens == turn.context_tokens
    entries = sum(len(row.block) for row in rows.rows)
    assert entries <= max(most, len(analysis.turns))
    assert {number for row in rows.rows for number in row.block} <= set(range(-1, listed))


def test_what_is_not_listed_is_folded_by_hand() -> None:
    analysis = Analysis(long_run(4))
    third = [block for block in analysis.blocks if block.kind == "user"][2]
    rows = listed_rows(prompt_rows(analysis.ledger), {third.id: 0})
    # Turns end after one block, two, three and four; the third is the only one that is listed.
    assert rows.rows[0].block == (-1, -1, 0, -1)
    assert rows.length == (1, 2, 3, 4)
    whole = listed_rows(prompt_rows(Analysis(long_run(1)).ledger), {})
    assert (whole.rows[0].block, whole.rows[0].tokens, whole.length) == ((-1,), (TOKENS,), (1,))


def test_tools_beyond_a_number_are_one_group_of_their_agent(demo: Analysis) -> None:
    tree = spending_tree(demo, most_groups=2)
    groups = [name for name, parent in zip(tree.name, tree.parent, strict=True) if parent == 1]
    assert groups == ["system", "everything else", "skills index"]
    assert spending_tree(demo, most_groups=0).name[1] == "other agents"


@pytest.mark.parametrize(("most_leaves", "most_groups"), [(1, 300), (5, 2), (3000, 300), (3000, 0)])
def test_every_level_of_the_tree_adds_up_to_the_bill(
    analysis: Analysis, most_leaves: int, most_groups: int
) -> None:
    tree = spending_tree(analysis, most_leaves, most_groups)
    assert tree.billed_usd[0] == analysis.totals.billed_usd
    below = [Decimal(0)] * len(tree.parent)
    tokens = [0] * len(tree.parent)
    for at, parent in enumerate(tree.parent):
        if parent >= 0:
            below[parent] += tree.billed_usd[at]
            tokens[parent] += tree.tokens[at]
    for at in range(len(tree.parent)):
        if tokens[at]:
            assert (below[at], tokens[at]) == (tree.billed_usd[at], tree.tokens[at])


def test_first_uses_do_not_count_as_misses(demo: Analysis) -> None:
    assert cache_events(demo).misses == ()


def test_waits_lie_between_the_calls_of_a_context() -> None:
    waits = cache_events(Analysis(long_run(3))).waits
    assert [(wait.turn, wait.next_turn, wait.held_tokens) for wait in waits] == [(0, 1, 100), (1, 2, 200)]
    assert [wait.ttl_s for wait in waits] == [300.0, 300.0]


def test_a_cell_of_the_cube_is_the_engines_prediction(demo: Analysis) -> None:
    cube = page_data(demo).what_if
    assert cube.cells[0].after_usd == demo.totals.billed_usd
    for cell in cube.cells[1:6]:
        assert cell.after_usd == demo.what_if(*cell.levers).after_usd


@pytest.mark.parametrize("at", [0, 3, 5])
def test_own_hardware_is_what_the_engine_predicts_at_that_price(demo: Analysis, at: int) -> None:
    own = what_if_cube(demo).own
    assert own is not None
    asked = demo.what_if(f"hardware={OWN_DEPLOYMENT}:{GPU_HOUR_USD[at]}").compute_after_usd
    assert asked is not None
    assert (own.low_usd[at], own.mid_usd[at], own.high_usd[at]) == pytest.approx(
        (asked.low, asked.mid, asked.high), rel=1e-9
    )


def test_a_longer_run_has_each_lever_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenprof.pictures.views.what_if_cube.MOST_CALLS_COMBINED", 3)
    cube = what_if_cube(Analysis(long_run(4)))
    assert max(sum(place > 0 for place in cell.at) for cell in cube.cells) == 1
    assert cube.left_out == "The run is long, so each lever is predicted alone."


def test_a_very_long_run_says_why_it_has_no_cube(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenprof.pictures.views.what_if_cube.MOST_CALLS", 3)
    cube = what_if_cube(Analysis(long_run(4)))
    assert cube.cells == ()
    assert "tokenprof whatif RUN --if ttl=1h" in cube.left_out


def test_two_hundred_turns_fit_into_two_megabytes() -> None:
    assert len(page_json(page_data(Analysis(long_run(200))))) < 200_000


def test_json_cannot_end_an_element_and_holds_neither_nan_nor_infinity() -> None:
    written = page_json({"</script>": [float("nan"), float("inf"), Decimal("0.10"), 3.0, "a\u202eb & <!--"]})
    assert written == (b'{"\\u003c/script\\u003e":[null,null,0.1,3,"a\\u202eb \\u0026 \\u003c!--"]}')


def test_names_of_ten_megabytes_are_cut() -> None:
    assert len(page_json(page_data(Analysis(hostile_run())))) < 200_000


def test_another_model_is_served_alike_whichever_prediction_is_asked_first() -> None:
    model, cap = "model=claude-haiku-4-5", "cap=*:50"
    first, second = Analysis(hostile_run()), Analysis(hostile_run())
    combined = first.what_if(model, cap)
    alone = second.what_if(model)
    assert second.what_if(model, cap).compute_after_usd == combined.compute_after_usd
    assert first.what_if(model).compute_after_usd == alone.compute_after_usd
    assert combined.compute_after_usd != alone.compute_after_usd


def test_prompts_too_long_for_own_hardware_are_named_and_the_page_is_written() -> None:
    turn = replace(
        long_run(1).turns[0], usage=Usage(cache_write_5m_tokens=15_000_000, output_tokens=7), breakpoints=()
    )
    cube = what_if_cube(Analysis(Run((turn,))))
    assert cube.own is None
    assert cube.left_out.startswith("Hardware of your own cannot serve this run: DeepSeek-V3 on 8 H200 has ")

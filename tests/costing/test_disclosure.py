"""Disclosure priced: what is worked out for another way of loading, against a run that loads that way."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import pytest

import tokenprof
from tokenprof.commands import demo_agent as demo
from tokenprof.costing.disclosure import Disclosure, disclose
from tokenprof.costing.ledger import Ledger, build_ledger
from tokenprof.costing.on_demand_loads import loads_of
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider, Overheads, Reply, texts

BOOK = default_book()
OVERHEADS = Overheads(tools_preamble=346, per_message=4, per_tool_use=20, per_tool_result=10, prompt_end=3)
SEARCHES = [Reply.calls(("search_emails", {"query": f"invoice {n}"}), text="I will look.") for n in range(6)]
LOAD = Reply.calls(("read_skill", {"name": "triage-inbox"}), text="This calls for a skill.")


def record(path: Path, replies: list[Reply], system: list[dict[str, Any]]) -> Ledger:
    with (
        LoopbackProvider([*replies, Reply.text("Done.")], overheads=OVERHEADS) as provider,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="x", base_url=provider.url) as client,
    ):
        demo.run_agent(client, "Which are unpaid?", tools=demo.tool_schemas(), system=system)
    return build_ledger(read([path]), BOOK)


def disclosed(ledger: Ledger) -> Disclosure:
    found = disclose(ledger)
    assert found is not None
    return found


@pytest.fixture
def on_demand(tmp_path: Path) -> Ledger:
    return record(tmp_path / "lean.jsonl", [*SEARCHES[:3], LOAD, *SEARCHES[3:]], demo.system_prompt())


def test_a_load_is_seen_with_who_asked_and_what_only_served_the_asking(on_demand: Ledger) -> None:
    (load,) = loads_of(on_demand)
    kinds = sorted(on_demand.attribution.blocks[block].block.kind for block in load.exchange)
    assert (load.kind, load.name, load.asked_in, load.turn) == ("skill", "triage-inbox", 3, 4)
    assert load.is_extra_turn
    assert kinds == ["output", "tool_call"]


def test_up_front_is_what_a_run_with_the_skill_in_its_prompt_is_billed(
    on_demand: Ledger, tmp_path: Path
) -> None:
    body = {"type": "text", "text": demo.call_tool("read_skill", {"name": "triage-inbox"})}
    instructions, index = demo.system_prompt()
    truth = record(tmp_path / "heavy.jsonl", SEARCHES, [instructions, body, index])
    billed = sum((usd for usd in truth.billed_usd if usd is not None), Decimal(0))
    found = disclosed(on_demand).loaded_up_front
    assert found.turns == len(truth.run.turns)
    assert float(found.billed_usd) == pytest.approx(float(billed), rel=0.01)
    sent = sum(turn.usage.input_tokens for turn in truth.run.turns if turn.usage is not None)
    assert found.input_tokens == pytest.approx(sent, rel=0.01)


def test_everything_up_front_is_dear_and_pays_only_from_many_loads_on(on_demand: Ledger) -> None:
    found = disclosed(on_demand)
    assert (found.loads, found.load_turns, found.items) == (1, 1, demo.SKILLS)
    assert found.all_up_front is not None
    assert found.break_even_loads is not None
    assert found.loaded_up_front.billed_usd < found.recorded.billed_usd < found.all_up_front.billed_usd
    assert 1 < found.break_even_loads < demo.SKILLS * 3


def test_tools_on_demand_cost_a_turn_at_the_first_call_and_nothing_before(on_demand: Ledger) -> None:
    found = disclosed(on_demand)
    # search_emails is called in the first turn; send_email never; read_skill is what loads.
    assert found.on_demand.turns == found.recorded.turns + 1
    schemas = {
        placed.block.name: placed
        for placed in on_demand.attribution.blocks.values()
        if placed.block.kind == "tool"
    }
    saved = schemas["send_email"].size.tokens * len(on_demand.run.turns)
    first = on_demand.run.turns[0].usage
    assert first is not None
    extra_prompt = first.input_tokens - schemas["send_email"].size.tokens
    ridden = found.on_demand.input_tokens - found.recorded.input_tokens + saved - extra_prompt
    assert 0 < ridden < 100 * len(on_demand.run.turns)


def test_without_a_load_the_size_of_the_indexed_is_not_known(tmp_path: Path) -> None:
    found = disclosed(record(tmp_path / "none.jsonl", SEARCHES, demo.system_prompt()))
    assert (found.loads, found.all_up_front, found.break_even_loads) == (0, None, None)
    assert found.loaded_up_front == found.recorded
    assert any("not known" in note for note in found.assumptions)


def test_an_agent_with_nothing_to_load_has_nothing_to_disclose(tmp_path: Path) -> None:
    path = tmp_path / "plain.jsonl"
    with (
        LoopbackProvider([Reply.text("hi")]) as provider,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="x", base_url=provider.url) as client,
    ):
        words = texts.prose(random.Random(1), 3)
        client.messages.create(model=demo.MODEL, max_tokens=9, messages=[{"role": "user", "content": words}])
    assert disclose(build_ledger(read([path]), BOOK)) is None

"""Disclosure priced: what is worked out for another way of loading, against a run that loads that way."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import pytest

import tokenprof
from tokenprof.commands import demo_agent as demo
from tokenprof.commands.main import main
from tokenprof.costing import ledger as ledger_module
from tokenprof.costing.disclosure import Disclosure, disclose
from tokenprof.costing.ledger import Ledger, build_ledger
from tokenprof.costing.on_demand_loads import loads_of
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read
from tokenprof.report.disclosure_json import assumptions_of, break_even_of, disclosure_json, read_disclosure
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


def test_everything_up_front_costs_more_unless_much_is_loaded(on_demand: Ledger) -> None:
    found = disclosed(on_demand)
    assert (found.loads, found.load_turns, found.items) == (1, 1, demo.SKILLS)
    assert found.all_up_front is not None
    assert found.break_even_loads is not None
    assert found.loaded_up_front.billed_usd < found.recorded.billed_usd < found.all_up_front.billed_usd
    assert 1 < found.break_even_loads < demo.SKILLS * 3
    assert (found.loaded_skills, found.unloaded_skills) == (1, demo.SKILLS - 1)


def test_a_disclosure_is_read_back_from_the_report_as_it_was(on_demand: Ledger) -> None:
    found = disclosed(on_demand)
    written = json.loads(json.dumps(disclosure_json(found)))
    assert read_disclosure(written) == found
    assert written["assumptions"] == list(assumptions_of(found))
    assert disclosure_json(None) is read_disclosure(None) is None
    # A report of 0.1 does not say how many skills there were, or how large they are.
    early = {
        name: value for name, value in written.items() if not name.endswith(("_skills", "_skill_tokens"))
    }
    unknown = replace(found, loaded_skills=None, unloaded_skills=None, mean_skill_tokens=None)
    assert read_disclosure(early) == unknown
    assert len(assumptions_of(unknown)) == 2


@pytest.mark.parametrize(
    ("unloaded", "loaded", "sentence"),
    [
        (
            102,
            1,
            "102 skills in the index were never loaded; each is assumed to hold 1,500 tokens, "
            "the size of the one that was.",
        ),
        (
            1,
            3,
            "1 skill in the index was never loaded; each is assumed to hold 1,500 tokens, "
            "the mean size of the 3 that were.",
        ),
    ],
)
def test_assumptions_and_break_even_are_sentences(
    on_demand: Ledger, unloaded: int, loaded: int, sentence: str
) -> None:
    made = replace(
        disclosed(on_demand),
        unloaded_skills=unloaded,
        loaded_skills=loaded,
        mean_skill_tokens=1499.6,
        break_even_loads=78.6,
    )
    assert assumptions_of(made)[1] == sentence
    assert break_even_of(made) == (
        "Loading on demand and having everything up front cost the same at about 79 loads."
    )


def test_the_command_shows_the_variants_and_what_they_assume(
    on_demand: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "lean.jsonl")
    assert main(["disclosure", path]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "1 load took 1 turn that did nothing else." in shown
    assert " ".join((break_even_of(disclosed(on_demand)) or "").split()) in shown
    assert f"all {demo.SKILLS} skills up front" in shown
    assert main(["disclosure", path, "--format", "json"]) == 0
    assert read_disclosure(json.loads(capsys.readouterr().out)) == disclosed(on_demand)


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


def test_without_a_load_the_size_of_the_skills_is_not_known(tmp_path: Path) -> None:
    found = disclosed(record(tmp_path / "none.jsonl", SEARCHES, demo.system_prompt()))
    assert (found.loads, found.all_up_front, found.break_even_loads) == (0, None, None)
    assert found.loaded_up_front == found.recorded
    assert (found.loaded_skills, found.unloaded_skills, found.mean_skill_tokens) == (0, demo.SKILLS, None)
    assert assumptions_of(found)[1] == (
        "No skill was loaded, so the size of the skills in the index is not known."
    )
    assert break_even_of(found) is None


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


def test_a_long_run_with_tools_costs_what_its_turns_add(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[object] = []
    entry = ledger_module.LedgerEntry
    monkeypatch.setattr(ledger_module, "LedgerEntry", lambda *facts: drawn.append(facts) or entry(*facts))

    def drawn_for(searches: int) -> int:
        replies = [SEARCHES[n % len(SEARCHES)] for n in range(searches)]
        instructions, _ = demo.system_prompt()
        ledger = record(tmp_path / f"{searches}.jsonl", replies, [instructions])
        drawn.clear()
        disclosed(ledger)
        return len(drawn)

    # The schemas of each turn, and its output: the history before it is not looked at.
    twelve, twenty_four, thirty_six = map(drawn_for, (12, 24, 36))
    assert twenty_four - twelve == thirty_six - twenty_four > 0

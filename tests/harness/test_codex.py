"""Codex rollouts: calls from token counts, counts repeated, forks, compaction; lines as 0.169 writes them."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from tokenprof.costing.ledger import build_ledger
from tokenprof.pricing.book import default_book
from tokenprof.reading.files import read

START = datetime(2026, 11, 1, 9, 0, 0, tzinfo=UTC)


class Rollout:
    """Lines of a session; each is a second after the last unless said otherwise."""

    def __init__(self, id_="01a20978-c3c0", forked_from=None, at=START):
        self.lines, self.at, self.total = [], at, {}
        meta = {"id": id_, "base_instructions": {"text": "You are a coding agent. " * 40}}
        if forked_from:
            meta["forked_from_id"] = forked_from
        self.add("session_meta", meta)
        tools = [{"type": "function", "name": "shell", "description": "Run a command.", "parameters": {}}]
        self.item("additional_tools", tools=tools)
        self.message("developer", "You are a coding agent. " * 40)
        self.add("turn_context", {"model": "gpt-5.4"})

    def add(self, type_, payload, at=None):
        self.at = at or self.at + timedelta(seconds=1)
        self.lines.append({"timestamp": self.at.isoformat(), "type": type_, "payload": payload})

    def item(self, type_, **fields):
        self.add("response_item", {"type": type_, **fields})

    def message(self, role, text):
        kind = "output_text" if role == "assistant" else "input_text"
        self.item("message", role=role, content=[{"type": kind, "text": text}])

    def count(self, input_=0, cached=0, output=0, reasoning=0, again=False):
        last = {
            "input_tokens": input_,
            "cached_input_tokens": cached,
            "output_tokens": output,
            "reasoning_output_tokens": reasoning,
            "total_tokens": input_ + output,
        }
        if not again:
            self.total = {key: self.total.get(key, 0) + value for key, value in last.items()}
            self.last = last
        info = {"total_token_usage": self.total, "last_token_usage": self.last}
        self.add("event_msg", {"type": "token_count", "info": info})

    def write(self, path):
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        return path


def two_turns(**keys):
    log = Rollout(**keys)
    log.message("user", "list the files")
    log.add("event_msg", {"type": "token_count", "info": None})
    log.item("function_call", name="shell", call_id="c1", arguments='{"command": "ls"}')
    log.count(1500, 0, 100, 20)
    log.item("function_call_output", call_id="c1", output="a.txt b.txt " * 5)
    log.count(again=True)
    log.message("assistant", "There are two.")
    log.count(1650, 1408, 50)
    log.count(again=True)
    return log


def billed(run):
    return sum(turn.usage.input_tokens + turn.usage.all_output_tokens for turn in run.turns)


def test_counts_that_are_emitted_again_are_not_calls(tmp_path):
    """ccusage#1288, #1349: two turns of 3,300 tokens with two repeated counts are 3,300."""
    run = read([two_turns().write(tmp_path / "rollout-1.jsonl")])
    assert (len(run.turns), billed(run)) == (2, 3300)
    first, second = run.turns
    assert (first.usage.output_tokens, first.usage.reasoning_tokens) == (80, 20)
    assert (second.usage.cache_read_tokens, second.usage.uncached_input_tokens) == (1408, 242)
    assert first.model == "gpt-5.4"


def test_blocks_are_those_of_the_prompt_and_the_ledger_is_the_bill(tmp_path):
    run = read([two_turns().write(tmp_path / "rollout-1.jsonl")])
    assert [(b.kind, b.name) for b in run.prompts()[1]] == [
        ("tool", "shell"),
        ("system", "base instructions"),
        ("user", "user"),
        ("tool_call", "shell"),
        ("tool_result", "shell"),
    ]
    assert [block.name for block in run.turns[0].output] == ["shell"]
    ledger = build_ledger(run, default_book())
    ledger.check()
    assert None not in ledger.billed_usd


@pytest.mark.parametrize("rewritten", [True, False])
def test_what_a_fork_replays_is_not_billed_again(tmp_path, rewritten):
    """ccusage#1370, #1460: a fork holds its parent's history, with the fork's times or with the parent's."""
    parent = two_turns()
    at = parent.at + timedelta(hours=1)
    fork = Rollout(id_="01a2ffff-c3c0", forked_from="01a20978-c3c0", at=at)
    for line in parent.lines[1:]:
        fork.lines.append({**line, "timestamp": fork.lines[0]["timestamp"]} if rewritten else line)
    fork.total, fork.last = parent.total, parent.last
    fork.at = at + timedelta(seconds=10)
    fork.message("user", "and the sizes?")
    fork.message("assistant", "One is 3 kB.")
    fork.count(1800, 1664, 40)
    run = read([fork.write(tmp_path / "rollout-2.jsonl")])
    assert (len(run.turns), billed(run)) == (1, 1840)
    both = read([parent.write(tmp_path / "rollout-1.jsonl"), tmp_path / "rollout-2.jsonl"])
    assert (len(both.turns), billed(both)) == (3, 3300 + 1840)


def test_a_compaction_puts_its_own_history_in_the_place_of_the_context(tmp_path):
    log = two_turns()
    summary = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "so far: files"}],
    }
    log.add("compacted", {"message": "so far: files", "replacement_history": [summary]})
    log.message("user", "go on")
    log.message("assistant", "Done.")
    log.count(900, 0, 20)
    run = read([log.write(tmp_path / "rollout-1.jsonl")])
    last = run.turns[-1]
    assert last.compacted
    assert [block.kind for block in run.prompts()[-1]] == ["tool", "system", "user", "user"]


def test_an_unfinished_call_is_said_and_a_wrong_count_named(tmp_path):
    log = two_turns()
    log.message("assistant", "and then")
    run = read([log.write(tmp_path / "rollout-1.jsonl")])
    assert any("log ends before the count of its answer" in warning for warning in run.warnings)
    assert [turn.usage is None for turn in run.turns] == [False, False, True]
    log = Rollout()
    log.count(10, 20, 1)
    (turn,) = (run := read([log.write(tmp_path / "rollout-2.jsonl")])).turns
    assert turn.usage is None
    assert "cached_input_tokens" in (turn.raw_usage or "")
    assert any(re.search(r"rollout-2\.jsonl:5.*cached_input_tokens", warning) for warning in run.warnings)


def test_an_answer_without_a_count_is_a_turn(tmp_path):
    """A provider that reports no usage leaves counts that repeat, or have no numbers."""
    log = two_turns()
    log.message("user", "and the sizes?")
    log.item("function_call", name="shell", call_id="c2", arguments="{}")
    log.count(again=True)
    log.item("function_call_output", call_id="c2", output="3 kB")
    log.message("assistant", "3 kB.")
    log.count(1900, 0, 8)
    run = read([log.write(tmp_path / "rollout-1.jsonl")])
    found = [None if t.usage is None else t.usage.input_tokens for t in run.turns]
    assert found == [1500, 1650, None, 1900]
    assert [[block.name for block in turn.output] for turn in run.turns[2:]] == [["shell"], ["text"]]
    assert any("no count for its answer" in warning for warning in run.warnings)


def test_a_log_without_any_count_has_a_turn_for_each_answer(tmp_path):
    log = Rollout()
    log.message("user", "list the files")
    log.item("function_call", name="shell", call_id="c1", arguments="{}")
    log.item("function_call_output", call_id="c1", output="a.txt")
    log.message("assistant", "One.")
    log.add("event_msg", {"type": "token_count", "info": None})
    run = read([log.write(tmp_path / "rollout-1.jsonl")])
    assert [turn.usage for turn in run.turns] == [None, None]


def test_an_interrupted_answer_is_a_turn_and_the_next_count_is_of_the_next_answer(tmp_path):
    log = two_turns()
    log.message("user", "and?")
    log.message("assistant", "Well,")
    log.add("event_msg", {"type": "turn_aborted", "reason": "interrupted"})
    log.message("user", "go on")
    log.message("assistant", "Done.")
    log.count(1700, 0, 9)
    run = read([log.write(tmp_path / "rollout-1.jsonl")])
    assert [turn.usage is None for turn in run.turns] == [False, False, True, False]


def test_outputs_of_tools_between_the_items_of_one_answer_do_not_divide_it(tmp_path):
    log = Rollout()
    log.message("user", "list both")
    for call in ("c1", "c2"):
        log.item("function_call", name="shell", call_id=call, arguments="{}")
        log.item("function_call_output", call_id=call, output="a.txt")
    log.count(1500, 0, 60)
    (turn,) = (run := read([log.write(tmp_path / "rollout-1.jsonl")])).turns
    assert (turn.usage.input_tokens, len(turn.output), run.warnings) == (1500, 2, ())


def test_an_answer_that_a_record_bills_is_one_turn(tmp_path):
    log = Rollout()
    log.message("user", "hello")
    log.message("assistant", "Hello.")
    log.add("token_usage_record", {"response_id": "r", "usage": {"input_tokens": 900, "output_tokens": 3}})
    run = read([log.write(tmp_path / "rollout-1.jsonl")])
    assert usages(run) == [(900, 3)]


def usages(run):
    return [(turn.usage.input_tokens, turn.usage.all_output_tokens) for turn in run.turns]


def test_the_call_of_a_compaction_is_billed_by_its_record(tmp_path):
    log = two_turns()
    counts = {"input_tokens": 1700, "cached_input_tokens": 1408, "output_tokens": 90}
    log.add("token_usage_record", {"response_id": "resp_c", "usage": counts})
    log.add("compacted", {"message": "so far", "compaction_response_id": "resp_c"})
    log.message("user", "go on")
    log.message("assistant", "Done.")
    log.count(900, 0, 20)
    run = read([log.write(tmp_path / "rollout-1.jsonl")])
    assert usages(run) == [(1500, 100), (1650, 50), (1700, 90), (900, 20)]
    assert [turn.agent for turn in run.turns] == [None, None, "compaction", None]
    assert [turn.compacted for turn in run.turns] == [False, False, False, True]
    assert run.warnings == ()


def test_a_record_of_a_call_that_a_count_reports_too_is_not_billed_again(tmp_path):
    log = two_turns()
    log.add("token_usage_record", {"response_id": "resp_2", "usage": log.last})
    assert len(read([log.write(tmp_path / "rollout-1.jsonl")]).turns) == 2


def test_a_compaction_without_a_record_is_warned_of_unless_a_count_has_just_billed_it(tmp_path):
    said = "1 of 1 compactions left no record of their own call, so its cost is not counted."
    log = two_turns()
    log.add("compacted", {"message": "so far"})
    run = read([log.write(tmp_path / "rollout-1.jsonl")])
    assert [warning.partition(": ")[2] for warning in run.warnings] == [said]
    log = two_turns()
    log.count(1750, 1650, 60)
    log.add("compacted", {"message": "so far"})
    run = read([log.write(tmp_path / "rollout-2.jsonl")])
    assert (len(run.turns), run.warnings) == (3, ())


def test_a_total_with_an_empty_call_says_where_a_subagent_begins(tmp_path):
    log = Rollout()
    log.count()
    log.total = dict.fromkeys(log.total, 70_000)
    log.lines[-1]["payload"]["info"]["total_token_usage"] = log.total
    log.message("user", "do it")
    log.message("assistant", "did")
    log.count(1200, 0, 30)
    run = read([log.write(tmp_path / "rollout-1.jsonl")])
    assert (usages(run), run.warnings) == ([(1200, 30)], ())


def test_what_the_total_counts_beyond_the_calls_is_a_turn_of_its_own(tmp_path):
    log = two_turns()
    for key, tokens in {"input_tokens": 500, "output_tokens": 70, "total_tokens": 570}.items():
        log.total[key] += tokens
    log.message("user", "and?")
    log.message("assistant", "so")
    log.count(1800, 0, 30)
    run = read([log.write(tmp_path / "rollout-1.jsonl")])
    assert sorted(usages(run)) == [(500, 70), (1500, 100), (1650, 50), (1800, 30)]
    assert [turn.agent for turn in run.turns if turn.usage.input_tokens == 500] == ["missing"]
    assert len(run.warnings) == 1
    assert "has grown by more than this call" in run.warnings[0]


@pytest.mark.parametrize(
    ("settings", "tier"),
    [
        ({"service_tier": "fast"}, "priority"),
        ({"service_tier": "flex"}, "flex"),
        ({"service_tier": None}, None),
    ],
)
def test_the_tier_that_was_asked_for_prices_the_calls_and_is_said(tmp_path, settings, tier):
    log = Rollout()
    log.add("event_msg", {"type": "thread_settings_applied", "thread_settings": settings})
    log.message("user", "do it")
    log.message("assistant", "did")
    log.count(1200, 0, 30)
    run = read([log.write(tmp_path / "rollout-1.jsonl")])
    assert [turn.selectors.service_tier for turn in run.turns] == [tier]
    assert ["the service tier that was asked for" in w for w in run.warnings] == ([True] if tier else [])

"""Each cause of a cache miss, with tokens and dollars worked by hand.

claude-opus-4-8 per million tokens: fresh 5, 5 m write 6.25, 1 h write 10, read 0.50.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from cached_calls import OTHER_MODEL, CachedCall, ledger_of, made_block

from tokenprof.costing import prompt_changes
from tokenprof.costing.cache_misses import CacheMiss, explain_misses
from tokenprof.costing.cache_prediction import predict_cache
from tokenprof.costing.ledger import build_ledger
from tokenprof.facts.types import Block, Run
from tokenprof.pricing.book import default_book
from tokenprof.pricing.usage import Usage

SYSTEM = made_block("instructions", 2_000, "system")


def chat(blocks: int) -> list[Block]:
    """The system prompt and so many blocks of 100 tokens, of kinds that the lookback counts one by one."""
    return [SYSTEM, *(made_block(f"text {number}", 100) for number in range(blocks))]


def call(prompt: list[Block], at_s: float, ttl: str = "5m", **more: object) -> CachedCall:
    """A call with one breakpoint, on its last block."""
    return CachedCall(prompt, [(len(prompt) - 1, ttl)], at_s, **more)


def last_miss(*calls: CachedCall) -> CacheMiss | None:
    ledger = ledger_of(calls)
    predictions = predict_cache(ledger)
    assert all(prediction is not None and prediction.agrees for prediction in predictions)
    return explain_misses(ledger)[-1]


def test_the_first_call_uses_the_cache_for_the_first_time() -> None:
    miss = last_miss(call(chat(5), 0))
    # 2,500 tokens written at 6.25 instead of read at 0.50.
    assert miss is not None
    assert (miss.cause, miss.tokens, miss.usd) == ("first_use", 2_500, Decimal("0.014375"))


def test_a_call_that_reads_all_that_was_cached_misses_nothing() -> None:
    assert last_miss(call(chat(5), 0), call(chat(6), 10)) is None


@pytest.mark.parametrize(("ttl", "life_s"), [("5m", 300), ("1h", 3600)])
def test_an_entry_is_gone_when_its_time_to_live_has_passed_since_the_response_began(
    ttl: str, life_s: int
) -> None:
    # The first response begins after a second.
    assert last_miss(call(chat(5), 0, ttl), call(chat(6), life_s + 0.9, ttl)) is None
    miss = last_miss(call(chat(5), 0, ttl), call(chat(6), life_s + 1, ttl))
    assert miss is not None
    assert (miss.cause, miss.tokens, miss.evidence) == ("ttl_expired", 2_500, "clock")
    assert miss.field == f"idle {life_s} s, TTL {life_s} s"


def test_a_read_keeps_an_entry_alive() -> None:
    assert last_miss(call(chat(5), 0), call(chat(5), 299), call(chat(6), 598)) is None


def test_the_twentieth_block_after_an_entry_is_too_far() -> None:
    assert last_miss(call(chat(1), 0), call(chat(20), 1.5)) is None
    miss = last_miss(call(chat(1), 0), call(chat(21), 1.5))
    assert miss is not None
    assert (miss.cause, miss.tokens, miss.evidence) == ("lookback", 2_100, "diff")
    # 2,100 tokens written again at 6.25 instead of read at 0.50.
    assert miss.usd == Decimal("0.012075")


def test_a_run_of_tool_calls_is_one_position_so_the_rules_read_and_no_lookback_is_blamed() -> None:
    calls = [made_block(f"call {number}", 70, "tool_call") for number in range(25)]
    results = [made_block(f"result {number}", 70, "tool_result") for number in range(25)]
    grown = [*chat(1), *calls, *results]
    assert last_miss(call(chat(1), 0), call(grown, 10)) is None
    # The same with a bill that reads nothing: the rules would have read it all, so no rule explains it.
    forgotten = ledger_of([call(chat(1), 0), call(grown, 10, forgets=True)])
    miss, prediction = explain_misses(forgotten)[1], predict_cache(forgotten)[1]
    assert miss is not None
    assert prediction is not None
    assert (miss.cause, miss.tokens) == ("unknown", 2_100)
    assert (prediction.cache_read_tokens, prediction.miss, prediction.agrees) == (2_100, None, False)


def test_a_prompt_just_below_the_minimum_is_sent_fresh_again() -> None:
    short = [made_block("a", 1_000), made_block("b", 23)]
    miss = last_miss(call(short, 0), call([*short, made_block("c", 500)], 10))
    assert miss is not None
    # Now long enough to be written, but nothing was kept: 1,023 tokens at 6.25 instead of 0.50.
    assert (miss.cause, miss.tokens, miss.usd) == ("below_minimum", 1_023, Decimal("0.00588225"))
    enough = [made_block("a", 1_000), made_block("b", 24)]
    assert last_miss(call(enough, 0), call([*enough, made_block("c", 500)], 10)) is None


def test_a_prompt_that_stays_below_the_minimum_is_billed_fresh_each_time() -> None:
    short = [made_block("a", 500)]
    miss = last_miss(call(short, 0), call([*short, made_block("b", 100)], 10))
    assert miss is not None
    # 500 tokens at 5 instead of 0.50.
    assert (miss.cause, miss.tokens, miss.usd) == ("below_minimum", 500, Decimal("0.00225"))


def test_the_minimum_is_that_of_the_day_of_the_call() -> None:
    prompt = [made_block("a", 3_000)]
    grown = [*prompt, made_block("b", 2_000)]
    ledger = ledger_of(
        [call(prompt, 0, model="claude-opus-4-7"), call(grown, 10, model="claude-opus-4-7")],
        bills={
            0: Usage(uncached_input_tokens=3_000, output_tokens=1),
            1: Usage(cache_write_5m_tokens=5_000, output_tokens=1),
        },
    )
    # 4,096 until 24 July 2026, 2,048 from then on.
    may = [replace(turn, started_at=turn.started_at.replace(month=5)) for turn in ledger.run.turns]
    assert [p and p.agrees for p in predict_cache(build_ledger(Run(tuple(may)), default_book()))] == [
        True
    ] * 2
    assert [p and p.agrees for p in predict_cache(ledger)] == [False] * 2


def test_an_edited_block_is_named_with_what_of_it_changed() -> None:
    tool = made_block("search", 300, "tool", fields={"name": "n", "description": "old"})
    edited = replace(tool, digest="tool edited of 300", fields={"name": "n", "description": "new"})
    miss = last_miss(call([tool, *chat(4)], 0), call([edited, *chat(5)], 10))
    assert miss is not None
    assert (miss.cause, miss.field, miss.tokens) == ("changed", "description", 2_700)


def test_tools_in_another_order_are_told_from_changed_ones() -> None:
    tools = [made_block(f"tool {number}", 300, "tool") for number in range(3)]
    miss = last_miss(call([*tools, *chat(4)], 0), call([*reversed(tools), *chat(4)], 10))
    assert miss is not None
    assert (miss.cause, miss.tokens, miss.evidence) == ("reordered", 3_300, "diff")


def test_an_edit_after_the_system_prompt_loses_what_followed_it() -> None:
    first, second = chat(6), chat(6)
    second[3] = made_block("another text", 100)
    marks = [(0, "1h"), (6, "5m")]
    ledger = ledger_of([CachedCall(first, marks, 0), CachedCall(second, marks, 10)])
    miss, prediction = explain_misses(ledger)[1], predict_cache(ledger)[1]
    assert miss is not None
    assert prediction is not None
    # 2,600 tokens were cached; the 2,000 of the system prompt are read.
    assert (miss.cause, miss.tokens, miss.usd) == ("changed", 600, Decimal("0.00345"))
    assert (prediction.miss, prediction.cache_read_tokens, prediction.agrees) == ("changed", 2_000, True)
    assert ledger.attribution.blocks[miss.block or ""].block.name == "another text"


def test_of_two_causes_the_one_that_lost_more_is_named() -> None:
    marks = [(2, "5m"), (10, "5m")]
    for edited_at, cause, tokens in ((5, "changed", 3_000), (None, "ttl_expired", 3_000)):
        first, second = chat(10), chat(10)
        if edited_at is not None:
            second[edited_at] = made_block("another text", 100)
        ledger = ledger_of([CachedCall(first, marks, 0), CachedCall(second, marks, 400)])
        miss, prediction = explain_misses(ledger)[1], predict_cache(ledger)[1]
        assert miss is not None
        assert prediction is not None
        # Edited, only the 2,200 tokens up to the first breakpoint are there to expire.
        assert (miss.cause, miss.tokens, prediction.miss) == (cause, tokens, cause)


def test_other_content_is_a_first_use_though_the_cache_holds_something() -> None:
    other = [made_block("other instructions", 3_000, "system")]
    ledger = ledger_of([call(chat(4), 0), call(other, 10, context="c2")])
    miss, prediction = explain_misses(ledger)[1], predict_cache(ledger)[1]
    assert miss is not None
    assert prediction is not None
    assert (miss.cause, miss.tokens, prediction.miss) == ("first_use", 3_000, "first_use")


def test_a_bill_that_reads_more_than_the_rules_missed_only_the_rest() -> None:
    billed = Usage(cache_read_tokens=2_000, cache_write_5m_tokens=600, output_tokens=1)
    ledger = ledger_of([call(chat(5), 0), call(chat(6), 400)], bills={1: billed})
    miss = explain_misses(ledger)[1]
    assert miss is not None
    assert (miss.cause, miss.tokens, miss.usd) == ("ttl_expired", 500, Decimal("0.002875"))


@pytest.mark.parametrize(
    ("marks", "edited", "found"),
    [
        ([(3, "5m")], 3, ("changed", "added")),
        # What followed the breakpoint was not cached, so its change lost nothing.
        ([(3, "5m")], 4, ("unknown", None)),
        ([(3, "5m")], None, ("unknown", None)),
        ([], None, ("changed", "cache_control")),
    ],
)
def test_where_no_rules_are_known_the_prompts_are_compared(
    marks: list[tuple[int, str]], edited: int | None, found: tuple[str, str | None]
) -> None:
    prompt = chat(6)
    if edited is not None:
        prompt[edited] = made_block("another text", 100)
    nothing_read = Usage(uncached_input_tokens=2_600, output_tokens=1)
    ledger = ledger_of(
        [CachedCall(chat(6), [(3, "5m")], 0), CachedCall(prompt, marks, 10)], bills={1: nothing_read}
    )
    turns = tuple(replace(turn, provider="a gateway") for turn in ledger.run.turns)
    elsewhere = build_ledger(Run(turns), default_book())
    miss = explain_misses(elsewhere)[1]
    assert predict_cache(elsewhere) == [None, None]
    assert miss is not None
    assert (miss.cause, miss.field, miss.tokens) == (*found, 2_300)


def test_another_model_has_a_cache_of_its_own() -> None:
    miss = last_miss(call(chat(4), 0), call(chat(5), 10, model=OTHER_MODEL))
    assert miss is not None
    assert (miss.cause, miss.tokens) == ("model_changed", 2_400)


def test_a_changed_parameter_is_named_where_the_rules_say_that_it_ends_the_prefix() -> None:
    first = call(chat(4), 0, settings={"tool_choice": "auto", "metadata": "x"})
    second = call(chat(5), 10, settings={"tool_choice": "any", "metadata": "y"})
    nothing_read = Usage(cache_write_5m_tokens=2_500, output_tokens=1)
    ledger = ledger_of([first, second], bills={1: nothing_read})
    miss, prediction = explain_misses(ledger)[1], predict_cache(ledger)[1]
    assert miss is not None
    assert prediction is not None
    assert (miss.cause, miss.field, miss.tokens) == ("changed", "tool_choice", 2_400)
    assert (prediction.miss, prediction.agrees) == ("changed", True)


def test_a_parameter_that_ends_no_prefix_is_not_blamed_for_an_expired_entry() -> None:
    first = call(chat(4), 0, settings={"metadata": "x"})
    miss = last_miss(first, call(chat(4), 400, settings={"metadata": "y"}))
    assert miss is not None
    assert (miss.cause, miss.tokens, miss.evidence) == ("ttl_expired", 2_400, "clock")


@pytest.mark.parametrize(("also", "blamed"), [("tool_choice", "tool_choice"), ("seed", "metadata")])
def test_where_no_rules_are_known_a_parameter_that_ends_prefixes_elsewhere_is_blamed_first(
    also: str, blamed: str
) -> None:
    first = call(chat(4), 0, settings={"metadata": "x", also: "x"})
    second = call(chat(4), 10, settings={"metadata": "y", also: "y"}, forgets=True)
    turns = tuple(replace(turn, provider="a gateway") for turn in ledger_of([first, second]).run.turns)
    miss = explain_misses(build_ledger(Run(turns), default_book()))[1]
    assert miss is not None
    assert (miss.cause, miss.field, miss.tokens) == ("changed", blamed, 2_400)


def test_a_request_without_a_breakpoint_reads_nothing() -> None:
    ledger = ledger_of([call(chat(4), 0), CachedCall(chat(5), [], 10)])
    miss, prediction = explain_misses(ledger)[1], predict_cache(ledger)[1]
    assert miss is not None
    assert prediction is not None
    # 2,400 tokens fresh at 5 instead of 0.50.
    assert (miss.cause, miss.field, miss.tokens) == ("changed", "cache_control", 2_400)
    assert miss.usd == Decimal("0.0108")
    assert (prediction.miss, prediction.agrees) == ("unmarked", True)


def test_a_parallel_call_uses_first_what_the_other_has_not_yet_written() -> None:
    slow = call(chat(4), 0, duration_s=30.0)
    ledger = ledger_of([slow, call(chat(4), 10, context="c2")])
    miss, prediction = explain_misses(ledger)[1], predict_cache(ledger)[1]
    assert miss is not None
    assert prediction is not None
    assert (miss.cause, miss.tokens, prediction.miss) == ("first_use", 2_400, "first_use")


def test_a_new_context_that_reads_less_than_another_one_cached_is_not_a_first_use() -> None:
    again = call(chat(4), 60, context="c2", forgets=True)
    ledger = ledger_of([call(chat(4), 0), again])
    miss, prediction = explain_misses(ledger)[1], predict_cache(ledger)[1]
    assert miss is not None
    assert prediction is not None
    assert (miss.cause, miss.tokens, prediction.cache_read_tokens) == ("unknown", 2_400, 2_400)


@pytest.mark.parametrize(("first", "later"), [(8, 20), (20, 20)])
def test_a_system_prompt_that_changes_in_a_conversation_is_a_miss_though_it_opens_a_context(
    first: int, later: int
) -> None:
    def conversation(instructions: str, messages: int) -> list[Block]:
        said = [made_block(f"message {number}", 100) for number in range(messages)]
        return [made_block(instructions, 300, "system"), *said]

    calls = [call(conversation("be brief", first), 0), call(conversation("be brief", later), 10)]
    ledger = ledger_of([*calls, call(conversation("be thorough", 21), 20, context="c2")])
    miss = explain_misses(ledger)[2]
    assert miss is not None
    # Twenty messages of 100 tokens written at 6.25 instead of read at 0.50.
    assert (miss.cause, miss.field, miss.tokens) == ("changed", "added", 2_000)
    assert miss.usd == Decimal("0.0115")
    assert ledger.attribution.blocks[miss.block or ""].block.name == "be thorough"


@pytest.mark.parametrize(("read", "missed"), [(2_400, None), (2_351, None), (2_300, 100)])
def test_a_read_that_falls_short_by_less_than_half_a_block_is_an_estimate_s_error(
    read: int, missed: int | None
) -> None:
    billed = Usage(cache_read_tokens=read, cache_write_5m_tokens=2_400 - read, output_tokens=1)
    ledger = ledger_of([call(chat(4), 0), call(chat(4), 60, context="c2")], bills={1: billed})
    miss = explain_misses(ledger)[1]
    assert (miss and miss.tokens) == missed


def test_a_context_hours_after_one_that_began_alike_finds_its_entries_expired() -> None:
    miss = last_miss(call(chat(4), 0), call(chat(4), 7_200, context="c2"))
    assert miss is not None
    assert (miss.cause, miss.tokens, miss.evidence) == ("ttl_expired", 2_400, "clock")


def test_the_provider_s_own_word_on_the_cause_outranks_ours() -> None:
    ledger = ledger_of([call(chat(4), 0), call(chat(5), 10, forgets=True)])
    first, second = ledger.run.turns
    told = replace(second, cache_miss_reason="tools_changed", cache_missed_tokens=1_200)
    miss = explain_misses(replace(ledger, run=Run((first, told))))[1]
    assert miss is not None
    assert (miss.cause, miss.tokens, miss.evidence) == ("changed", 1_200, "provider")
    assert miss.usd == Decimal("0.0069")


def test_where_the_prompt_is_hidden_the_clock_decides() -> None:
    ledger = ledger_of([call(chat(4), 0), call(chat(5), 301, forgets=True)])
    turns = tuple(replace(turn, hidden_prefix=True, breakpoints=()) for turn in ledger.run.turns)
    hidden = build_ledger(Run(turns), default_book())
    miss = explain_misses(hidden)[1]
    assert predict_cache(hidden) == [None, None]
    assert miss is not None
    assert (miss.cause, miss.field, miss.evidence) == ("ttl_expired", "idle 300 s, TTL 300 s", "clock")
    soon = tuple(replace(turn, started_at=turns[0].started_at) for turn in turns)
    unknown = explain_misses(build_ledger(Run(soon), default_book()))[1]
    assert unknown is not None
    assert (unknown.cause, unknown.evidence) == ("unknown", "diff")


@pytest.mark.parametrize(
    ("provider", "model", "life_s"),
    [("openai", "gpt-5.4", 3600), ("openai", "gpt-6-sol", 1800), ("openai", "deepseek-v4-pro", 86_400)],
)
def test_a_cache_that_needs_no_breakpoints_gives_the_cause_of_a_miss_but_never_a_miss_of_its_own(
    provider: str, model: str, life_s: int
) -> None:
    def turns_of(pause_s: float) -> Run:
        at_s = (0.0, 10.0, 10.0 + pause_s)
        ledger = ledger_of([call(chat(4 + n), at) for n, at in enumerate(at_s)])
        usages = (
            Usage(uncached_input_tokens=2_400, output_tokens=1),
            Usage(cache_read_tokens=2_304, uncached_input_tokens=196, output_tokens=1),
            Usage(uncached_input_tokens=2_600, output_tokens=1),
        )
        made = (
            replace(turn, provider=provider, model=model, usage=usage, breakpoints=())
            for turn, usage in zip(ledger.run.turns, usages, strict=True)
        )
        return Run(tuple(made))

    for pause_s, cause in ((life_s - 1, "unknown"), (life_s + 1, "ttl_expired")):
        ledger = build_ledger(turns_of(pause_s), default_book())
        assert predict_cache(ledger) == [None] * 3
        first, second, third = explain_misses(ledger)
        assert first is second is None
        assert third is not None
        assert (third.cause, third.tokens) == (cause, 2_304)


def test_a_run_without_turns_has_no_misses() -> None:
    ledger = build_ledger(Run(()), default_book())
    assert explain_misses(ledger) == predict_cache(ledger) == []


def test_calls_that_all_miss_are_explained_without_comparing_what_their_prompts_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = ledger_of([call(chat(5 + number), number * 400) for number in range(30)])
    compared = []
    monkeypatch.setattr(prompt_changes, "block_key", lambda block: compared.append(block) or block.digest)
    misses = explain_misses(ledger)
    assert [miss.cause for miss in misses if miss] == ["first_use", *["ttl_expired"] * 29]
    assert compared == []

"""Anthropic's cache, against the worked examples of its own documentation and against invariants."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenprof.pricing.cache.anthropic_cache import AnthropicCache, CacheSplit
from tokenprof.pricing.cache.cache_rules import CacheRuleError, first_section_lost, minimum_cacheable
from tokenprof.pricing.cache.prompt_prefixes import CacheBlock, PrefixRow, PromptPrefixes, salted
from tokenprof.pricing.cache.unread_prefix import UnreadPrefix

MODEL = "claude-opus-4-8"


def blocks(count: int, tokens: int = 100, start: int = 1) -> list[CacheBlock]:
    return [CacheBlock(f"block {number}", tokens) for number in range(start, start + count)]


def cache() -> AnthropicCache:
    return AnthropicCache(minimum_tokens=0)


def test_growing_conversation_of_the_documentation():
    """Turn 1 writes block 10, turn 2 reads it and writes 15, turn 3 finds nothing from 35 back to 16."""
    conversation = cache()
    assert conversation.call(blocks(10), [(9, "5m")], 0, MODEL) == CacheSplit(0, 1000, 0, 0)
    assert conversation.call(blocks(15), [(14, "5m")], 1, MODEL) == CacheSplit(1000, 500, 0, 0)
    turn_3 = conversation.lookup(blocks(35), [(34, "5m")], 2, MODEL)
    assert turn_3.split == CacheSplit(0, 3500, 0, 0)
    assert turn_3.miss == "lookback"
    # A second breakpoint on block 15 starts a window of its own there, which finds the turn-2 entry.
    assert conversation.call(blocks(35), [(14, "5m"), (34, "5m")], 2, MODEL) == CacheSplit(1500, 2000, 0, 0)


def test_an_entry_at_the_twentieth_position_is_found_and_one_at_the_twenty_first_is_not():
    for distance, read in ((19, 100), (20, 0)):
        conversation = cache()
        conversation.call(blocks(1), [(0, "5m")], 0, MODEL)
        assert conversation.call(blocks(1 + distance), [(distance, "5m")], 1, MODEL).read_tokens == read


def test_a_run_of_tool_calls_and_a_run_of_results_are_one_position_each():
    first = [CacheBlock("user", 100)]
    calls = [CacheBlock(f"call {number}", 10, "tool_use") for number in range(25)]
    results = [CacheBlock(f"result {number}", 10, "tool_result") for number in range(25)]
    conversation = cache()
    conversation.call(first, [(0, "5m")], 0, MODEL)
    assert conversation.call([*first, *calls, *results], [(50, "5m")], 1, MODEL) == CacheSplit(100, 500, 0, 0)


def test_marker_on_a_block_that_changes_every_request_never_hits():
    conversation = cache()
    for request in range(3):
        prompt = [*blocks(5), CacheBlock(f"timestamp {request}", 20)]
        assert conversation.call(prompt, [(5, "5m")], request, MODEL) == CacheSplit(0, 520, 0, 0)


def test_mixed_times_to_live_are_billed_one_hour_up_to_the_last_one_hour_marker():
    assert cache().call(blocks(10), [(2, "1h"), (5, "1h"), (8, "5m")], 0, MODEL) == CacheSplit(
        0, 300, 600, 100
    )


@pytest.mark.parametrize(("ttl", "lives_s"), [("5m", 300), ("1h", 3600)])
def test_time_to_live_runs_from_the_last_use(ttl, lives_s):
    conversation = cache()
    conversation.call(blocks(3), [(2, ttl)], 0, MODEL)
    last_moment = lives_s - 0.001
    assert conversation.call(blocks(3), [(2, ttl)], last_moment, MODEL).read_tokens == 300
    assert conversation.call(blocks(3), [(2, ttl)], 2 * last_moment, MODEL).read_tokens == 300
    late = conversation.lookup(blocks(3), [(2, ttl)], 2 * last_moment + lives_s, MODEL)
    assert (late.split.read_tokens, late.unread) == (0, UnreadPrefix("ttl_expired", 300, lives_s, lives_s))


def test_one_hour_prefix_survives_when_the_five_minute_tail_is_gone():
    conversation = cache()
    conversation.call(blocks(10), [(3, "1h"), (9, "5m")], 0, MODEL)
    assert conversation.call(blocks(10), [(3, "1h"), (9, "5m")], 600, MODEL) == CacheSplit(400, 600, 0, 0)


def test_parallel_twins_both_write_because_entries_show_once_a_response_begins():
    conversation = cache()
    first = conversation.lookup(blocks(4), [(3, "5m")], 0.0, MODEL)
    twin = conversation.lookup(blocks(4), [(3, "5m")], 0.1, MODEL)
    conversation.commit(first, 1.0)
    conversation.commit(twin, 1.1)
    assert first.split == twin.split == CacheSplit(0, 400, 0, 0)
    assert conversation.call(blocks(4), [(3, "5m")], 2.0, MODEL).read_tokens == 400


def test_a_request_says_which_prefix_it_left_unread_and_why():
    conversation = cache()
    conversation.call(blocks(4), [(3, "5m")], 0, MODEL)
    empty, other = conversation.lookup(blocks(2), [(1, "5m")], 1, "claude-opus-5"), blocks(4, start=50)
    assert empty.unread == UnreadPrefix("first_use", 0)
    assert conversation.lookup(other, [(3, "5m")], 1, MODEL).unread == UnreadPrefix("changed", 0)
    assert conversation.lookup(blocks(4), [(1, "5m")], 1, MODEL).unread == UnreadPrefix("unmarked", 400)
    assert conversation.lookup(blocks(4), [], 1, MODEL).unread == UnreadPrefix("unmarked", 400)
    assert conversation.lookup(blocks(30), [(29, "5m")], 1, MODEL).unread == UnreadPrefix("lookback", 400)
    assert conversation.lookup(blocks(5), [(4, "5m")], 1, MODEL).unread is None
    answering = conversation.lookup(blocks(9), [(8, "5m")], 2, MODEL)
    conversation.commit(answering, 5)
    assert conversation.lookup(blocks(9), [(8, "5m")], 3, MODEL).unread == UnreadPrefix("not_visible", 500)


def test_prompts_that_share_a_row_are_cached_like_lists_of_their_blocks():
    row, alone, sharing = PrefixRow(), cache(), cache()
    for length in (3, 9, 30):
        for block in blocks(length)[len(row.keys) :]:
            row.add(*block)
        marks = [(length - 1, "5m")]
        plain = alone.call(blocks(length), marks, length, MODEL)
        shared = sharing.call(PromptPrefixes(row, length, tail_tokens=7), marks, length, MODEL)
        assert shared == replace(plain, uncached_tokens=plain.uncached_tokens + 7)


def test_another_model_or_workspace_has_a_cache_of_its_own():
    conversation = cache()
    conversation.call(blocks(4), [(3, "5m")], 0, MODEL)
    assert conversation.call(blocks(4), [(3, "5m")], 1, "claude-opus-5").read_tokens == 0
    assert conversation.call(blocks(4), [(3, "5m")], 1, MODEL, scope="other").read_tokens == 0


def test_prefix_below_the_models_minimum_is_neither_written_nor_read_without_an_error():
    conversation = AnthropicCache()
    for at_s in (0, 1):
        short = conversation.lookup(blocks(10), [(9, "5m")], at_s, MODEL)
        conversation.commit(short, at_s)
        assert short.split == CacheSplit(0, 0, 0, 1000)
        # Nothing could be read the first time; the second time, what was sent before.
        assert short.unread == UnreadPrefix("below_minimum", 1000 * at_s)
    longer = conversation.lookup(blocks(11), [(10, "5m")], 2, MODEL)
    assert (longer.split, longer.unread) == (
        CacheSplit(0, 1100, 0, 0),
        UnreadPrefix("below_minimum", 1000),
    )


@pytest.mark.parametrize(("tokens", "written"), [(1023, 0), (1024, 1024)])
def test_a_prefix_of_just_the_minimum_is_cached(tokens, written):
    split = AnthropicCache().call([CacheBlock("all", tokens)], [(0, "5m")], 0, MODEL)
    assert split.write_5m_tokens == written


def test_without_breakpoints_nothing_is_cached():
    assert cache().call(blocks(3), [], 0, MODEL) == CacheSplit(0, 0, 0, 300)


@pytest.mark.parametrize(
    ("breakpoints", "message"),
    [
        ([(0, "5m")] * 5, "may carry 4 cache breakpoints"),
        ([(1, "5m"), (2, "1h")], "must come before any 5m one"),
        ([(9, "5m")], "block 9 of a prompt of 4 blocks"),
        ([(1, "2h")], "not 5m or 1h"),
    ],
)
def test_what_the_api_refuses_is_refused(breakpoints, message):
    with pytest.raises(CacheRuleError, match=message):
        cache().call(blocks(4), breakpoints, 0, MODEL)


@pytest.mark.parametrize(
    ("model", "tokens", "assumed"),
    [
        ("claude-fable-5-1", 512, False),
        ("claude-opus-5", 512, False),
        ("claude-opus-4-8", 1024, False),
        ("claude-sonnet-5", 1024, False),
        ("claude-sonnet-4-5-20250929", 1024, False),
        ("claude-sonnet-4-6", 1024, False),
        ("claude-opus-4-7", 2048, False),
        ("claude-3-5-haiku-latest", 2048, False),
        ("claude-opus-4-6", 4096, False),
        ("claude-opus-4-5", 4096, False),
        ("claude-haiku-4-5-20251001", 4096, False),
        ("claude-haiku-5-5", 1024, True),
    ],
)
def test_minimum_is_the_models_own_and_says_when_it_is_assumed(model, tokens, assumed):
    minimum = minimum_cacheable("anthropic", model)
    assert (minimum.tokens, minimum.assumed) == (tokens, assumed)


def test_minimum_is_the_one_of_its_day():
    for model, before, after in (("claude-opus-4-7", 4096, 2048), ("claude-sonnet-4-6", 2048, 1024)):
        assert minimum_cacheable("anthropic", model, date(2026, 7, 23)).tokens == before
        assert minimum_cacheable("anthropic", model, date(2026, 7, 24)).tokens == after
    for day, written in ((date(2026, 5, 1), 0), (date(2026, 9, 1), 3000)):
        marks = [(29, "5m")]
        of_the_cache = AnthropicCache(on=day).call(blocks(30), marks, 0, "claude-opus-4-7")
        of_the_request = AnthropicCache().lookup(blocks(30), marks, 0, "claude-opus-4-7", on=day)
        assert of_the_cache.write_5m_tokens == of_the_request.split.write_5m_tokens == written


def test_changed_parameters_lose_the_sections_that_the_documentation_names():
    assert first_section_lost("anthropic", "tool_choice") == "messages"
    assert first_section_lost("anthropic", "speed") == "system"
    assert first_section_lost("anthropic", "model") == "tools"
    assert first_section_lost("anthropic", "metadata") is None


@pytest.mark.parametrize(
    ("changed", "read_tokens"), [("tool_choice", 200), ("speed", 100), ("model", 0), ("metadata", 300)]
)
def test_a_changed_parameter_is_read_up_to_the_section_it_loses(changed, read_tokens):
    sections = ["tools", "system", "messages"]
    marks = [(0, "5m"), (1, "5m"), (2, "5m")]
    conversation = cache()
    conversation.call(salted(blocks(3), sections, {changed: "before"}), marks, 0, MODEL)
    after = conversation.call(salted(blocks(3), sections, {changed: "after"}), marks, 1, MODEL)
    assert after.read_tokens == read_tokens


@st.composite
def conversations(draw):
    """A sequence of calls of growing prompts, with markers anywhere and pauses of any length."""
    calls, length, at_s = [], 0, 0.0
    for _ in range(draw(st.integers(1, 8))):
        length += draw(st.integers(0, 30))
        at_s += draw(st.floats(0, 5000))
        places = draw(st.lists(st.integers(0, max(0, length - 1)), max_size=4, unique=True)) if length else []
        hours = draw(st.integers(0, 4))
        marks = [(place, "1h" if number < hours else "5m") for number, place in enumerate(sorted(places))]
        calls.append((length, marks, at_s))
    return calls


@settings(max_examples=200)
@given(conversations(), st.sampled_from([0, 300]))
def test_every_split_adds_up_to_its_prompt_and_nothing_is_read_that_was_not_written(calls, minimum):
    conversation = AnthropicCache(minimum_tokens=minimum)
    longest_written = 0
    for length, marks, at_s in calls:
        split = conversation.call(blocks(length), marks, at_s, MODEL)
        parts = (split.read_tokens, split.write_5m_tokens, split.write_1h_tokens, split.uncached_tokens)
        assert min(parts) >= 0
        assert sum(parts) == 100 * length
        assert split.read_tokens <= longest_written
        longest_written = max(longest_written, 100 * length - split.uncached_tokens)

"""OpenAI's and DeepSeek's caches, against their documentation and against invariants."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenprof.pricing.cache.automatic_caches import (
    AutomaticSplit,
    DeepSeekCache,
    OpenAIBreakpointCache,
    OpenAIPrefixCache,
)
from tokenprof.pricing.cache.cache_rules import CacheRuleError, openai_has_breakpoints
from tokenprof.pricing.cache.prompt_prefixes import CacheBlock
from tokenprof.pricing.cache.unread_prefix import UnreadPrefix

OLD, NEW = "gpt-5.4", "gpt-6-sol"


def blocks(*names: str, tokens: int = 1_000) -> list[CacheBlock]:
    return [CacheBlock(name, tokens) for name in names]


def split(read: int, total: int) -> AutomaticSplit:
    return AutomaticSplit(read, 0, 0, total - read)


def test_old_openai_reads_the_common_prefix_rounded_down_to_128():
    cache = OpenAIPrefixCache()
    assert cache.call(blocks("a", "b"), 0, OLD) == split(0, 2_000)
    assert cache.call(blocks("a", "b", "c"), 1, OLD) == split(1_920, 3_000)
    assert cache.call(blocks("a", "b", "x"), 2, OLD) == split(1_920, 3_000)


def test_old_openai_caches_nothing_below_1024_tokens():
    cache = OpenAIPrefixCache()
    cache.call(blocks("a", "b"), 0, OLD)
    assert cache.call(blocks("a", "x"), 1, OLD) == split(0, 2_000)


@pytest.mark.parametrize(("tokens", "read"), [(1_023, 0), (1_024, 1_024), (1_151, 1_024), (1_152, 1_152)])
def test_old_openai_caches_from_1024_tokens_on_in_steps_of_128(tokens, read):
    cache = OpenAIPrefixCache()
    cache.call([("a", tokens)], 0, OLD)
    assert cache.call([("a", tokens), ("b", 9)], 1, OLD).read_tokens == read


@pytest.mark.parametrize(("cache", "lives_s"), [(OpenAIPrefixCache(), 3_600), (OpenAIPrefixCache(600), 600)])
def test_old_openai_forgets_when_a_prefix_lay_idle_for_its_time(cache, lives_s):
    last_moment = lives_s - 0.001
    cache.call(blocks("a", "b"), 0, OLD)
    assert cache.call(blocks("a", "b"), last_moment, OLD).read_tokens == 1_920
    assert cache.call(blocks("a", "b"), 2 * last_moment, OLD).read_tokens == 1_920
    late = cache.lookup(blocks("a", "b"), 2 * last_moment + lives_s, OLD)
    assert (late.split.read_tokens, late.unread) == (0, UnreadPrefix("ttl_expired", 2_000, lives_s, lives_s))


def test_new_openai_writes_at_the_newest_message_and_reads_it_exactly():
    cache = OpenAIBreakpointCache()
    assert cache.call(blocks("s", "u1"), [0, 1], [], 0, NEW) == AutomaticSplit(0, 2_000, 0, 0)
    grown = blocks("s", "u1", "a1", "u2")
    assert cache.call(grown, [0, 1, 2, 3], [], 1, NEW) == AutomaticSplit(2_000, 2_000, 0, 0)


def test_new_openai_has_no_fall_back_to_a_shorter_unmarked_prefix():
    cache = OpenAIBreakpointCache()
    cache.call(blocks("s", "u1"), [0, 1], [], 0, NEW)
    assert cache.call(blocks("s", "x1"), [0, 1], [], 1, NEW).read_tokens == 0


def test_new_openai_reads_a_prefix_that_was_marked_explicitly():
    cache = OpenAIBreakpointCache()
    cache.call(blocks("s", "u1", tokens=2_000), [0, 1], [(0, "12h")], 0, NEW)
    other = cache.call(blocks("s", "x1", tokens=2_000), [0, 1], [(0, "12h")], 3_000, NEW)
    assert other == AutomaticSplit(2_000, 2_000, 0, 0)


def test_new_openai_bills_each_stretch_by_the_marker_at_its_end():
    cache = OpenAIBreakpointCache()
    assert cache.call(blocks("s", "t", "u1"), [2], [(1, "12h")], 0, NEW) == AutomaticSplit(0, 1_000, 2_000, 0)


@pytest.mark.parametrize(("ttl", "lives_s"), [("30m", 1_800), ("12h", 43_200)])
def test_new_openai_forgets_a_breakpoint_when_its_time_to_live_has_passed(ttl, lives_s):
    for pause_s, read in ((lives_s - 0.001, 2_000), (lives_s, 0)):
        cache = OpenAIBreakpointCache()
        cache.call(blocks("s", "t"), [], [(1, ttl)], 0, NEW)
        found = cache.lookup(blocks("s", "t"), [], [(1, ttl)], pause_s, NEW)
        assert found.split.read_tokens == read
        expired = UnreadPrefix("ttl_expired", 2_000, pause_s, lives_s)
        assert found.unread == (None if read else expired)


def test_new_openai_looks_at_the_newest_eighty_message_ends():
    for more, read in ((79, 2_000), (80, 0)):
        cache = OpenAIBreakpointCache()
        cache.call(blocks("a", "b"), [0, 1], [], 0, NEW)
        grown = blocks("a", "b", *(f"message {number}" for number in range(more)))
        assert cache.call(grown, list(range(len(grown))), [], 1, NEW).read_tokens == read


def test_new_openai_writes_nothing_below_its_minimum():
    for tokens, written in ((1_023, 0), (1_024, 1_024)):
        assert OpenAIBreakpointCache().call([("a", tokens)], [0], [], 0, NEW).write_30m_tokens == written


@pytest.mark.parametrize(
    ("model", "at_breakpoints"),
    [("gpt-5.5", False), ("gpt-5", False), ("gpt-4o", False), ("o3", False), ("gpt-5.6", True), (NEW, True)],
)
def test_openai_caches_at_breakpoints_from_gpt_5_6_on(model, at_breakpoints):
    assert openai_has_breakpoints(model) is at_breakpoints


def test_new_openai_in_explicit_mode_without_a_marker_caches_nothing():
    cache = OpenAIBreakpointCache()
    for at_s in (0, 1):
        assert cache.call(blocks("s", "u1"), [0, 1], [], at_s, NEW, mode="explicit") == split(0, 2_000)


def test_new_openai_writes_at_most_four_breakpoints_the_latest_ones():
    marks = [(index, "30m") for index in range(6)]
    cache = OpenAIBreakpointCache()
    cache.call(blocks(*"abcdefg"), [6], marks, 0, NEW)
    # Three explicit ones (d, e, f) and the implicit one (g); a prefix that ends at c was not written.
    assert cache.call(blocks(*"abc"), [2], [], 1, NEW).read_tokens == 0
    assert cache.call(blocks(*"abcd"), [3], [], 2, NEW).read_tokens == 4_000


def test_new_openai_knows_two_times_to_live():
    with pytest.raises(CacheRuleError, match="not 30m or 12h"):
        OpenAIBreakpointCache().call(blocks("s"), [0], [(0, "5m")], 0, NEW)


def test_deepseek_stores_a_common_prefix_only_once_two_requests_have_parted_there():
    """The documentation's example: A+B then A+C misses, and stores A; the third, A+D, hits A."""
    cache = DeepSeekCache()
    assert cache.call(blocks("a", "b"), [], 0, "deepseek-v4-pro") == split(0, 2_000)
    assert cache.call(blocks("a", "c"), [], 1, "deepseek-v4-pro") == split(0, 2_000)
    assert cache.call(blocks("a", "d"), [], 2, "deepseek-v4-pro") == split(1_000, 2_000)


def test_deepseek_reads_the_whole_conversation_with_its_output():
    cache = DeepSeekCache()
    cache.call(blocks("u1"), blocks("a1"), 0, "deepseek-v4-pro")
    assert cache.call(blocks("u1", "a1", "u2"), [], 1, "deepseek-v4-pro") == split(2_000, 3_000)


def test_deepseek_forgets_a_unit_after_a_day_without_use():
    for pause_s, read in ((86_399, 2_000), (86_400, 0)):
        cache = DeepSeekCache()
        cache.call(blocks("a", "b"), [], 0, "deepseek-v4-pro")
        found = cache.lookup(blocks("a", "b", "c"), 3, pause_s, "deepseek-v4-pro")
        assert found.split == split(read, 3_000)
        expired = UnreadPrefix("ttl_expired", 2_000, 86_400, 86_400)
        assert found.unread == (None if read else expired)


def test_deepseek_may_store_units_at_fixed_intervals():
    cache = DeepSeekCache(interval_tokens=2_000)
    cache.call(blocks(*"abcd"), [], 0, "deepseek-v4-pro")
    assert cache.call(blocks("a", "b", "x"), [], 1, "deepseek-v4-pro") == split(2_000, 3_000)


PROMPTS = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=8), min_size=1, max_size=8)


@settings(max_examples=200)
@given(PROMPTS, st.lists(st.floats(0, 4_000), min_size=8, max_size=8))
def test_splits_add_up_and_a_read_is_a_prefix_that_came_before(prompts, pauses):
    caches = (OpenAIPrefixCache(), OpenAIBreakpointCache(), DeepSeekCache())
    at_s, before = 0.0, []
    for names, pause_s in zip(prompts, pauses, strict=False):
        at_s += pause_s
        prompt = blocks(*names)
        shared = max((_common(names, earlier) for earlier in before), default=0)
        ends = list(range(len(prompt)))
        for found in (
            caches[0].call(prompt, at_s, OLD),
            caches[1].call(prompt, ends, [], at_s, NEW),
            caches[2].call(prompt, [], at_s, "deepseek-v4-pro"),
        ):
            parts = (found.read_tokens, found.write_30m_tokens, found.write_12h_tokens, found.uncached_tokens)
            assert min(parts) >= 0
            assert sum(parts) == 1_000 * len(prompt)
            assert found.read_tokens <= 1_000 * shared
        before.append(names)


def _common(left: list[str], right: list[str]) -> int:
    length = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        length += 1
    return length

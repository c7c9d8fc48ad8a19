"""How far back a cache looks for an entry, at the published limits and one beyond them."""

import pytest

from tokenprof.pricing.cache.anthropic_cache import AnthropicCache
from tokenprof.pricing.cache.automatic_caches import OpenAIBreakpointCache
from tokenprof.pricing.cache.prompt_prefixes import CacheBlock, PrefixRow, PromptPrefixes

MODEL = "claude-opus-4-8"


def blocks(count: int, kind: str = "") -> list[CacheBlock]:
    return [CacheBlock(f"block {number}", 100, kind) for number in range(count)]


# The breakpoint is the first of 20 positions, so an entry 19 blocks before it is the last one found.
@pytest.mark.parametrize(("behind", "read_tokens"), [(18, 100), (19, 100), (20, 0), (21, 0)])
def test_anthropic_looks_back_twenty_positions_from_a_breakpoint(behind, read_tokens):
    cache = AnthropicCache(minimum_tokens=0)
    cache.call(blocks(1), [(0, "5m")], 0, MODEL)
    found = cache.lookup(blocks(1 + behind), [(behind, "5m")], 1, MODEL)
    assert found.split.read_tokens == read_tokens
    assert found.miss == (None if read_tokens else "lookback")


# A run of calls and the run of its results are two positions, so with the breakpoint's own, 17 are left.
@pytest.mark.parametrize(("texts", "read_tokens"), [(17, 100), (18, 0)])
def test_anthropic_counts_a_run_of_calls_or_results_as_one_position(texts, read_tokens):
    cache = AnthropicCache(minimum_tokens=0)
    cache.call(blocks(1), [(0, "5m")], 0, MODEL)
    calls = [CacheBlock(f"call {number}", 10, "tool_use") for number in range(30)]
    results = [CacheBlock(f"result {number}", 10, "tool_result") for number in range(30)]
    prompt = [*blocks(1), *calls, *results, *(CacheBlock(f"text {number}", 10) for number in range(texts))]
    found = cache.call(prompt, [(len(prompt) - 1, "5m")], 1, MODEL)
    assert found.read_tokens == read_tokens


# The ends of messages are breakpoints; the latest 80 are looked up, the newest message's among them.
@pytest.mark.parametrize(("later_messages", "read_tokens"), [(78, 2_000), (79, 2_000), (80, 0), (81, 0)])
def test_openai_looks_up_the_latest_eighty_breakpoints(later_messages, read_tokens):
    cache = OpenAIBreakpointCache()
    first = [CacheBlock("first", 2_000)]
    cache.call(first, [0], [], 0, "gpt-6-sol")
    grown = [*first, *blocks(later_messages)]
    found = cache.call(grown, list(range(len(grown))), [], 1, "gpt-6-sol")
    assert found.read_tokens == read_tokens


class CountedKeys(list[bytes]):
    """Keys of a row that count how often one is looked at."""

    looks = 0

    def __getitem__(self, index):
        self.looks += 1
        return super().__getitem__(index)


def test_a_call_that_finds_nothing_looks_at_what_was_marked_and_not_at_every_block():
    cache, row = AnthropicCache(minimum_tokens=0), PrefixRow(keys=CountedKeys())
    looks = []
    for call in range(60):
        for number in range(100):
            row.add(f"block {call}-{number}", 10)
        before = row.keys.looks
        # The entry of the call before is 100 positions away, five times what a lookup walks.
        length = len(row.kinds)
        found = cache.lookup(PromptPrefixes(row, length), [(length - 1, "5m")], call, MODEL)
        cache.commit(found, call)
        assert found.miss == ("lookback" if call else "first_use")
        assert found.unread.tokens == (call * 1_000 if call else 0)
        looks.append(row.keys.looks - before)
    assert max(looks) == looks[1]

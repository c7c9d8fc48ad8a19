"""What it costs to follow a prompt cache: a conversation that grows by four blocks a turn.

`python benchmarks/pricing_cache.py [TURNS]`

Once with prompts that share their prefixes, as a recorded run has them, where a turn costs what it adds;
once with each prompt as a list of blocks, as a server receives it, where a turn costs its whole prompt.
Then the misses and predictions of a recorded run of that shape.
"""

import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tokenprof.costing.cache_misses import explain_misses, follow_cache
from tokenprof.costing.cache_prediction import predict_cache
from tokenprof.costing.ledger import Ledger, build_ledger
from tokenprof.facts.types import Block, Breakpoint, Features, Run, Turn
from tokenprof.pricing.book import default_book
from tokenprof.pricing.cache.anthropic_cache import AnthropicCache
from tokenprof.pricing.cache.prompt_prefixes import CacheBlock, PrefixRow, PromptPrefixes
from tokenprof.pricing.usage import Usage

MODEL = "claude-opus-4-8"
PREFIX_BLOCKS, BLOCKS_A_TURN = 20, 4


def simulate(turns: int, *, shared: bool) -> tuple[int, int]:
    """Return the tokens read and written over a conversation."""
    cache, row = AnthropicCache(), PrefixRow()
    blocks = [CacheBlock(f"prefix {number}", 500) for number in range(PREFIX_BLOCKS)]
    read = written = 0
    for turn in range(turns):
        blocks += [CacheBlock(f"turn {turn} block {number}", 100) for number in range(BLOCKS_A_TURN)]
        for block in blocks[len(row.keys) :] if shared else ():
            row.add(*block)
        prompt = PromptPrefixes(row, len(blocks)) if shared else blocks
        marks = [(PREFIX_BLOCKS - 1, "1h"), (len(blocks) - 1, "5m")]
        split = cache.call(prompt, marks, turn * 10.0, MODEL)
        read += split.read_tokens
        written += split.write_5m_tokens + split.write_1h_tokens
    return read, written


def recorded(turns: int) -> Ledger:
    """Return the ledger of a recorded run of the same shape."""
    first = Block(
        kind="user",
        name="text",
        digest="",
        section="messages",
        role="user",
        opens_message=True,
        features=Features(version=1, bytes=400, tokens={"o200k_base": 100}),
    )
    made, cached = [], 0
    for index in range(turns):
        count = BLOCKS_A_TURN + (0 if index else PREFIX_BLOCKS)
        kept = 0 if not index else PREFIX_BLOCKS + index * BLOCKS_A_TURN
        usage = Usage(cache_read_tokens=cached, cache_write_5m_tokens=100 * count, output_tokens=5)
        cached += 100 * count
        made.append(
            Turn(
                id=f"m{index}",
                context="c1",
                provider="anthropic",
                requested_model=MODEL,
                model=MODEL,
                started_at=datetime(2026, 9, 1, tzinfo=UTC) + timedelta(seconds=10 * index),
                duration_s=2.0,
                status="ok",
                usage=usage,
                added=tuple(replace(first, digest=f"{index}.{number}") for number in range(count)),
                base=index - 1 if index else None,
                kept=kept,
                breakpoints=(Breakpoint(kept + count - 1, "5m"),),
            )
        )
    return build_ledger(Run(tuple(made)), default_book())


def main(turns: int) -> None:
    for shared in (True, False):
        began_s = time.perf_counter()
        read, written = simulate(turns, shared=shared)
        took_s = time.perf_counter() - began_s
        how = "shared prefixes" if shared else "lists of blocks"
        print(f"{how}: {turns} turns in {took_s:.2f} s, {took_s / turns * 1e6:.0f} µs a turn")
        print(f"  read {read} tokens, written {written}")
    ledger = recorded(turns)
    began_s = time.perf_counter()
    outcomes = follow_cache(ledger)
    misses = sum(miss is not None for miss in explain_misses(ledger, outcomes))
    agreeing = sum(found is not None and found.agrees for found in predict_cache(ledger, outcomes))
    took_s = time.perf_counter() - began_s
    print(f"a recorded run: {took_s:.2f} s, {took_s / turns * 1e6:.0f} µs a turn")
    print(f"  {agreeing} predictions agree with the bill, {misses} misses")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)

"""Compare the cache simulator with the bills of recorded sessions: what was read and written, turn by turn.

`python benchmarks/pricing_sessions.py SESSION.jsonl…`

A transcript shows neither the system prompt nor the markers, so the bill gives the sizes of the prompt's
segments: what a turn appends to the one it extends is one segment, and what it shares with an earlier turn
keeps that turn's segments. Markers are assumed at the end of the hidden prompt and of the last segment. This
tests whether the rules and the bill agree on which segments are read and which are written.
"""

import sys
from collections import Counter
from pathlib import Path

from tokenprof.facts.types import Run, Turn, block_key
from tokenprof.pricing.cache.anthropic_cache import AnthropicCache
from tokenprof.pricing.cache.prompt_prefixes import CacheBlock
from tokenprof.reading.files import read


def segments_of(run: Run) -> list[list[CacheBlock]]:
    """Return each turn's cached prompt as segments; the first is the hidden one, sized by the first read."""
    prompts = [[block_key(block) for block in prompt] for prompt in run.prompts()]
    shared: dict[str, list[tuple[list[str], list[CacheBlock]]]] = {}
    found: list[list[CacheBlock]] = []
    for index, (turn, keys) in enumerate(zip(run.turns, prompts, strict=True)):
        cached = turn.usage.input_tokens - turn.usage.uncached_input_tokens if turn.usage else 0
        earlier = shared.setdefault(f"{turn.context} {turn.model}", [])
        base = max(
            (pair for pair in earlier if keys[: len(pair[0])] == pair[0]),
            key=lambda pair: len(pair[0]),
            default=None,
        )
        if base:
            segments = list(base[1])
        else:
            hidden = (
                earlier[0][1][0].tokens if earlier else (turn.usage.cache_read_tokens if turn.usage else 0)
            )
            segments = [CacheBlock(f"hidden {turn.model}", min(hidden, cached))]
        grown = cached - sum(segment.tokens for segment in segments)
        if grown > 0:
            segments.append(CacheBlock(f"turn {index}", grown))
        found.append(segments)
        earlier.append((keys, segments))
    return found


def compare(run: Run) -> tuple[int, list[tuple[int, str]]]:
    """Return how many turns were measured, and those where rules and bill differ, with the likely reason."""
    cache, measured, differing = AnthropicCache(), 0, []
    for index, (turn, segments) in enumerate(zip(run.turns, segments_of(run), strict=True)):
        usage = turn.usage
        if usage is None or not segments:
            continue
        measured += 1
        ttl = "1h" if usage.cache_write_1h_tokens else "5m"
        marks = [(place, ttl) for place in sorted({0, len(segments) - 1})]
        at_s = turn.started_at.timestamp()
        found = cache.lookup(segments, marks, at_s, turn.model)
        cache.commit(found, at_s)
        said = (found.split.read_tokens, found.split.write_5m_tokens, found.split.write_1h_tokens)
        billed = (usage.cache_read_tokens, usage.cache_write_5m_tokens, usage.cache_write_1h_tokens)
        if said != billed:
            differing.append((index, reason(turn, found.miss, said, billed)))
    return measured, differing


def reason(turn: Turn, miss: str | None, said: tuple[int, ...], billed: tuple[int, ...]) -> str:
    """Return why rules and bill may differ here, with both figures."""
    if miss == "first_use":
        why = "first call of a context: it reads what an earlier session wrote"
    elif billed[0] < said[0]:
        why = "less was read than the transcript's prefix allows: the request changed where it does not show"
    else:
        why = f"more was read than the rules give ({miss})"
    return f"{turn.model} {why}; rules {said}, bill {billed}"


def main(paths: list[str]) -> None:
    for path in paths:
        run = read([Path(path)])
        measured, differing = compare(run)
        exact = measured - len(differing)
        print(f"{Path(path).name}: {exact} of {measured} turns exactly, {exact / measured:.1%}")
        for index, why in differing:
            print(f"  turn {index}: {why}")
        print(f"  {dict(Counter(turn.model for turn in run.turns))}")


if __name__ == "__main__":
    main(sys.argv[1:])

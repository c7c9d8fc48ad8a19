"""Time to attribute a run against its number of turns: what is new per turn, or the context sent again?

    python benchmarks/made_conversations/attribution_scale.py [--turns 125,250,500,1000] [--blocks 6]

A context grows by a few blocks a turn, each prompt holds all of it. Twice the turns are twice the new
blocks and four times the blocks sent. The last column repeats the work in the naive way, walking every
prompt whole (drawing up each turn's shares), as a report that lists them has to.
"""

from __future__ import annotations

import argparse
import random
import time
from datetime import UTC, datetime, timedelta

from tokenprof.attribute import attribute
from tokenprof.facts.types import Block, Breakpoint, Features, Run, Turn
from tokenprof.pricing.usage import Usage

START = datetime(2026, 6, 1, tzinfo=UTC)
TRUE_TOKENS_PER_LOCAL = 1.2


def block(rng: random.Random, kind: str, role: str, number: int) -> Block:
    tokens = rng.randint(20, 800)
    link = f"call {number}" if kind == "tool_result" else None
    features = Features(1, bytes=4 * tokens, chars=4 * tokens, tokens={"o200k_base": tokens})
    section = "tools" if kind == "tool" else "messages"
    return Block(kind, f"{kind} {number}", f"{number:x}", section, role, number % 3 == 0, features, link)  # type: ignore[arg-type]


def conversation(turns: int, blocks_per_turn: int, seed: int = 0) -> Run:
    rng = random.Random(seed)
    numbers = iter(range(10_000_000))
    made: list[Turn] = []
    prompt_tokens = cached = 0
    kept = 0
    for index in range(turns):
        kinds = [("tool", "tools")] * 20 if index == 0 else []
        kinds += [("tool_call", "assistant"), ("tool_result", "user")] * (blocks_per_turn // 2)
        added = tuple(block(rng, kind, role, next(numbers)) for kind, role in kinds)
        prompt_tokens += round(sum(TRUE_TOKENS_PER_LOCAL * b.features.tokens["o200k_base"] for b in added))
        usage = Usage(
            0, cache_read_tokens=cached, cache_write_5m_tokens=prompt_tokens - cached, output_tokens=9
        )
        turn = Turn(
            id=f"msg_{index}",
            context="c",
            provider="anthropic",
            requested_model="claude-opus-4-8",
            model="claude-opus-4-8",
            started_at=START + timedelta(seconds=10 * index),
            duration_s=5.0,
            status="ok",
            usage=usage,
            added=added,
            base=index - 1 if index else None,
            kept=kept,
            breakpoints=(Breakpoint(kept + len(added) - 1, "5m"),),
        )
        made.append(turn)
        cached, kept = prompt_tokens, kept + len(added)
    return Run(tuple(made))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", default="125,250,500,1000,2000")
    parser.add_argument("--blocks", type=int, default=6, help="new blocks a turn")
    options = parser.parse_args()
    print("turns   new blocks   blocks sent   attribute   per turn   + every share drawn up")
    for turns in map(int, options.turns.split(",")):
        run = conversation(turns, options.blocks)
        attribute(run)
        started = time.perf_counter()
        attribution = attribute(run)
        attributed = time.perf_counter()
        sent = sum(len(tuple(shares)) for shares in attribution.shares)
        drawn_up = time.perf_counter()
        new = sum(len(turn.added) for turn in run.turns)
        print(
            f"{turns:5d}   {new:10,}   {sent:11,}   {attributed - started:7.2f} s   "
            f"{(attributed - started) / turns * 1e6:5.0f} µs   {drawn_up - started:7.2f} s"
        )


if __name__ == "__main__":
    main()

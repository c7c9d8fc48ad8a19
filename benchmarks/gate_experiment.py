"""How often the cost gate is wrong: simulated noisy runs of one agent, unchanged and changed.

    python benchmarks/gate_experiment.py [--pairs 500] [--runs 10] [--seed 0]

Each run takes 12 ± 2 turns; every tool result's size is lognormal (σ 0.25), every output too (σ 0.35). A
pair is a baseline of N runs and N new ones. The table gives, per change made to the new runs, how many
pairs were called a regression, and of those how often the first cause named is the block that was changed.
The second table doubles both σ.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tokenprof.analysis.analysis import Analysis
from tokenprof.facts.types import Block, Breakpoint, Features, Run, Turn
from tokenprof.gate.baseline import scenario_of
from tokenprof.gate.compare import compare
from tokenprof.gate.sample import RunSample, sample_of
from tokenprof.pricing.usage import Usage

START = datetime(2026, 6, 1, tzinfo=UTC)
RESULTS = {"search": 400.0, "read_file": 900.0, "run_tests": 250.0}
SCHEMAS = {"search": 140, "read_file": 120, "run_tests": 160, "send": 180, "plan": 220, "edit": 260}
OUTPUT_TOKENS = 120.0
SYSTEM_TOKENS = 2500


@dataclass(frozen=True)
class Agent:
    """The simulated agent, and how much its runs vary."""

    system_tokens: int = SYSTEM_TOKENS
    schema_factor: float = 1.0
    read_factor: float = 1.0
    result_sigma: float = 0.25
    output_sigma: float = 0.35


CHANGES: dict[str, tuple[Callable[[Agent], Agent], str | None]] = {
    "unchanged": (lambda agent: agent, None),
    "system prompt +10 %": (lambda a: replace(a, system_tokens=round(SYSTEM_TOKENS * 1.1)), "system main"),
    "one tool schema +10 %": (lambda agent: replace(agent, schema_factor=1.1), "tool plan"),
    "one tool's results +50 %": (lambda agent: replace(agent, read_factor=1.5), "tool_result read_file"),
}


def block(
    kind: str, name: str, tokens: int, section: str, role: str, digest: str, link: str | None = None
) -> Block:
    features = Features(1, bytes=4 * tokens, chars=4 * tokens, tokens={"o200k_base": tokens})
    return Block(kind, name, digest, section, role, kind != "tool", features, link)  # type: ignore[arg-type]


def sample(agent: Agent, rng: random.Random) -> RunSample:
    """One run of the agent, attributed and priced."""
    head = [
        block(
            "tool",
            name,
            round(tokens * (agent.schema_factor if name == "plan" else 1)),
            "tools",
            "tools",
            f"t{name}",
        )
        for name, tokens in SCHEMAS.items()
    ]
    head.append(block("system", "main", agent.system_tokens, "system", "system", "sys"))
    added = [*head, block("user", "user", 80, "messages", "user", "u")]
    turns: list[Turn] = []
    prompt_tokens = cached = kept = 0
    for index in range(max(round(rng.gauss(12, 2)), 4)):
        written = max(round(OUTPUT_TOKENS * rng.lognormvariate(0, agent.output_sigma)), 1)
        prompt_tokens += sum(b.features.tokens["o200k_base"] for b in added)
        usage = Usage(
            0, cache_read_tokens=cached, cache_write_5m_tokens=prompt_tokens - cached, output_tokens=written
        )
        tool = rng.choice(list(RESULTS))
        size = RESULTS[tool] * (agent.read_factor if tool == "read_file" else 1.0)
        size *= rng.lognormvariate(0, agent.result_sigma)
        call = block("tool_call", tool, written, "messages", "assistant", f"c{index}", f"call {index}")
        result = block(
            "tool_result", tool, max(round(size), 1), "messages", "user", f"r{rng.random()}", f"call {index}"
        )
        turns.append(
            Turn(
                id=f"m{index}",
                context="c",
                provider="anthropic",
                requested_model="claude-opus-4-8",
                model="claude-opus-4-8",
                started_at=START + timedelta(seconds=20 * index),
                duration_s=9.0,
                status="ok",
                usage=usage,
                added=tuple(added),
                output=(replace(call, kind="output"),),
                base=index - 1 if index else None,
                kept=kept,
                breakpoints=(Breakpoint(kept + len(added) - 1, "5m"),),
            )
        )
        cached, kept, added = prompt_tokens, kept + len(added), [call, result]
    return sample_of(Analysis(Run(tuple(turns))))


def experiment(agent: Agent, pairs: int, runs: int, rng: random.Random) -> dict[str, tuple[int, int, int]]:
    """Return, per change, how many pairs were regressions, named the block, and were undecided."""
    pool_size = max(40 * runs, 400)
    before = [sample(agent, rng) for _ in range(pool_size)]
    found = {}
    for name, (change, block_name) in CHANGES.items():
        after = [sample(change(agent), rng) for _ in range(pool_size)]
        regressions = named = undecided = 0
        for _ in range(pairs):
            verdict = compare(scenario_of(rng.sample(before, runs)), rng.sample(after, runs))
            undecided += verdict.status == "insufficient data"
            if verdict.status == "regression":
                regressions += 1
                named += bool(verdict.causes) and verdict.causes[0].block == block_name
        found[name] = (regressions, named, undecided)
    return found


def show(title: str, found: dict[str, tuple[int, int, int]], pairs: int) -> None:
    print(f"{title}\n{'change':28}{'regression':>12}{'right block named':>20}{'insufficient data':>20}")
    for name, (regressions, named, undecided) in found.items():
        right = f"{named / regressions:.1%}" if regressions and CHANGES[name][1] else "-"
        print(f"{name:28}{regressions / pairs:>12.1%}{right:>20}{undecided / pairs:>20.1%}")
    print()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    print(f"{options.pairs} pairs of {options.runs} against {options.runs} runs\n")
    for title, agent in (
        ("σ of results 0.25, of outputs 0.35", Agent()),
        ("σ twice as large", Agent(result_sigma=0.5, output_sigma=0.7)),
    ):
        rng = random.Random(options.seed)
        show(title, experiment(agent, options.pairs, options.runs, rng), options.pairs)


if __name__ == "__main__":
    main()

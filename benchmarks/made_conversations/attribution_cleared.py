"""How well blocks are sized after the provider has cleared old results of tools from the context.

    python benchmarks/made_conversations/attribution_cleared.py [--seeds 6]

Made tool loops whose true sizes are known. Above a limit, the oldest results are cleared, all but the last
three, as `clear_tool_uses` of the Messages API does; the requests do not show it. If no least number of
tokens is asked for (`all`), that happens at every call once the whole history is above the limit. Printed
are the shares of billed prompt tokens that lie on another block than the one they belong to, over all turns,
by seed: from the bills alone, then with the number of cleared results that the answers tell. Where nothing is
cleared, there must be no notes. Each size is a multiple of the local count that differs by up to `noise`
between blocks. The limits in `cleared_results` were chosen on the seeds 0 to 4; those printed begin at 100.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tokenprof.attribute import attribute
from tokenprof.facts.types import Block, Features, Run, Turn
from tokenprof.pricing.usage import Usage

START = datetime(2026, 6, 1, tzinfo=UTC)
MODEL = "claude-opus-4-8"
TRUE_TOKENS_PER_LOCAL = 1.3
TOKENS_OF_A_CALL, TOKENS_OF_A_MESSAGE = 14, 3
KEPT_RESULTS = 3
NEVER = 10**9
FIRST_SEED = 100

CASES = (
    # turns, cleared above, at least, noise
    (400, 100_000, 40_000, 0.05),
    (400, 100_000, 20_000, 0.05),
    (400, 100_000, 20_000, 0.2),
    (400, 100_000, NEVER, 0.05),
    (800, 60_000, 5_000, 0.05),
    (800, 60_000, 5_000, 0.2),
    (300, NEVER, 0, 0.2),
    (300, NEVER, 0, 0.5),
)


@dataclass
class ToolLoop:
    """A conversation, and the true size of each block of each of its prompts, 0 for a cleared one."""

    rng: random.Random
    noise: float
    prompt: list[Block] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    cleared: set[int] = field(default_factory=set)

    def add(self, kind: str, name: str, local_tokens: int) -> None:
        """Add a block to the prompt."""
        section = "system" if kind == "system" else "messages"
        role = {"system": "system", "tool_call": "assistant"}.get(kind, "user")
        link = name.split()[-1] if kind in ("tool_call", "tool_result") else None
        features = Features(1, 4 * local_tokens, 4 * local_tokens, tokens={"o200k_base": local_tokens})
        self.prompt.append(Block(kind, name, name, section, role, True, features, link))  # type: ignore[arg-type]
        ratio = TRUE_TOKENS_PER_LOCAL * (1 + self.rng.uniform(-self.noise, self.noise))
        own = TOKENS_OF_A_MESSAGE + (TOKENS_OF_A_CALL if kind == "tool_call" else 0)
        self.sizes.append(max(1, round(local_tokens * ratio)) + own)

    def present(self) -> list[int]:
        """The true size of each block in the prompt."""
        return [0 if at in self.cleared else size for at, size in enumerate(self.sizes)]

    def clear(self, at_least: int) -> None:
        """Clear the oldest results, as many as make up for so many tokens."""
        results = [at for at, block in enumerate(self.prompt) if block.kind == "tool_result"]
        gone = 0
        for at in results[:-KEPT_RESULTS]:
            if at not in self.cleared and gone < at_least:
                self.cleared.add(at)
                gone += self.sizes[at]


def made(
    turns: int, above: int, at_least: int, noise: float, seed: int, *, is_told: bool
) -> tuple[Run, list[dict[str, int]]]:
    """Return a run and the true sizes of each prompt, by the names of its blocks."""
    loop = ToolLoop(random.Random(seed), noise)
    loop.add("system", "system", 3_000)
    loop.add("user", "task", 200)
    found: list[Turn] = []
    truth: list[dict[str, int]] = []
    kept = cached = 0
    for number in range(turns):
        before = len(loop.cleared)
        if sum(loop.sizes if at_least == NEVER else loop.present()) > above:
            loop.clear(at_least)
        present = loop.present()
        whole = sum(present)
        if len(loop.cleared) > before:
            cached = sum(present[: sorted(loop.cleared)[before]])
        usage = Usage(cache_read_tokens=cached, cache_write_5m_tokens=whole - cached, output_tokens=100)
        found.append(
            Turn(
                id=f"r{number}",
                context="c",
                provider="anthropic",
                requested_model=MODEL,
                model=MODEL,
                started_at=START,
                status="ok",
                usage=usage,
                added=tuple(loop.prompt[kept:]),
                base=number - 1 if number else None,
                kept=kept,
                cleared_tool_uses=len(loop.cleared) if is_told else None,
            )
        )
        truth.append({block.name: size for block, size in zip(loop.prompt, present, strict=True)})
        cached, kept = whole, len(loop.prompt)
        loop.add("tool_call", f"call {number}", loop.rng.randint(20, 100))
        loop.add("tool_result", f"result {number}", int(min(loop.rng.lognormvariate(7, 1), 20_000)))
    return Run(tuple(found)), truth


def misplaced(run: Run, truth: list[dict[str, int]]) -> tuple[float, int]:
    """Return the share of prompt tokens on a wrong block, and the number of notes."""
    attributed = attribute(run)
    wrong = whole = 0
    for shares, true in zip(attributed.shares, truth, strict=True):
        held = dict.fromkeys(true, 0)
        for share in shares:
            name = attributed.blocks[share.block].block.name
            if share.cls != "output" and name in held:
                held[name] += share.tokens
        wrong += sum(abs(held[name] - size) for name, size in true.items())
        whole += sum(true.values())
    return wrong / 2 / whole, len(attributed.notes)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=6)
    seeds = range(FIRST_SEED, FIRST_SEED + parser.parse_args().seeds)
    print("turns  cleared above  at least  noise   misplaced, from the bills          notes   CPU, s   told")
    for turns, above, at_least, noise in CASES:
        began = time.process_time()
        results = [misplaced(*made(turns, above, at_least, noise, seed, is_told=False)) for seed in seeds]
        cpu_s = (time.process_time() - began) / len(results)
        told = [misplaced(*made(turns, above, at_least, noise, seed, is_told=True)) for seed in seeds]
        limit = "never" if above == NEVER else f"{above:,}"
        least = "all" if at_least == NEVER else f"{at_least:,}"
        case = f"{turns:5}  {limit:>13}  {least:>8}  {noise:5.0%}"
        shares, of_told = ("  ".join(f"{share:6.1%}" for share, _ in found) for found in (results, told))
        notes = sum(notes for _, notes in results)
        print(f"{case}   {shares}   {notes:5}   {cpu_s:6.2f}   {of_told}", flush=True)


if __name__ == "__main__":
    main()

"""Made-up conversations whose true block sizes are known, billed by the published caching rules.

Built straight as turns, without a server: a quick ground truth for properties of the attribution.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tokenprof.facts.types import Block, Breakpoint, Features, Run, Turn
from tokenprof.pricing.usage import Usage

START = datetime(2026, 9, 1, 12, tzinfo=UTC)
MODEL = "claude-opus-4-8"


@dataclass
class Truth:
    """A run and, per turn, the true tokens of each block of its prompt; hidden tokens apart."""

    run: Run
    sizes: list[list[int]] = field(default_factory=list)
    preamble_tokens: int = 0


def made_block(
    kind: str,
    name: str,
    text_tokens: int,
    *,
    opens: bool = False,
    role: str = "user",
    link: str | None = None,
) -> Block:
    section = {"tool": "tools", "system": "system"}.get(kind, "messages")
    return Block(
        kind=kind,
        name=name,
        digest=f"{kind}:{name}:{text_tokens}",
        section=section,
        role={"tools": "tools", "system": "system"}.get(section, role),
        opens_message=opens,
        features=Features(
            version=1, bytes=4 * text_tokens, chars=4 * text_tokens, tokens={"o200k_base": text_tokens}
        ),
        link=link,
    )


def conversation(
    seed: int,
    *,
    turns: int = 12,
    ratio: float = 1.3,
    noise: float = 0.04,
    caching: str = "two",
    preamble: int = 290,
) -> Truth:
    """A tool loop. `caching`: `none`, `one` (last block) or `two` (system 1 h, last block 5 m)."""
    rng = random.Random(seed)
    factor: dict[str, float] = {}

    def size_of(block: Block) -> int:
        local = block.features.tokens["o200k_base"]
        drawn = factor.setdefault(block.digest, ratio * (1 + rng.uniform(-noise, noise)))
        overhead = (3 if block.opens_message else 0) + (14 if block.kind == "tool_call" else 0)
        return max(1, round(local * drawn)) + overhead

    prompt = [made_block("tool", f"tool{i}", rng.randint(40, 400)) for i in range(6)]
    prompt.append(made_block("system", "system[0]", rng.randint(500, 3000), opens=True))
    system_at = len(prompt) - 1
    prompt.append(made_block("user", "user", rng.randint(20, 200), opens=True))
    made: list[Turn] = []
    sizes: list[list[int]] = []
    cached_until = 0
    kept = 0
    for index in range(turns):
        true = [size_of(block) for block in prompt]
        total = preamble + sum(true)
        answer = [
            made_block("assistant", "text", rng.randint(10, 120), opens=True, role="assistant"),
            made_block(
                "tool_call", f"tool{index % 6}", rng.randint(20, 80), role="assistant", link=f"t{index}"
            ),
        ]
        output = sum(size_of(block) for block in answer) - 3
        at_system = preamble + sum(true[: system_at + 1])
        usage, points = _bill(caching, total, at_system, cached_until, output, system_at, len(prompt) - 1)
        cached_until = 0 if caching == "none" else total
        made.append(
            Turn(
                id=f"msg_{seed}_{index}",
                context="c1",
                provider="anthropic",
                requested_model=MODEL,
                model=MODEL,
                started_at=START + timedelta(seconds=20 * index),
                duration_s=5.0,
                status="ok",
                usage=usage,
                added=tuple(prompt[kept:]),
                base=index - 1 if index else None,
                kept=kept,
                breakpoints=points,
            )
        )
        sizes.append(true)
        kept = len(prompt)
        prompt = [
            *prompt,
            *answer,
            made_block(
                "tool_result", f"tool{index % 6}", rng.randint(30, 3000), opens=True, link=f"t{index}"
            ),
        ]
    return Truth(Run(tuple(made)), sizes, preamble)


def _bill(
    caching: str, total: int, at_system: int, cached_until: int, output: int, system_at: int, last: int
) -> tuple[Usage, tuple[Breakpoint, ...]]:
    if caching == "none":
        return Usage(uncached_input_tokens=total, output_tokens=output), ()
    if caching == "one":
        usage = Usage(
            cache_read_tokens=cached_until, cache_write_5m_tokens=total - cached_until, output_tokens=output
        )
        return usage, (Breakpoint(last, "5m"),)
    points = (Breakpoint(system_at, "1h"), Breakpoint(last, "5m"))
    if cached_until:
        usage = Usage(
            cache_read_tokens=cached_until, cache_write_5m_tokens=total - cached_until, output_tokens=output
        )
        return usage, points
    return (
        Usage(cache_write_1h_tokens=at_system, cache_write_5m_tokens=total - at_system, output_tokens=output),
        points,
    )

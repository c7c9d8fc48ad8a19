"""Made-up runs of a tool loop, billed by prefix caching, in which one thing can be changed at a time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from tokenprof.facts.types import Block, Features, Run, Turn
from tokenprof.pricing.selectors import Selectors
from tokenprof.pricing.usage import Usage

START = datetime(2026, 9, 1, 12, tzinfo=UTC)
OPUS, SONNET = "claude-opus-4-8", "claude-sonnet-4-6"
TTL_S = 300


@dataclass(frozen=True)
class CallStep:
    """One model call: the tool it calls, the sizes of what it writes, and of what the tool returns."""

    tool: str
    text_tokens: int
    call_tokens: int
    result_tokens: int
    gap_s: int = 20


@dataclass(frozen=True)
class RunPlan:
    """A whole run. `changing_system` writes another system prompt of the same size in every call."""

    tools: dict[str, int]
    system_tokens: int
    task_tokens: int
    steps: tuple[CallStep, ...]
    model: str = OPUS
    agent: str | None = None
    batch: bool = False
    changing_system: bool = False
    start: datetime = START
    subagents: tuple[RunPlan, ...] = field(default=())


def plan(seed: int, *, calls: int | None = None) -> RunPlan:
    """Return a plan of 6 to 14 calls over five tools."""
    rng = random.Random(seed)
    tools = {f"tool{n}": rng.randint(60, 500) for n in range(5)}
    steps = [
        CallStep(f"tool{n % 5}", rng.randint(10, 150), rng.randint(20, 90), rng.randint(100, 2500))
        for n in range(calls or rng.randint(6, 14))
    ]
    return RunPlan(tools, rng.randint(800, 4000), rng.randint(30, 300), tuple(steps))


def jittered(original: RunPlan, seed: int) -> RunPlan:
    """Return the plan with every size moved by up to 1 %, as between two runs of one agent."""
    rng = random.Random(seed)

    def near(tokens: int) -> int:
        return max(1, round(tokens * rng.uniform(0.99, 1.01)))

    steps = tuple(
        replace(
            step,
            text_tokens=near(step.text_tokens),
            call_tokens=near(step.call_tokens),
            result_tokens=near(step.result_tokens),
        )
        for step in original.steps
    )
    return replace(original, steps=steps)


def run_of(*plans: RunPlan) -> Run:
    """Return the run of one or more agents, in time order."""
    turns: list[Turn] = []
    for number, each in enumerate(plans):
        turns += _turns(each, f"c{number}", len(turns))
    return Run(tuple(turns))


def _turns(own: RunPlan, context: str, offset: int) -> list[Turn]:
    system = block("system", "system", own.system_tokens, opens=True)
    prompt = [
        *(block("tool", name, size) for name, size in own.tools.items()),
        system,
        block("user", "user", own.task_tokens, opens=True),
    ]
    made: list[Turn] = []
    cached: list[Block] = []
    at = own.start
    for place, step in enumerate(own.steps):
        if own.changing_system and place:
            changed = block("system", "system", own.system_tokens, opens=True, digest=f"system:{place}")
            prompt = [changed if each.kind == "system" else each for each in prompt]
        if place:
            at += timedelta(seconds=step.gap_s)
        expired = place and step.gap_s > TTL_S
        kept = 0 if expired else _common(cached, prompt)
        read = sum(size(each) for each in prompt[:kept])
        written = sum(size(each) for each in prompt) - read
        wrote = [
            block("assistant", "text", step.text_tokens, opens=True, role="assistant"),
            block("tool_call", step.tool, step.call_tokens, role="assistant", link=f"{context}{place}"),
        ]
        same = _common(cached, prompt)
        made.append(
            Turn(
                id=f"{context}_{place}",
                context=context,
                agent=own.agent,
                provider="anthropic",
                requested_model=own.model,
                model=own.model,
                started_at=at,
                duration_s=5.0,
                status="ok",
                selectors=Selectors(batch=own.batch),
                usage=Usage(
                    cache_read_tokens=read,
                    cache_write_5m_tokens=written,
                    output_tokens=sum(size(each) for each in wrote),
                ),
                added=tuple(prompt[same:]),
                base=offset + place - 1 if same else None,
                kept=same,
                output=tuple(wrote),
            )
        )
        cached = prompt
        result = block("tool_result", step.tool, step.result_tokens, opens=True, link=f"{context}{place}")
        prompt = [*prompt, *wrote, result]
    return made


def _common(one: list[Block], other: list[Block]) -> int:
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def size(each: Block) -> int:
    """Return the billed size of a block: 1.2 tokens for each local one."""
    return round(1.2 * each.features.tokens["o200k_base"])


def block(
    kind: str,
    name: str,
    tokens: int,
    *,
    opens: bool = False,
    role: str = "user",
    link: str | None = None,
    digest: str | None = None,
) -> Block:
    """Return a block of a size by the local vocabulary."""
    section = {"tool": "tools", "system": "system"}.get(kind, "messages")
    return Block(
        kind=kind,
        name=name,
        digest=digest or f"{kind}:{name}:{tokens}:{link}",
        section=section,
        role={"tools": "tools", "system": "system"}.get(section, role),
        opens_message=opens,
        features=Features(version=1, bytes=4 * tokens, chars=4 * tokens, tokens={"o200k_base": tokens}),
        link=link,
    )

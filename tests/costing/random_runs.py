"""Runs drawn at random, to compare fast sums with a walk over every entry.

Their bills need not be right: prompts grow, branch, change in the middle and are compacted; usage of every
class is drawn, so that boundaries between classes cut blocks anywhere; some turns have no usage, some models
no price, and some blocks repeat a text.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from tokenprof.facts.types import Block, Breakpoint, Features, Run, Turn
from tokenprof.pricing.usage import Usage

START = datetime(2026, 6, 1, tzinfo=UTC)
MODELS = (
    ("anthropic", "claude-opus-4-8"),
    ("anthropic", "claude-haiku-4-5"),
    ("openai", "gpt-5.1"),
    ("deepseek", "deepseek-v3"),
    ("anthropic", "claude-unheard-of"),
    ("openai", "gpt-audio"),
)
KINDS = ("user", "tool_result", "document", "thinking", "assistant", "tool_call", "skill")
TEXTS = 12


def random_run(seed: int, turns: int = 14) -> Run:
    """Return a run of several contexts and models; the same seed makes the same run."""
    rng = random.Random(seed)
    made: list[Turn] = []
    prompts: list[list[Block]] = []
    for index in range(turns):
        base = rng.choice([None, *range(len(made))[-4:]]) if made and rng.random() < 0.9 else None
        before = prompts[base] if base is not None else []
        kept = len(before)
        if before and rng.random() < 0.3:
            kept = rng.randrange(1, len(before) + 1)
        if not kept:
            base = None
        tools = [_block(rng, "tool", f"tool{at}") for at in range(rng.randint(0, 4))] if base is None else []
        added = [
            *tools,
            *(_block(rng, rng.choice(KINDS), "") for _ in range(rng.randint(0 if kept else 1, 4))),
        ]
        prompt = [*before[:kept], *added]
        prompts.append(prompt)
        provider, model = (made[base].provider, made[base].model) if base is not None else rng.choice(MODELS)
        context = made[base].context if base is not None else f"c{rng.randrange(3)}"
        output = tuple(
            _block(rng, kind, "", role="reasoning" if kind == "thinking" else "assistant")
            for kind in rng.sample(("thinking", "output", "tool_call"), rng.randint(0, 3))
        )
        made.append(
            Turn(
                id=f"msg_{seed}_{index}",
                context=context,
                agent=rng.choice((None, "main", "helper")),
                provider=provider,
                requested_model=model,
                model=model,
                started_at=START + timedelta(seconds=30 * index),
                duration_s=rng.choice((None, 5.0)),
                status="ok",
                usage=None if rng.random() < 0.1 else _usage(rng, provider, model, prompt),
                output=output,
                breakpoints=(Breakpoint(len(prompt) - 1, "5m"),) if prompt and rng.random() < 0.5 else (),
                added=tuple(added),
                base=base,
                kept=kept if base is not None else 0,
                compacted=base is not None and rng.random() < 0.1,
            )
        )
    return Run(tuple(made))


def _usage(rng: random.Random, provider: str, model: str, prompt: list[Block]) -> Usage:
    """Return usage of about the prompt's size, its classes drawn at random."""
    tokens = round(sum(block.features.tokens["o200k_base"] for block in prompt) * rng.uniform(0.7, 1.4))
    if "audio" in model:
        written = rng.randint(0, 400)
        return Usage(
            uncached_input_tokens=tokens,
            audio_input_tokens=rng.randint(0, tokens),
            output_tokens=written,
            audio_output_tokens=rng.randint(0, written),
        )
    cuts = sorted(rng.randint(0, tokens) for _ in range(3))
    read, long, short, fresh = (b - a for a, b in zip([0, *cuts], [*cuts, tokens], strict=True))
    writes = {"cache_write_1h_tokens": long, "cache_write_5m_tokens": short}
    if provider != "anthropic":
        writes = {"uncached_input_tokens": long + short + fresh}
    elif rng.random() < 0.1:
        writes = {"cache_write_12h_tokens": long, "cache_write_tokens": short}
    return Usage(
        **({"uncached_input_tokens": fresh} | writes),
        cache_read_tokens=read,
        output_tokens=rng.randint(0, 400),
        reasoning_tokens=rng.choice((0, 0, 300)),
        fees=(("web_search", 2), ("unheard_of", 1))[: rng.choice((0, 0, 0, 1, 2))],
    )


def _block(rng: random.Random, kind: str, name: str, role: str = "") -> Block:
    text = rng.randrange(TEXTS)
    tokens = (0, 3, 70, 90, 120, 400, 1000, 80, 200, 5, 66, 1500)[text]
    section = "tools" if kind == "tool" else "messages"
    if not role:
        role = "tools" if kind == "tool" else "assistant" if kind in ("assistant", "tool_call") else "user"
    return Block(
        kind=kind,  # type: ignore[arg-type]
        name=name or f"{kind}{text % 3}",
        digest=f"text {text}",
        section=section,  # type: ignore[arg-type]
        role=role,
        opens_message=rng.random() < 0.5,
        features=Features(version=1, bytes=4 * tokens, chars=4 * tokens, tokens={"o200k_base": tokens}),
        link=f"call {rng.randrange(6)}" if kind in ("tool_call", "tool_result") else None,
    )

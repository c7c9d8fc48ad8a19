"""Samples of a made-up agent that is billed for all of its input afresh, at $5 and $25 a million tokens."""

from __future__ import annotations

from decimal import Decimal

from tokenprof.difference.cost_profile import (
    BilledTokens,
    CellKey,
    CostProfile,
    GroupBlocks,
    ServedModel,
)
from tokenprof.gate.sample import BlockGroup, RunSample

RATES = {"m": {"uncached_input": Decimal("0.000005"), "output": Decimal("0.000025")}}


def profile(
    turns: int, result_tokens: int, system_tokens: int, system_billed: int | None = None
) -> CostProfile:
    """All input is billed fresh: a system prompt in every call, and the results that came in."""
    served = ServedModel("", "m")

    def cell(tokens: int, cls: str = "uncached_input") -> dict[tuple[ServedModel, str], BilledTokens]:
        return {(served, cls): BilledTokens(tokens, tokens * RATES["m"][cls])}

    once = system_billed or system_tokens
    return CostProfile(
        cells={
            CellKey("", "system", "main", "entered"): cell(once),
            CellKey("", "system", "main", "carried"): cell(once * (turns - 1)),
            CellKey("", "tool_result", "read", "entered"): cell(result_tokens),
            CellKey("", "output", "text", "output"): cell(turns * 100, "output"),
        },
        prompt_blocks={
            ("", "system", "main"): GroupBlocks(1, system_tokens),
            ("", "tool_result", "read"): GroupBlocks(turns, result_tokens),
        },
        output_blocks={("", "output", "text"): GroupBlocks(turns, turns * 100)},
        turns={"": turns},
        contexts={"": 1},
        rates={served: RATES["m"]},
    )


def sample(turns: float = 10, result: float = 400, system: int = 2000, rates: object = RATES) -> RunSample:
    calls = round(turns)
    tokens = round(calls * result) + calls * system
    return RunSample(
        {
            "turns": Decimal(calls),
            "input_tokens": Decimal(tokens),
            "output_tokens": Decimal(calls * 100),
        },
        {"m": {"uncached_input": tokens, "output": calls * 100}},
        rates,  # type: ignore[arg-type]
        {
            "system main": BlockGroup("system", "main", 1, system),
            "tool_result read": BlockGroup("tool_result", "read", calls, round(calls * result)),
        },
        profile=profile(calls, round(calls * result), system),
    )

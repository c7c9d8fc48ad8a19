"""A newer chip of a maker serves the same work for less, though its hour costs more."""

from datetime import date

import pytest

from tokenprof.hw_model.cost import ServingSettings, TurnWork, scenario_for

TURN = TurnWork(cached_tokens=60_000, new_tokens=1_500, output_tokens=300)


def cost_usd(model: str, chip: str) -> float:
    """The median cost of an agent's call at the owner's hours, on the cheapest deployment of the chip."""
    scenario = scenario_for(
        "hosts",
        model,
        turns=[TURN] * 20,
        settings=ServingSettings(chip=chip),
        when=date(2026, 11, 22),
        draws=200,
    )
    parts = [scenario.features(TURN, part=part) for part in ("read", "prefill", "decode")]
    return scenario.usd(sum(parts)).mid


@pytest.mark.parametrize("model", ["deepseek-v3", "kimi-k2.6", "gpt-oss-120b", "llama-3.1-70b"])
def test_2_13_h200_is_cheaper_than_h100_and_b200_than_h200(model):
    h100, h200, b200 = (cost_usd(model, chip) for chip in ("h100", "h200", "b200"))
    assert b200 < h200 < h100

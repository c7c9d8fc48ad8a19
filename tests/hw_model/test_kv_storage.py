"""What keeping KV in host memory through gaps costs, by hand."""

import numpy as np
import pytest

from tokenprof.hw_model.cost import ServingSettings, TurnWork, scenario_for
from tokenprof.hw_model.kv_tiers import host_memory_usd

CALLS = [TurnWork(60_000, 1_500, 300, gap_s=10.0)] * 20


def test_a_gigabyte_for_an_hour_by_hand():
    # $6 a GB over 5 years at 10 % a year: 6 * 0.1 / (1 - 1.1 ** -5) = $1.583 a year, over 8,760 hours.
    found = host_memory_usd(np.array([1e5]), 1e4 * 3600.0)
    assert found.mid == pytest.approx(6 * 0.1 / (1 - 1.1**-5) / 8760)
    assert found.low == found.high == found.mid


def test_it_grows_with_tokens_and_seconds_and_with_the_bytes_of_a_token():
    small = host_memory_usd(np.array([1e5, 2e5, 4e5]), 1e6)
    assert small.low < small.mid < small.high
    assert host_memory_usd(np.array([1e5, 2e5, 4e5]), 2e6).mid == pytest.approx(2 * small.mid)
    assert host_memory_usd(np.array([1e5]), 0.0).high == 0.0


@pytest.mark.parametrize(
    ("settings", "known"),
    [
        # 61 layers of 576 at 16 bits; four hosts in five keep 8.
        (ServingSettings(), {70_272.0, 35_136.0}),
        (ServingSettings(deployment="kimi-k2.6@8xh200"), {35_136.0}),
    ],
)
def test_the_bytes_of_a_token_of_an_open_model_are_those_of_its_shape(settings, known):
    scenario = scenario_for("moonshotai", "kimi-k2.6", turns=CALLS, settings=settings, draws=50)
    assert set(scenario.kv_bytes_per_token.tolist()) == known


def test_those_of_a_closed_model_are_drawn():
    scenario = scenario_for("anthropic", "claude-opus-4-8", turns=CALLS, draws=50)
    drawn = scenario.drawn["KV bytes per token"] * np.where(scenario.drawn["KV precision"] > 0, 0.5, 1.0)
    assert scenario.kv_bytes_per_token == pytest.approx(drawn)
    assert len(set(scenario.kv_bytes_per_token.tolist())) > 40

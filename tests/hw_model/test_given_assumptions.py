"""What the user may say about the fleet: the share of its hours that are sold, and the price of an hour."""

import pytest

from tokenprof.hw_model.cost import AssumptionError, ServingSettings, TurnWork, scenario_for

TURNS = [TurnWork(20_000, 1_500, 400, duration_s=16.0)]
FIXED = ("deepseek", "deepseek-v3")
SAMPLED = ("anthropic", "claude-opus-4-8")


def decode_usd(scenario):
    return scenario.usd(scenario.features(TURNS[0], part="decode")).mid


def assumptions(scenario):
    return {row.name: row for row in scenario.description.assumptions}


@pytest.mark.parametrize("model", [FIXED, SAMPLED])
def test_a_given_price_of_an_hour_scales_the_cost(model):
    one, three = (
        scenario_for(*model, turns=TURNS, settings=ServingSettings(usd_per_gpu_hour=usd))
        for usd in (1.0, 3.0)
    )
    assert decode_usd(three) == pytest.approx(3 * decode_usd(one))


def test_given_figures_of_a_fixed_deployment_are_assumptions_with_their_source():
    scenario = scenario_for(
        *FIXED, turns=TURNS, settings=ServingSettings(utilisation=0.25, usd_per_gpu_hour=2.5)
    )
    rows = assumptions(scenario)
    assert (rows["utilisation"].value, rows["utilisation"].source) == (0.25, "given by the user")
    hour = rows["USD per accelerator-hour"]
    assert (hour.value, hour.source) == (2.5, "given by the user")
    # What the owner's hour is made of had no part in the cost.
    assert "cost of capital, a year" not in rows
    assert "USD per accelerator-hour, owned" not in rows


def test_given_figures_of_a_sampled_model_are_assumptions_with_their_source():
    scenario = scenario_for(
        *SAMPLED, turns=TURNS, settings=ServingSettings(utilisation=0.25, usd_per_gpu_hour=2.5), draws=200
    )
    rows = assumptions(scenario)
    assert rows["utilisation"].value == rows["utilisation"].low == rows["utilisation"].high == 0.25
    assert rows["utilisation"].source == rows["USD per accelerator-hour"].source == "given by the user"
    assert rows["USD per accelerator-hour"].value == 2.5
    assert "capital per accelerator" not in rows


def test_a_given_price_leaves_the_price_of_chips_out_of_what_drives_the_interval():
    work = scenario_for(*SAMPLED, turns=TURNS).features(TURNS[0], part="decode")
    owned, given = (
        scenario_for(*SAMPLED, turns=TURNS, settings=ServingSettings(usd_per_gpu_hour=usd))
        for usd in (None, 2.5)
    )
    owner = {"capital per accelerator", "cost of capital", "life, years"}
    assert owner <= {name for name, _ in owned.sensitivity(work)}
    assert not owner & {name for name, _ in given.sensitivity(work)}


@pytest.mark.parametrize("utilisation", [0.0, -0.5, 1.01, float("nan"), float("inf")])
def test_an_impossible_utilisation_is_refused(utilisation):
    with pytest.raises(AssumptionError, match=f"a utilisation of {utilisation} is not possible"):
        scenario_for(*FIXED, turns=TURNS, settings=ServingSettings(utilisation=utilisation))


@pytest.mark.parametrize("usd", [0.0, -2.0, float("nan"), float("inf")])
def test_an_impossible_price_of_an_hour_is_refused(usd):
    with pytest.raises(AssumptionError, match=f"{usd} USD per accelerator-hour is not possible"):
        scenario_for(*SAMPLED, turns=TURNS, settings=ServingSettings(usd_per_gpu_hour=usd))

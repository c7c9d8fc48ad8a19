"""Who serves a model, and whose accelerator-hours are paid."""

from datetime import date

import pytest

from tokenprof.costing.served_hours import Serving
from tokenprof.hw_model.cost import OWNED, ServingSettings, TurnWork, scenario_for
from tokenprof.pricing.chain.figures import ChainDataError

DAY = date(2026, 11, 1)
TURNS = [TurnWork(20_000, 1_500, 400)]


@pytest.mark.parametrize(
    ("provider", "model", "seller", "pays_rent"),
    [
        ("anthropic", "claude-opus-4-8", None, True),  # rents from clouds
        ("google", "gemini-3-pro", None, False),  # own racks
        ("anthropic", "claude-opus-4-8", "aws.bedrock", False),  # served on Amazon's racks
        ("deepseek", "deepseek-v4-pro", None, False),  # own cluster
        ("fireworks", "deepseek-v4-pro", None, True),
        ("openai", "kimi-k2.5", None, True),  # the API's shape does not show the host
        ("openai", "gpt-5.4", None, True),
        ("openai", "gpt-5.4", "openrouter", True),  # a reseller is not who serves
        ("acme", "kimi-k2.5", None, True),  # nobody has said: taken to rent
    ],
)
def test_whose_hours_are_paid_is_what_the_supplier_s_row_says(provider, model, seller, pays_rent):
    assert Serving().of_model(provider, model, seller, DAY).pays_rent is pays_rent
    assert Serving(hours="own").of_model(provider, model, seller, DAY).pays_rent is False
    assert Serving(hours="rent").of_model(provider, model, seller, DAY).pays_rent is True


def test_a_described_deployment_is_the_user_s_own_unless_it_is_rented():
    own = ServingSettings("kimi-k2.5@8xh200")
    assert Serving(own).of_model("openai", "gpt-5.4", None, DAY).pays_rent is False
    assert Serving(own, hours="rent").of_model("openai", "gpt-5.4", None, DAY).pays_rent is True


def test_rents_are_those_of_the_contract_and_the_day():
    rents = Serving().of_model("anthropic", "claude-opus-4-8", None, DAY).rents.by_chip
    assert (rents["H100"].low_usd, rents["H100"].mid_usd, rents["H100"].high_usd) == (1.3, 1.74, 2.35)
    before = Serving().of_model("anthropic", "claude-opus-4-8", None, date(2026, 1, 1)).rents.by_chip
    assert before["H100"].mid_usd == 1.7
    dear = Serving(contract="on demand").of_model("anthropic", "claude-opus-4-8", None, DAY).rents.by_chip
    assert dear["H100"].mid_usd > rents["H100"].mid_usd
    with pytest.raises(ChainDataError, match="Hours are not rented 'by the minute'"):
        Serving(contract="by the minute").of_model("anthropic", "claude-opus-4-8", None, DAY)


def test_a_rented_scenario_has_the_owner_s_floor_draw_by_draw():
    settings = Serving(ServingSettings(chip="B200")).of_model("anthropic", "claude-opus-4-8", None, DAY)
    scenario = scenario_for(
        "anthropic", "claude-opus-4-8", turns=TURNS, settings=settings, when=DAY, draws=300
    )
    hours = scenario.hours
    assert hours.basis.tenure == "rented"
    # Contracts of B200 read from 2.60 to 2.90 in 2026.
    assert 2.6 <= hours.paid_usd.min() <= hours.paid_usd.max() <= 2.9
    work = scenario.features(TURNS[0], part="decode")
    paid, owned = scenario.draws_usd(work), scenario.draws_usd(work, OWNED)
    assert owned == pytest.approx(paid * hours.owner.total_usd / hours.paid_usd)


def test_a_chip_without_a_rent_is_taken_at_the_usual_ratio_and_says_so():
    settings = Serving(ServingSettings(chip="Trainium2")).of_model("anthropic", "claude-opus-4-8", None, DAY)
    scenario = scenario_for(
        "anthropic", "claude-opus-4-8", turns=TURNS, settings=settings, when=DAY, draws=50
    )
    ratio = scenario.hours.paid_usd / scenario.hours.owner.total_usd
    assert ratio.max() == pytest.approx(ratio.min())
    assert ratio.max() > 1
    assert "no rent is known" in scenario.hours.basis.source

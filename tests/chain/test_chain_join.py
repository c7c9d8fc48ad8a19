"""A run's billed dollar followed down the chain: conservation, limiting cases, other choices."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from chain_runs import BOOK, DATA, GROWING, TASK, costed, run_of, task
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenprof.chain.chain import NothingToPushDownError, chain_of
from tokenprof.chain.chain_detail import chain_detail
from tokenprof.chain.choices import Choices
from tokenprof.chain.cost_shaped_price import cost_shaped
from tokenprof.chain.hardware_sweeps import at_utilisation, generations, on_chip, sweeps_of
from tokenprof.chain.kv_between_turns import kv_waiting
from tokenprof.chain.make_section import chain_section
from tokenprof.chain.owner_cost import hour_costs, owner_shares
from tokenprof.costing.compute import cost_to_compute
from tokenprof.costing.ledger import build_ledger
from tokenprof.costing.served_hours import Serving
from tokenprof.hw_model.catalogue.lookup import UnknownChipError, chips, find_chip
from tokenprof.hw_model.cost import ServingSettings
from tokenprof.hw_model.equations.gpu_hour import Ownership
from tokenprof.pricing.chain.figures import ChainDataError
from tokenprof.pricing.chain.layers import WaterfallStepName
from tokenprof.pricing.usage import Usage

OPEN = ("moonshotai", "kimi-k2.5", Usage(uncached_input_tokens=20_000, output_tokens=500))
CLOSED = ("anthropic", "claude-opus-4-8", Usage(cache_read_tokens=50_000, output_tokens=500))


def steps(chain) -> dict:
    return {step.name: step for step in chain.fall.steps}


@pytest.mark.parametrize("path", ["direct", "aggregator", "plan"])
@pytest.mark.parametrize("supplier", [None, "google", "fireworks"])
def test_the_middles_of_the_steps_are_what_was_paid_by_every_path(path, supplier):
    chain = chain_of(*task(supplier=supplier), DATA, Choices(path=path))
    assert sum(step.usd.mid for step in chain.fall.steps) == chain.paid_usd
    assert sum(step.usd.mid for step in chain.by_accounts.steps) == chain.paid_usd
    paid = {"direct": "7.5", "aggregator": "7.9125", "plan": "5"}[path]
    assert chain.paid_usd == Decimal(paid)
    assert chain.billed_usd == Decimal("7.5")


def test_chips_building_and_power_are_the_run_s_compute_as_the_report_states_it():
    _, hardware = TASK
    chain = chain_of(*TASK, DATA)
    parts = sum(steps(chain)[name].usd.mid for name in ("chips", "building", "power"))
    assert float(parts) == pytest.approx(hardware.usd(hardware.total, "owned").mid, rel=2e-3)
    paid = parts + steps(chain)["GPU-hour margin"].usd.mid
    assert float(paid) == pytest.approx(hardware.usd(hardware.total).mid, rel=2e-3)


def test_the_parts_of_an_hour_on_known_hardware_are_those_of_its_owner():
    _, hardware = costed(run_of(OPEN), "kimi-k2.5@h200")
    (scenario,) = hardware.scenarios.values()
    shares = {name: float(share[0]) for name, share in owner_shares(scenario).items()}
    assert sum(shares.values()) == pytest.approx(1)
    h200, owner = find_chip("h200"), Ownership()
    power = owner.load * h200.all_in_kw * owner.usd_per_kwh / owner.usd_per_chip_hour(h200)
    assert shares["power"] == pytest.approx(power)
    cost, over_owner = hour_costs(hardware.scenarios, hardware.total.by_model)
    power_part = cost.owner["power"]
    # What is uncertain is this model's own error, which moves all parts alike.
    for part in cost.owner.values():
        assert float(part.high / part.mid) == pytest.approx(float(power_part.high / power_part.mid), rel=1e-6)
        assert part.low < part.mid < part.high
    # H200 hours are rented for 1.825 a year and more in 2026, and cost their owner 1.59.
    assert float(over_owner.mid) == pytest.approx(1.825 / owner.usd_per_chip_hour(h200), rel=1e-3)


def test_an_integrated_supplier_s_gpu_hour_margin_is_shown_and_in_no_sum():
    same = Choices(training_per_revenue=Decimal("0.4"))
    rented = steps(chain_of(*TASK, DATA, same))
    served = task(supplier="google")
    owned = steps(chain_of(*served, DATA, same))
    assert rented["GPU-hour margin"].usd.mid > 0
    assert owned["GPU-hour margin"].usd.high == 0
    assert owned["GPU-hour margin"].internal_usd == rented["GPU-hour margin"].usd
    assert owned[WaterfallStepName.UNEXPLAINED].usd.mid > rented[WaterfallStepName.UNEXPLAINED].usd.mid
    kinds = [layer.sale.kind for layer in chain_of(*served, DATA).layers]
    # Chips are bought; racks and hours stay with their owner.
    assert kinds == ["market", "internal", "internal", "market"]


def test_under_a_plan_tokens_are_internal_and_the_session_is_what_is_sold():
    chain = chain_of(*TASK, DATA, Choices(path="plan"))
    found = [(layer.sale.layer, layer.sale.kind, layer.sells) for layer in chain.layers]
    assert found == [
        ("L0", "market", "accelerators"),
        ("L1", "internal", "racks with building and power"),
        ("L2", "market", "GPU-hours"),
        ("L3a", "internal", "tokens"),
        ("L4", "market", "a session of a plan"),
    ]
    assert chain.layers[-1].markup.price.mid == 5
    assert chain.layers[-1].markup.cost == chain.layers[-2].markup.cost


def test_an_aggregator_of_one_s_own_needs_no_supplier_row():
    own = replace(DATA.aggregator("openrouter"), name="mine", fee_share=Decimal("0.1"))
    data = replace(DATA, aggregators={"mine": own})
    chain = chain_of(*TASK, data, Choices(path="aggregator", aggregator="mine"))
    assert chain.paid_usd == Decimal("8.25")
    assert chain.layers[-1].sale.supplier == "mine"


def test_a_host_of_others_weights_pays_for_no_training():
    chain = chain_of(*task(supplier="fireworks"), DATA)
    assert steps(chain)["training"].usd.high == 0
    assert [layer.sale.layer for layer in chain.layers] == ["L0", "L1", "L2", "L3b"]


def test_chips_are_sold_at_what_the_step_of_chips_holds_less_servers_and_handed_on_at_cost():
    chain = chain_of(*TASK, DATA)
    chips, racks, hours, _ = chain.layers
    parts = chain.parts[WaterfallStepName.CHIPS]
    made = parts["memory (HBM)"].mid + parts["foundry, packaging and test"].mid
    assert chips.markup.cost.mid == made
    assert chips.markup.price.mid == made + parts["chip designer"].mid
    assert racks.markup.price == racks.markup.cost == hours.markup.cost


def test_plans_are_those_that_sell_the_run_s_models():
    names = {plan.plan.name for plan in chain_of(*TASK, DATA).plans}
    assert {"claude-pro", "claude-max", "copilot-pro"} <= names
    other = chain_of(*costed(run_of(OPEN)), DATA)
    assert {plan.plan.name for plan in other.plans} == {"copilot-pro"}
    assert other.prices.plan_usd is None
    with pytest.raises(ChainDataError, match="claude-max does not sell models of moonshotai"):
        chain_of(*costed(run_of(OPEN)), DATA, Choices(path="plan"))


def test_finer_parts_add_up_to_the_step_they_are_of():
    chain = chain_of(*TASK, DATA)
    for name, parts in chain.parts.items():
        whole = sum(part.mid for part in parts.values())
        assert abs(whole - steps(chain)[name].usd.mid) < Decimal("1e-9")
    assert set(chain.parts["chips"]) == {
        "memory (HBM)",
        "foundry, packaging and test",
        "chip designer",
        "servers and network",
    }


def test_a_chip_is_taken_apart_by_its_own_row_where_there_is_one():
    on_h100, on_h200 = (
        chain_of(*costed(run_of(OPEN), f"kimi-k2.5@{chip}"), DATA) for chip in ("h100", "h200")
    )
    assert on_h100.chip_price is DATA.chip_prices["H100"]
    assert on_h200.chip_price is DATA.chip_prices["B200"]
    # 1,350 of the H100's 32,100 of capital is memory, 4,100 servers and network.
    chips = steps(on_h100)["chips"].usd.mid
    assert float(on_h100.parts["chips"]["memory (HBM)"].mid / chips) == pytest.approx(1350 / 32100)
    assert float(on_h100.parts["chips"]["servers and network"].mid / chips) == pytest.approx(4.1 / 32.1)


def test_the_margin_is_what_compute_leaves_of_the_bill():
    chain = chain_of(*TASK, DATA)
    assert chain.inference_margin.mid == 1 - chain.compute_usd.mid / chain.billed_usd
    assert chain.all_in_margin.mid == steps(chain)[WaterfallStepName.UNEXPLAINED].usd.mid / chain.billed_usd
    assert chain.all_in_margin.mid < chain.inference_margin.mid


def test_margins_are_of_what_the_supplier_takes_in_by_every_path():
    for served in (TASK, task(supplier="google")):
        direct, resold, plan = (
            chain_of(*served, DATA, Choices(path=path)) for path in ("direct", "aggregator", "plan")
        )
        # A reseller's fee never reaches the supplier; under a plan the session's share is all that it gets.
        assert resold.inference_margin == direct.inference_margin
        assert plan.bill.revenue_usd == 5
        assert plan.inference_margin.mid == 1 - plan.compute_usd.mid / 5
        assert plan.all_in_margin.mid == steps(plan)[WaterfallStepName.UNEXPLAINED].usd.mid / 5
        assert all(chain.all_in_margin.high < 1 for chain in (direct, resold, plan))


def test_a_discount_is_a_step_of_its_own_and_no_revenue():
    chain = chain_of(*TASK, DATA, Choices(discount=Decimal("0.2")))
    assert steps(chain)[WaterfallStepName.DISCOUNT].usd.mid == Decimal("1.5")
    assert chain.bill.revenue_usd == 6
    assert sum(step.usd.mid for step in chain.fall.steps) == Decimal("7.5")
    assert sum(step.usd.mid for step in chain.by_accounts.steps) == Decimal("7.5")


def test_training_is_recovered_from_the_revenue_of_the_period():
    # 42 % of a lab's spend; Anthropic spent 10.341 for 10.9 of revenue in the latest period.
    chain = chain_of(*TASK, DATA)
    assert float(steps(chain)["training"].usd.mid) == pytest.approx(7.5 * 0.42 * 10.341 / 10.9)
    given = chain_of(*TASK, DATA, Choices(training_per_revenue=Decimal("0.1")))
    assert steps(given)["training"].usd.mid == Decimal("0.75")


def test_by_accounts_a_lab_spends_42_percent_on_training_and_28_on_inference():
    chain = chain_of(*TASK, DATA)
    found = {step.name: step.usd.mid for step in chain.by_accounts.steps}
    spent = sum(usd for name, usd in found.items() if name != WaterfallStepName.RESULT)
    assert float(found["training"] / spent) == pytest.approx(0.42)
    hours = sum(found[name] for name in ("GPU-hour margin", "chips", "building", "power"))
    assert float(hours / spent) == pytest.approx(0.28)


def test_a_plan_cannot_be_shared_by_no_run():
    with pytest.raises(ValueError, match="cannot be shared by 0 runs a month; choose at least 1"):
        Choices(sessions_per_month=0)


def test_a_plan_breaks_even_sooner_against_list_price_than_against_compute():
    chain = chain_of(*TASK, DATA, Choices(sessions_per_month=40))
    found = {item.plan.name: item for item in chain.plans}
    assert found["claude-max"].break_even_sessions == 14  # 14 x 7.50 is the first to reach 100
    assert found["claude-max"].usd_per_session == Decimal("2.5")
    assert found["claude-max"].sessions_at_compute_cost.mid == 100 / chain.compute_usd.mid


@pytest.mark.parametrize(("anchor", "usd"), [("deepseek-v3", "0.168"), ("deepseek-v4-flash", "0.056")])
def test_the_spread_over_an_anchor_reads_cached_tokens_at_its_cache_rate(anchor, usd):
    spread = chain_of(*TASK, DATA, Choices(anchor=anchor)).spreads[anchor]
    # 10 M cached tokens at 0.014 or 0.0028, and 0.1 M of output at 0.28
    assert spread.anchor_usd == Decimal(usd)
    named = (
        spread.efficiency_loss,
        spread.training_amortisation,
        spread.brand_premium,
        spread.residual,
    )
    assert sum(part.mid for part in named) == spread.spread_usd == Decimal("7.5") - Decimal(usd)


def test_turns_without_price_or_model_are_left_out_and_counted():
    unknown = ("anthropic", "claude-opus-77", Usage(uncached_input_tokens=10, output_tokens=10))
    chain = chain_of(*costed(run_of(CLOSED, unknown)), DATA)
    assert (chain.turns, chain.left_out) == (1, 1)
    assert chain.billed_usd == Decimal("0.0375")  # 50k at 0.5 and 500 at 25
    nothing = costed(run_of(unknown))
    with pytest.raises(NothingToPushDownError, match="no turn has both"):
        chain_of(*nothing, DATA)
    assert chain_section(*nothing) is None
    only_a_fee = ("anthropic", "claude-opus-4-8", Usage(fees=(("web_search", 1),)))
    assert chain_section(*costed(run_of(only_a_fee))) is None
    with_a_fee = chain_of(*costed(run_of(CLOSED, only_a_fee)), DATA)
    assert with_a_fee.billed_usd == Decimal("0.0475")


def test_a_run_on_two_providers_follows_each_by_its_own_supplier():
    chain = chain_of(*costed(run_of(CLOSED, OPEN, CLOSED)), DATA)
    assert {name: server.name for name, server in chain.servers.items()} == {
        "anthropic": "anthropic",
        "moonshotai": "moonshotai",
    }
    assert all(server.trains and server.hours.tenure == "rented" for server in chain.servers.values())
    assert sum(step.usd.mid for step in chain.fall.steps) == chain.billed_usd
    alone = chain_of(*costed(run_of(CLOSED, CLOSED)), DATA)
    assert steps(chain)["power"].usd.mid > steps(alone)["power"].usd.mid


def test_several_closed_models_move_to_another_chip_together():
    small = ("anthropic", "claude-haiku-4-5", Usage(cache_read_tokens=9_000, output_tokens=200))
    ledger, hardware = costed(run_of(CLOSED, small, OPEN))
    chips_of_both = generations(hardware)
    # The open model's hosts and Anthropic's fleet have these in common.
    assert chips_of_both == ["H100", "H200", "B200", "GB200", "GB300", "VR200"]
    for name in ("H200", "B200"):
        moved = on_chip(ledger.run, hardware, name)
        assert moved is not None
        alone = [moved.usd(work).mid for work in moved.turns]
        assert max(alone) < moved.usd(moved.total).mid < 3 * max(alone)


def test_half_the_utilisation_doubles_the_cost_of_known_hardware():
    ledger, hardware = costed(run_of(OPEN))
    half, full = (at_utilisation(ledger.run, hardware, share) for share in (0.5, 1.0))
    assert half.usd(half.total).mid == pytest.approx(2 * full.usd(full.total).mid)
    with pytest.raises(ValueError, match=r"a utilisation of 1\.5 is not possible"):
        at_utilisation(ledger.run, hardware, 1.5)


def test_generations_of_a_closed_model_are_its_maker_s_and_the_next_ones():
    ledger, hardware = TASK
    assert generations(hardware) == [
        "H100", "H200", "B200", "GB200", "GB300", "TPU v6e", "TPU v7", "Trainium2", "VR200",
    ]  # fmt: skip
    moved = on_chip(ledger.run, hardware, "gb200")
    assert moved is not None
    (scenario,) = moved.scenarios.values()
    assert set(np.unique(scenario.drawn["chip"])) == {float(list(chips()).index("GB200"))}
    with pytest.raises(UnknownChipError):
        on_chip(ledger.run, hardware, "abacus")


def test_an_open_model_on_a_given_deployment_moves_to_what_an_operator_would_choose_on_a_chip():
    ledger, hardware = costed(run_of(OPEN), "kimi-k2.5@16xh100")
    moved = on_chip(ledger.run, hardware, "gb200")
    assert moved is not None
    (scenario,) = moved.scenarios.values()
    assert scenario.sampled
    assert {list(chips())[int(index)] for index in scenario.drawn["chip"]} == {"GB200"}


def test_a_cost_shaped_bill_has_the_same_total_to_the_last_decimal():
    for ledger, hardware in (TASK, GROWING, costed(run_of(CLOSED, OPEN, CLOSED))):
        turns = cost_shaped(ledger, hardware)
        assert sum(turn.shaped_usd.mid for turn in turns) == sum(ledger.billed_usd)
        assert [turn.billed_usd for turn in turns] == list(ledger.billed_usd)


def test_equal_turns_are_shaped_equally():
    shaped = {turn.shaped_usd.mid for turn in cost_shaped(*TASK)}
    assert max(shaped) - min(shaped) < Decimal("1e-9")
    assert float(min(shaped)) == pytest.approx(7.5 / 50)


def test_the_shape_charges_a_re_sent_prompt_less_than_the_list_and_a_fresh_one_more():
    fresh = ("anthropic", "claude-opus-4-8", Usage(uncached_input_tokens=100_000, output_tokens=10))
    resent = ("anthropic", "claude-opus-4-8", Usage(cache_read_tokens=100_000, output_tokens=10))
    first, *others = cost_shaped(*costed(run_of(fresh, *[resent] * 30)))
    assert first.shaped_usd.mid > first.billed_usd
    assert all(turn.shaped_usd.mid < turn.billed_usd for turn in others)


def test_an_output_token_costs_by_the_context_before_it():
    short = ("anthropic", "claude-opus-4-8", Usage(cache_read_tokens=1_000, output_tokens=1_000))
    long = ("anthropic", "claude-opus-4-8", Usage(cache_read_tokens=150_000, output_tokens=1_000))
    first, second = cost_shaped(*costed(run_of(short, long), "kimi-k2.5@8xh200"))
    assert second.shaped_usd.mid > first.shaped_usd.mid


def test_gaps_are_kept_further_out_the_longer_they_last():
    places = []
    for gap_s in (12.0, 40_000.0):
        ledger, _ = costed(run_of(CLOSED, CLOSED, gap_s=gap_s))
        (gap,) = kv_waiting(ledger).gaps
        assert gap.gap_s == gap_s - 2
        # Nothing was written to the cache, so nothing is billed for keeping it.
        assert gap.billed_keeping_usd == 0
        assert gap.usd.mid <= gap.kept_usd["5m"].mid
        places.append(gap.cheapest)
    # For 11 hours, all sessions that wait as long would not fit on an SSD.
    assert places == ["host", "drop"]


def test_keeping_kv_is_billed_by_what_writes_cost_beyond_fresh_input():
    written = Usage(cache_write_5m_tokens=40_000, cache_write_1h_tokens=10_000, output_tokens=10)
    ledger, _ = costed(run_of(("anthropic", "claude-opus-4-8", written), CLOSED))
    (gap,) = kv_waiting(ledger).gaps
    # Input at 5 per million: 40k tokens at 1.25 times that and 10k at twice that.
    assert gap.billed_keeping_usd == Decimal("0.05") + Decimal("0.05")


def test_the_kv_of_an_open_model_is_its_own():
    ledger, _ = costed(run_of(OPEN, OPEN, gap_s=12.0))
    assert kv_waiting(ledger).deployment.startswith("kimi-k2.5@")
    assert kv_waiting(ledger).deployment.endswith("xh200")


def test_a_fleet_that_is_sold_less_pays_more_to_hold_kv():
    ledger, _ = costed(run_of(CLOSED, CLOSED, gap_s=12.0))
    usual, same, idle = (
        kv_waiting(ledger, ServingSettings(utilisation=share)).gaps[0] for share in (None, 0.5, 0.25)
    )
    assert usual == same
    assert idle.usd.mid > usual.usd.mid


def test_the_user_s_price_of_an_hour_holds_in_every_sweep_and_gap():
    ledger = build_ledger(run_of(OPEN, OPEN, gap_s=12.0), BOOK)
    half, whole = (
        chain_detail(
            ledger,
            cost_to_compute(ledger, serving=Serving(ServingSettings(usd_per_gpu_hour=usd))),
            {},
        )
        for usd in (2.0, 4.0)
    )
    for sweep in ("utilisation", "generations"):
        steps_of_both = zip(getattr(half.sweeps, sweep), getattr(whole.sweeps, sweep), strict=True)
        for cheap, twice in steps_of_both:
            assert twice.cost.hardware_usd.mid == pytest.approx(2 * cheap.cost.hardware_usd.mid)
    assert whole.waiting.gaps[0].usd.mid > half.waiting.gaps[0].usd.mid


def test_sweeps_cost_and_bill_the_followed_turns_alone():
    unpriced, unmodelled = (
        (*model, Usage(uncached_input_tokens=10, output_tokens=10))
        for model in (("anthropic", "claude-opus-77"), ("acme", "mystery-1"))
    )
    alone = sweeps_of(*costed(run_of(CLOSED)))
    assert sweeps_of(*costed(run_of(unpriced, CLOSED))).utilisation == alone.utilisation
    assert sweeps_of(*costed(run_of(unmodelled, CLOSED))) == alone
    half = next(step.cost for step in alone.utilisation if step.utilisation == 0.5)
    assert half.hardware_usd is not None
    assert half.price_to_cost is not None
    assert half.price_to_cost.mid == 0.0375 / half.hardware_usd.mid


def test_the_contract_of_the_rental_decides_the_gpu_hour_margin():
    contract, on_demand = (chain_of(*task(contract=terms), DATA) for terms in ("contract", "on demand"))
    margins = [steps(chain)["GPU-hour margin"].usd.mid for chain in (contract, on_demand)]
    assert margins[1] > margins[0] > 0
    assert on_demand.rental_per_owner_cost.high > contract.rental_per_owner_cost.high


def test_another_figure_in_the_data_file_changes_the_result():
    share = DATA.share("training_of_spend")
    free = replace(share, value=share.value.exactly(0))
    chain = chain_of(*TASK, replace(DATA, shares={**DATA.shares, "training_of_spend": free}))
    assert steps(chain)["training"].usd.high == 0


CALLS = st.builds(
    Usage,
    uncached_input_tokens=st.integers(0, 50_000),
    cache_read_tokens=st.integers(0, 150_000),
    cache_write_5m_tokens=st.integers(0, 20_000),
    output_tokens=st.integers(1, 5_000),
)
MODELS = st.sampled_from([CLOSED[:2], ("anthropic", "claude-haiku-4-5"), OPEN[:2]])


@settings(max_examples=20)
@given(
    st.lists(st.tuples(MODELS, CALLS), min_size=1, max_size=6),
    st.sampled_from(["direct", "aggregator", "plan"]),
    st.sampled_from([None, "google", "fireworks"]),
    st.sampled_from([None, "own", "rent"]),
    # At a million sessions a month a plan pays next to nothing, and margins are far below 0.
    st.sampled_from([1, 20, 1_000_000]),
    st.sampled_from([None, Decimal("0.25")]),
)
def test_dollars_are_conserved_whatever_was_called(calls, path, supplier, hours, sessions, discount):
    usages = [
        replace(usage, cache_write_5m_tokens=0) if provider == "moonshotai" else usage
        for (provider, _), usage in calls
    ]
    run = run_of(*((*model, use) for (model, _), use in zip(calls, usages, strict=True)))
    ledger, hardware = costed(run, supplier=supplier, hours=hours)
    # copilot-pro sells models of any provider.
    chosen = Choices(path=path, plan="copilot-pro", sessions_per_month=sessions, discount=discount)
    chain = chain_of(ledger, hardware, DATA, chosen)
    for fall in (chain.fall, chain.by_accounts):
        assert sum(step.usd.mid for step in fall.steps) == chain.paid_usd
        assert fall.steps[0].usd.mid >= 0
        assert all(step.usd.low <= step.usd.mid <= step.usd.high for step in fall.steps)
    shaped = cost_shaped(ledger, hardware)
    assert sum(turn.shaped_usd.mid for turn in shaped) == chain.billed_usd
    assert all(turn.shaped_usd.low >= 0 for turn in shaped)

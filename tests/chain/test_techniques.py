"""The same run with and without each technique of serving, and with slower and faster tools."""

import pytest
from chain_runs import DATA, TASK, costed, run_of

from tokenprof.chain.techniques import MLA, technique_costs, with_option
from tokenprof.chain.tool_latency import tool_latency
from tokenprof.pricing.usage import Usage

AGENT = Usage(cache_read_tokens=60_000, uncached_input_tokens=2_000, output_tokens=400)
LATENT = costed(run_of(*[("moonshotai", "kimi-k2.5", AGENT)] * 3))
GROUPED = costed(run_of(*[("groq", "openai/gpt-oss-120b", AGENT)] * 3))


def rows_of(run):
    return {row.name: row for row in technique_costs(*run)}


CLOSED_ROWS, LATENT_ROWS, GROUPED_ROWS = map(rows_of, (TASK, LATENT, GROUPED))


@pytest.mark.parametrize("rows", [CLOSED_ROWS, LATENT_ROWS, GROUPED_ROWS])
def test_caching_and_smaller_weights_make_a_run_of_long_prompts_cheaper(rows):
    # Without a cache, 200k or 60k tokens are computed again in each turn: at least five times the work.
    assert rows["prompt cache"].factor < 0.2
    assert rows["8-bit weights, not 16"].factor < 0.95


def test_what_is_not_published_is_said_to_be_conditional():
    assert all(row.conditional for row in CLOSED_ROWS.values())
    assert not any(row.conditional for row in LATENT_ROWS.values())


def test_the_share_in_use_is_that_of_the_draws_of_the_report():
    ((_, hardware),) = [TASK]
    (scenario,) = hardware.scenarios.values()
    assert CLOSED_ROWS["drafted tokens"].in_use == pytest.approx(
        (scenario.drawn["speculative decoding"] == 1.0).mean()
    )
    # A quarter of the draws has latent attention, before the run's clock is looked at.
    assert 0.1 < CLOSED_ROWS[MLA].in_use < 0.4


def test_a_model_without_latent_attention_has_no_row_for_it():
    assert MLA in LATENT_ROWS
    assert MLA not in GROUPED_ROWS


def test_a_deployment_given_in_full_changes_by_its_own_options():
    rows = rows_of(costed(run_of(*[("moonshotai", "kimi-k2.5", AGENT)] * 3), "kimi-k2.5@16xh200"))
    assert set(rows) == {
        "prompt cache",
        "drafted tokens",
        "8-bit KV, not 16",
        "8-bit weights, not 16",
        "4-bit weights, not 8",
    }
    assert all(row.in_use is None for row in rows.values())
    # What is left is this model's own error, and a deployment that changes nothing else keeps its width.
    bf16, fp8 = rows["8-bit KV, not 16"].without_usd, rows["8-bit KV, not 16"].with_usd
    assert fp8.low < fp8.mid < bf16.mid
    assert fp8.high / fp8.low == pytest.approx(bf16.high / bf16.low)


@pytest.mark.parametrize(
    ("deployment", "option", "text"),
    [
        ("kimi-k2.6@8xh200", "mtp=3", "kimi-k2.6@8xh200:mtp=3"),
        ("kimi-k2.6@8xh200:mtp=2,dp=8", "mtp=", "kimi-k2.6@8xh200:dp=8"),
        ("kimi-k2.6@8xh200:mtp=2", "mtp=", "kimi-k2.6@8xh200"),
        ("kimi-k2.6@8xh200:weights=fp8", "weights=fp4", "kimi-k2.6@8xh200:weights=fp4"),
    ],
)
def test_an_option_of_a_deployment_is_set_once(deployment, option, text):
    assert with_option(deployment, option) == text


def test_slower_tools_cost_more_to_wait_for():
    latency = tool_latency(*TASK, DATA)
    assert latency.gaps == 49
    kept = [step.kept_usd.mid for step in latency.steps]
    assert kept[0] > 0
    assert kept == sorted(kept)
    first, *_, last = latency.steps
    assert last.hardware_usd.mid >= first.hardware_usd.mid
    # A round trip of 0.08 s is a little shorter than the step of 0.1 s.
    assert 0 < latency.round_trip_usd.mid <= kept[0]


def test_a_core_for_tools_costs_its_hours():
    run = costed(run_of(*[("anthropic", "claude-opus-4-8", AGENT)] * 3, gap_s=1802.0))
    latency = tool_latency(*run, DATA)
    # Two gaps of half an hour each, at $0.041 an hour.
    assert latency.gaps_s == 3600.0
    assert float(latency.core_usd.mid) == pytest.approx(0.041)


def test_a_run_of_one_call_has_no_tool_to_wait_for():
    assert tool_latency(*costed(run_of(("anthropic", "claude-opus-4-8", AGENT))), DATA) is None

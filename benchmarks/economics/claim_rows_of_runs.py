"""Rows of docs/claims.md that are computed for recorded runs; `claims.py` prints them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from claim_rows import DATA, DOLLAR, RESPONSE, SUPPLY, TOKENS, Row, cents, off

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import resolve_assumptions
from tokenprof.chain.techniques import TechniqueCost, technique_costs
from tokenprof.chain.tool_latency import tool_latency
from tokenprof.commands.prices.launch_prices import launch_prices
from tokenprof.hw_model.catalogue.lookup import find_chip
from tokenprof.hw_model.economics import Operation, unit_cost
from tokenprof.hw_model.equations.deployment_text import parse_deployment
from tokenprof.hw_model.equations.gpu_hour import Ownership
from tokenprof.pricing.book import default_book
from tokenprof.pricing.chain.layers import WaterfallStepName
from tokenprof.reading.files import read

NAMES = WaterfallStepName


def at(said: dict[str, str], path: Path) -> Analysis:
    """Return a run with some settings."""
    return Analysis(read([path]), resolve_assumptions(settings=said, environ={}))


def compute_usd(analysis: Analysis) -> float:
    """Return the middle of a run's compute [USD]."""
    cost = analysis.totals.hardware_usd
    assert cost is not None
    return cost.mid


def _technique(rows: dict[str, TechniqueCost], name: str) -> str:
    row = rows.get(name)
    factor = None if row is None else row.factor
    return "no row" if row is None or factor is None else f"×{factor:.2f}"


def run_rows(demo: Path, session: Path) -> Iterator[Row]:
    """Yield what is computed for the demo and for the session."""
    own, real = at({}, demo), at({}, session)
    chain = real.chain
    assert chain is not None
    assert chain.bridge is not None
    assert chain.posterior_bridge is not None
    fall = {step.name: step for step in chain.waterfall}
    accounts = {step.name: step for step in chain.by_accounts}
    hours = (NAMES.GPU_HOUR_MARGIN, NAMES.CHIPS, NAMES.BUILDING, NAMES.POWER)
    layers = ", ".join(f"{layer.layer} {layer.sells}" for layer in chain.layers)
    yield Row(
        1,
        "four layers by unit of trade",
        "`chain RUN`, “Layer by layer”",
        layers,
        "racks, GPU-hours, tokens, tokens or plans",
        "none; chips are a layer more",
        "token-economics, supply-chain",
    )
    costs = [compute_usd(at({"utilisation": share}, demo)) for share in ("0.3", "0.5", "0.8")]
    yield Row(
        14,
        "utilisation of clusters",
        "`sweep RUN --over utilisation=0.3,0.5,0.8`",
        "demo: " + ", ".join(f"${c:.4f}" for c in costs) + "; training clusters are not modelled",
        "—",
        "no figure published",
        SUPPLY,
    )
    spread = chain.spreads[0]
    yield Row(
        16,
        "break-even anchor $0.14/$0.28",
        "`chain RUN`, “Over a price taken to break even”",
        f"session: {float(chain.billed_usd / spread.anchor_usd):.0f} times the anchor; "
        f"{cents(spread.residual_usd.mid / spread.spread_usd)} of the spread not explained",
        "spread split named, not given",
        "no figure published",
        TOKENS,
    )
    plan = at({"path": "plan"}, session).chain
    assert plan is not None
    yield Row(
        20,
        "subscription and credit",
        "`chain RUN --path plan`",
        f"session: ${plan.paid_usd:.2f} of claude-max at 20 runs a month; margins are of what the plan "
        "takes in",
        "—",
        "no figure published",
        TOKENS,
    )
    ledger, hardware = real.ledger, real.hardware
    found = {row.name: row for row in technique_costs(ledger, hardware)}
    closed = "conditional: the model is closed"
    yield Row(
        27,
        "speculative decoding",
        "`chain RUN`, techniques; `hw ask techniques`",
        f"session {_technique(found, 'drafted tokens')}; DeepSeek-V3 on 8 H200 {_drafts():.2f}",
        "cheaper",
        f"same direction in general; {closed}",
        SUPPLY,
    )
    yield Row(
        28,
        "KV sharing",
        "`chain RUN`, techniques",
        f"prompt cache {_technique(found, 'prompt cache')}",
        "cheaper",
        "same direction; sharing between users is not modelled",
        SUPPLY,
    )
    yield Row(
        29,
        "prompts and decoding apart",
        "`chain RUN`, techniques",
        f"split pools {_technique(found, 'split pools')}",
        "cheaper",
        f"same direction; {closed}",
        SUPPLY,
    )
    yield Row(
        30,
        "FP8, FP4",
        "`chain RUN`, techniques",
        f"8 bits {_technique(found, '8-bit weights, not 16')}, 4 bits "
        f"{_technique(found, '4-bit weights, not 8')} more",
        "cheaper",
        f"same direction; {closed}",
        SUPPLY,
    )
    yield Row(
        31,
        "MLA",
        "`chain RUN`, techniques",
        f"session {_technique(found, 'latent attention (MLA)')} against grouped-query attention",
        "cheaper",
        f"opposite at {hardware.works[-1].cached_tokens / 1e3:.0f}k tokens: fewer bytes, more arithmetic; "
        f"{closed}",
        SUPPLY,
    )
    prices = {row.model: row for row in launch_prices(default_book())}
    newest = prices["gpt-5.5"].agent_usd_per_mtok / prices["gpt-5"].agent_usd_per_mtok
    yield Row(
        32,
        "price competition",
        "`prices trend`",
        f"an agent's blend since the first: GPT-5 ×{prices['gpt-5'].to_first}, Opus 4.5 "
        f"×{prices['claude-opus-4-5'].to_first}, DeepSeek V3.2 "
        f"×{[r for r in prices.values() if r.family == 'DeepSeek'][-1].to_first}; GPT-5.5 over GPT-5 "
        f"×{newest:.1f}",
        "falls",
        "same direction at OpenAI and Anthropic until GPT-5.5; not at DeepSeek",
        SUPPLY,
    )
    yield Row(
        33,
        "revenue of labs",
        "`chain RUN`, by accounts",
        "Anthropic $10.9B a quarter (2026-Q2, projected), OpenAI $13B (2025)",
        "$30B run rate, $13–14B",
        "other dates",
        SUPPLY,
    )
    exact = sum(step.usd.mid for step in chain.waterfall) == chain.paid_usd
    yield Row(
        34,
        "follow one dollar",
        "`chain RUN`, two waterfalls",
        f"steps sum to the bill to the last decimal: {'yes' if exact else 'NO'}",
        "—",
        "no figure published",
        DOLLAR,
    )
    inference = float(sum(accounts[n].share.mid for n in hours if n in accounts))
    level = float(chain.bridge.steps[-1].level_after)
    post = float(chain.posterior_bridge.steps[-1].level_after)
    yield Row(
        35,
        "42 % training, 28 % inference of spend",
        "`chain RUN`, second waterfall and bridge",
        f"by accounts {cents(accounts[NAMES.TRAINING].share.mid)} and {cents(inference)} of revenue, by "
        f"construction; bottom up inference is {cents(level)} ({cents(post)} with evidence)",
        f"{cents(inference)} of revenue",
        f"bottom up {off(level, inference)}, with evidence {off(post, inference)}",
        DOLLAR,
    )
    inner, outer = chain.inference_margin, chain.all_in_margin
    assert inner is not None
    assert outer is not None
    yield Row(
        36,
        "inference margin 38 % → mid-60s",
        "`chain RUN`, margins and bridge",
        f"{cents(inner.mid)} ({100 * inner.low:.0f}–{100 * inner.high:.0f}) of list",
        "38–70 % of revenue",
        f"bridge: ×{float(chain.bridge.residual):.2f} not explained "
        f"(×{float(chain.posterior_bridge.residual):.2f} with evidence)",
        DOLLAR,
    )
    yield Row(
        37,
        "all-in margin",
        "`chain RUN`, “after training too”",
        f"{cents(outer.mid)} ({100 * outer.low:.0f} to {100 * outer.high:.0f})",
        "a figure to watch",
        "no figure published",
        DOLLAR,
    )
    yield Row(
        39,
        "a request is several model turns",
        "`report RUN`, first line",
        f"demo: {len(own.ledger.run.turns)} turns",
        "3",
        off(len(own.ledger.run.turns), 3),
        RESPONSE,
    )
    parts = {name: real.hardware.usd(work) for name, work in real.hardware.classes.items()}
    total = sum(each.mid for each in parts.values() if each)
    answers = sum(parts[n].mid for n in ("output", "reasoning") if parts.get(n)) / total  # type: ignore[union-attr]
    reads = parts["cache_read"].mid / total  # type: ignore[union-attr]
    yield Row(
        56,
        "cost of prompts against answers",
        "`report RUN`, price classes",
        f"session: answers {cents(answers)}, reading the cache {cents(reads)}, new prompt "
        f"{cents(1 - answers - reads)} of compute",
        "—",
        "no figure published",
        RESPONSE,
    )
    latency = tool_latency(ledger, hardware, DATA)
    assert latency is not None
    steps = {step.latency_s: step for step in latency.steps}
    slow, quick = steps[300.0], steps[0.1]
    assert slow.hardware_usd is not None
    assert quick.hardware_usd is not None
    yield Row(
        65,
        "tool latency; tools beside the GPU",
        "`chain RUN`, “slower and faster tools”",
        "session: tools of 300 s instead of 0.1 s cost "
        f"×{slow.hardware_usd.mid / quick.hardware_usd.mid:.2f} of compute; KV through a round trip of "
        f"0.08 s ${latency.round_trip_usd.mid:.5f}, a core for the gaps ${latency.core_usd.mid:.4f}",
        "worth moving tools beside the GPU",
        "not for KV alone: the core costs more than it saves",
        RESPONSE,
    )
    yield Row(
        71,
        "about 70 % inference margin",
        "`chain RUN`",
        f"cost {cents(level)} of revenue ({cents(post)} with evidence)",
        "30 %",
        f"{off(level, 0.30)}, with evidence {off(post, 0.30)}",
        RESPONSE,
    )
    listed = DATA.plan("claude-max")
    assert listed.api_usd_at_limit is not None
    capped = float(listed.api_usd_at_limit / listed.usd_per_month)
    claude = next(p for p in chain.plans if p.plan == "claude-max")
    yield Row(
        72,
        "$100 plan",
        "`chain RUN`, three paths",
        f"session: breaks even at {claude.break_even_sessions} runs a month, limits allow "
        f"{claude.sessions_at_limit} at list price",
        "20–40 times its price in API value",
        f"{capped:.1f} times at the caps (she-llac): {off(capped, 20)} of the lower end",
        RESPONSE,
    )
    models = ("fireworks/deepseek-v4-pro",)
    other = at({"model": models[0]}, demo)
    mine, theirs = own.totals.billed_usd, other.totals.billed_usd
    assert mine is not None
    assert theirs is not None
    yield Row(
        73,
        "open weights on US hosts",
        "`sweep RUN --over model=…`",
        f"demo: Opus 4.8 ${float(mine):.3f}, DeepSeek V4 Pro at Fireworks ${float(theirs):.3f} "
        f"({cents(theirs / mine)})",
        "1/3 of input, 1/6 of output price",
        "inside 1/6–1/3" if 1 / 6 <= float(theirs / mine) <= 1 / 3 else "outside 1/6–1/3",
        RESPONSE,
    )
    yield Row(
        74,
        "running a model is not astronomical",
        "the same sweep",
        f"demo: compute ${compute_usd(own):.4f} and ${compute_usd(other):.4f}",
        "“high, not astronomical”",
        "same direction",
        RESPONSE,
    )
    yield Row(
        75,
        "cheaper to run at an open model's price",
        "the same sweep",
        "demo: a lab with the open model's compute at its own price would keep "
        f"{cents(1 - compute_usd(other) / float(mine))}, now {cents(1 - compute_usd(own) / float(mine))}",
        "—",
        "no figure published",
        RESPONSE,
    )
    yield Row(
        77, "$650B of build-out", "`hw ask buildout`", _buildout(), "—", "no figure published", RESPONSE
    )
    dry = at({"training-share": "0"}, session).chain
    assert dry is not None
    moved = dry.waterfall[2].share.mid - fall[NAMES.UNEXPLAINED].share.mid
    yield Row(
        78,
        "training dries up",
        "`chain RUN --set training-share=0`",
        f"session: {100 * float(moved):.0f} points more of a dollar are not explained",
        "a price without R&D",
        "no figure published",
        RESPONSE,
    )


def _drafts() -> float:
    said = Operation(64_000.0, tokens_per_s=30.0, utilisation=0.5)
    with_drafts, without = (
        unit_cost(parse_deployment(f"deepseek-v3@8xh200{o}"), said) for o in (":mtp=3", "")
    )
    return with_drafts.output_usd_per_m / without.output_usd_per_m


def _buildout() -> str:
    chip = find_chip("gb200")
    a_year = 650 * Ownership().usd_per_chip_hour(chip) * 8760 / chip.capex_usd[1]
    chips_m = 650e9 / chip.capex_usd[1] / 1e6
    return f"{chips_m:.1f} M GB200, ${a_year:,.0f}B a year, ${a_year / 0.7:,.0f}B to earn"

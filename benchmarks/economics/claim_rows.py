"""Rows of docs/claims.md that need only the catalogue, the equations and the chain file; `claims.py` "
"prints them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tokenprof.chain.kv_between_turns import waiting_session
from tokenprof.commands.hw.ask_pages import Supposed, generations
from tokenprof.commands.hw.paid_hour import PaidHour
from tokenprof.hw_model.catalogue.lookup import find_chip, find_model, racks
from tokenprof.hw_model.economics import Operation, quadratic_crossover_tokens, unit_cost
from tokenprof.hw_model.equations.deployment_text import parse_deployment
from tokenprof.hw_model.equations.gpu_hour import Ownership
from tokenprof.hw_model.kv_tiers import tiers_of
from tokenprof.pricing.chain.chain_file import load_chain_data

DATA = load_chain_data()
TOKENS, SUPPLY, DOLLAR, RESPONSE = "token-economics", "supply-chain", "one-dollar", "every-response"


@dataclass(frozen=True)
class Row:
    """One claim: our figure and the published one, both in words, and how far they are apart."""

    number: int
    claim: str
    command: str
    ours: str
    published: str
    difference: str
    source: str


def off(ours: float, published: float) -> str:
    """Return how far our figure is from the published one, in percent, or as a factor if it is far."""
    ratio = ours / published
    if 0.5 <= ratio <= 2.0:
        return "none" if abs(ratio - 1) < 0.005 else f"{100 * (ratio - 1):+.0f} %"
    return f"×{ratio:.2g}"


def cents(value: object) -> str:
    """Return a share of a dollar in percent."""
    return f"{100 * float(value):.1f} %"  # type: ignore[arg-type]


def hardware_rows() -> Iterator[Row]:
    """Yield what needs only the catalogue, the equations and the chain file."""
    h100, gb200 = find_chip("h100"), find_chip("gb200")
    chips = int(1000 / h100.all_in_kw)
    yield Row(
        5,
        "750 H100 in 1 MW",
        "`hw ask megawatt`",
        f"{chips} at {h100.all_in_kw:.2f} kW at the meter",
        "750 (1.33 kW)",
        off(chips, 750),
        TOKENS,
    )
    yield Row(
        6,
        "PUE 1.1–1.3, $0.05–0.12/kWh",
        "`hw ask megawatt --set usd-per-kwh=0.12`",
        f"PUE {h100.all_in_kw / 1.37:.2f} over 1.37 kW of IT; power drawn from $0.05–0.12",
        "1.1–1.3",
        "inside",
        TOKENS,
    )
    parts = {name: float(row.value.mid) for name, row in DATA.building_parts.items()}
    electrical = sum(v for n, v in parts.items() if n in ("electrical", "cooling")) / sum(parts.values())
    yield Row(
        8,
        "electrical and cooling 70 % of a building",
        "`chain RUN`, “building:”",
        cents(electrical),
        "70 %",
        f"{100 * electrical - 70:+.1f} points",
        SUPPLY,
    )
    rack = 72 * gb200.capex_usd[1] / 1e6
    yield Row(
        9,
        "GB200 rack $3M",
        "`hw show gb200`",
        f"72 × ${gb200.capex_usd[1]:,.0f} = ${rack:.2f}M with network",
        "$3M",
        off(rack, 3),
        TOKENS,
    )
    usual, free = Ownership(), Ownership(cost_of_capital=0.0, life_years=5.0, usd_per_kwh=0.08)
    hour, bare = usual.usd_per_chip_hour(h100), free.usd_per_chip_hour(h100)
    yield Row(
        11,
        "an H100-hour without cost of capital, chips over 5 years",
        "`hw ask megawatt --set life-years=5 --set cost-of-capital=0`",
        f"${bare:.2f}; ${hour:.2f} at 10 % over 4 years, as used",
        "$1.00",
        off(bare, 1.0),
        TOKENS,
    )
    rent = float(DATA.rental("H100", "contract").usd.mid)
    yield Row(
        13,
        "rent 2–3 times the floor of an H100-hour",
        "`hw hours`",
        f"{rent / 1.0:.2f} times the floor of $1.00, {rent / hour:.2f} times the owner's hour with capital",
        "2–3",
        f"{100 * (rent / 2 - 1):+.0f} % below the range: rents fell",
        TOKENS,
    )
    margin = DATA.applications["AI products, mean of a survey"].value
    b200 = DATA.chip_prices["B200"]
    designer = 1 - float((b200.hbm_usd.mid + b200.foundry_usd.mid) / b200.price_usd.mid)
    yield Row(
        21,
        "applications have the highest mark-up",
        "`chain RUN`, “Resold inside an application”",
        f"gross margin {cents(margin.mid)} (price {1 / (1 - float(margin.mid)):.2f} × cost); chip designer "
        f"{cents(designer)}, labs' inference 70 %",
        "highest of the layers",
        "not borne out: the third of three",
        TOKENS,
    )
    card, x402 = (
        DATA.payments[n] for n in ("card (Stripe, each call by itself)", "x402 (Coinbase's facilitator)")
    )
    yield Row(
        22,
        "payments per call (x402, Tempo MPP)",
        "`chain RUN --tool-price NAME=USD`",
        f"fee of a call at $0.01: x402 ${x402.fee_usd(1, x402.usd_per_payment * 10):f}, MPP session "
        f"$0.00001 each at 100 calls, card ${card.fee_usd(1, x402.usd_per_payment * 10):f}",
        "per-call payments become possible",
        "same direction: the card's fee is 300 times the x402 fee",
        SUPPLY,
    )
    yield Row(
        23,
        "vertical integration",
        "`chain --examples`, vert-1; `chain RUN --supplier NAME`",
        f"{len(DATA.suppliers)} suppliers with rows",
        "five directions",
        "all five have a row",
        "all on the chain",
    )
    owner = usual.usd_per_chip_hour(gb200) * 8760 / gb200.capex_usd[1]
    yield Row(
        24,
        "$60B of revenue against $1,000B of capital",
        "`hw ask buildout`",
        f"the capital costs ${1000 * owner:,.0f}B a year and must earn ${1000 * owner / 0.7:,.0f}B",
        "6 % a year",
        f"revenue is {cents(60 / (1000 * owner / 0.7))} of what must be earned",
        SUPPLY,
    )
    page = generations(Supposed(PaidHour(usual)))
    costs = {
        line.split("  ")[0].strip(): line.split()[-2]
        for line in page.splitlines()
        if line[:2] in ("H1", "B2", "VR")
    }
    yield Row(
        26,
        "unit cost falls H100 → B200 → Rubin",
        "`hw ask generations`",
        f"{costs['H100']} → {costs['B200']} → {costs['VR200']} $/M output, owned",
        "falls",
        "same direction",
        SUPPLY,
    )
    yield from _shape_rows()


def _shape_rows() -> Iterator[Row]:
    kimi, gpt3 = find_model("kimi-k2.6"), find_model("gpt-3")
    yield Row(
        49,
        "GPT-3: 174 B parameters",
        "`hw show gpt-3`",
        f"{gpt3.total_parameters / 1e9:.1f} B",
        "174 B",
        off(gpt3.total_parameters / 1e9, 174),
        RESPONSE,
    )
    yield Row(
        50,
        "Kimi 2 TB at 16 bits",
        "`hw ask racks`",
        f"{kimi.weight_bytes('bf16') / 1e12:.2f} TB; {kimi.weight_bytes() / 1e9:.0f} GB as served (int4)",
        "2 TB",
        off(kimi.weight_bytes("bf16") / 1e12, 2.0),
        RESPONSE,
    )
    yield Row(
        51,
        "64 GFLOP a token",
        "`hw show kimi-k2.6`",
        f"{kimi.flops_per_token / 1e9:.1f}",
        "64",
        off(kimi.flops_per_token / 1e9, 64),
        RESPONSE,
    )
    rack = parse_deployment("kimi-k2.6@72xgb200")
    chat, agent = (unit_cost(rack, Operation(t, tokens_per_s=30.0)) for t in (30_000.0, 200_000.0))
    memory = kimi.kv_bytes(200_000) / kimi.kv_bytes(30_000)
    yield Row(
        54,
        "an agent is a seventh of a chatbot",
        "`hw ask agent-against-chatbot`, `hw ask racks`",
        f"1/{chat.batch / agent.batch:.1f} at 30 tokens/s; 1/{memory:.1f} by memory alone",
        "1/7",
        f"{off(1 / memory, 1 / 7)} by memory",
        RESPONSE,
    )
    yield Row(
        55,
        "prompts grow with the square, decoding linearly",
        "`hw ask agent-against-chatbot`",
        f"attention overtakes the linear layers at {quadratic_crossover_tokens(kimi) / 1e3:.0f}k tokens",
        "—",
        "no figure published",
        RESPONSE,
    )
    domains = sorted({r.chips for r in racks().values()})
    yield Row(
        60,
        "domains of 72, 144, 576",
        "`hw ask racks`",
        ", ".join(map(str, domains)),
        "8, 72, 144, 576",
        "none",
        RESPONSE,
    )
    hbm = [f"{find_chip(n).hbm_bytes / 1e9:.0f}" for n in ("h100", "h200", "b200", "gb200", "gb300")]
    yield Row(
        61,
        "HBM 80 → 288 GB",
        "`hw ask generations`",
        ", ".join(hbm),
        "80, 141, 192, 288",
        "B200 has 180 usable, GB200 192",
        RESPONSE,
    )
    link = find_chip("gb200").link_bytes_per_s / 1e12
    yield Row(
        62,
        "1.8 TB/s of NVLink",
        "`hw show gb200`",
        f"{link:.1f} TB/s one way, {2 * link:.1f} both ways",
        "1.8 both ways",
        off(2 * link, 1.8),
        RESPONSE,
    )
    box = parse_deployment("kimi-k2.5@8xh200")
    session = waiting_session(box, 200_000.0)
    host, ssd = tiers_of(box.chip)
    wait = session.kv_bytes / (host.bytes_per_s * session.accelerators)
    yield Row(
        63,
        "a user's KV sits on one GPU",
        "`chain RUN`, “Keeping the KV cache”",
        f"on {session.accelerators} of 8 accelerators: {session.kv_bytes / 1e9:.1f} GB move in {wait:.2f} s",
        "one GPU",
        "none",
        RESPONSE,
    )
    yield Row(
        64,
        "HBM → CPU → SSD",
        "`chain --examples`, ttl-1",
        f"{box.chip.hbm_bytes_per_s / 1e9:,.0f}, {host.bytes_per_s / 1e9:.0f} and "
        f"{ssd.bytes_per_s / 1e9:.0f} GB/s; DRAM ${host.usd_per_gb:g} and SSD ${ssd.usd_per_gb:g} a GB",
        "order of the tiers",
        "same; prices assumed",
        RESPONSE,
    )
    fits = {r.name: 0.92 * r.hbm_bytes >= 30e12 * 0.5 for r in racks().values()}
    yield Row(
        66,
        "30T does not fit an NVL72",
        "`hw ask racks`",
        f"at 4 bits: GB200 NVL72 {'fits' if fits['GB200 NVL72'] else 'does not fit'}, GB300 NVL72 "
        f"{'fits' if fits['GB300 NVL72'] else 'does not fit'}",
        "does not fit",
        "none on GB200; not so on GB300",
        RESPONSE,
    )

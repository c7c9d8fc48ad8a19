"""What a build-out has to earn: published capital spending against what it costs a year, and revenue."""

from __future__ import annotations

from typing import Final

from tokenprof.commands.console.tables import Cell, percent, table
from tokenprof.commands.hw.ask_pages import Supposed, paragraphs

RACK_CHIP: Final = "GB200"
REVENUE: Final = "revenue of a supply-chain analysis"


def buildout(said: Supposed) -> str:
    """Return what published capital spending buys, costs a year, and would have to take in."""
    from tokenprof.hw_model.catalogue.lookup import find_chip
    from tokenprof.hw_model.equations.gpu_hour import HOURS_PER_YEAR
    from tokenprof.pricing.chain.chain_file import load_chain_data

    data, chip = load_chain_data(), find_chip(RACK_CHIP)
    revenue = data.buildouts[REVENUE]
    shares = [data.share(name).value for name in ("training_of_spend", "inference_of_spend")]
    upstream = float(sum(share.mid for share in shares))
    hour = said.hour.usd(chip)
    rows: list[tuple[Cell, ...]] = []
    sources = []
    for name, row in data.buildouts.items():
        if not name.startswith("capex"):
            continue
        for usd_bn in dict.fromkeys((row.value.low, row.value.mid, row.value.high)):
            chips_m = float(usd_bn) * 1e9 / chip.capex_usd[1] / 1e6
            a_year = chips_m * hour * HOURS_PER_YEAR / 1e3
            needed = a_year / upstream
            rows.append(
                (
                    f"${usd_bn:,}B",
                    f"{chips_m:.1f}",
                    f"{chips_m * chip.all_in_kw:.0f}",
                    f"{a_year:,.0f}",
                    f"{needed:,.0f}",
                    percent(float(revenue.value.mid) / needed),
                    percent(float(revenue.value.mid / usd_bn)),
                )
            )
        sources.append(f"{name}: {row.source}.")
    heads = ("capital", "M chips", "GW", "$B a year", "must earn", "earned", "of capital")
    return (
        "What does a build-out have to earn?\n\n"
        + table(heads, rows)
        + paragraphs(
            f"All of the capital is taken to buy {RACK_CHIP} with server and network, "
            f"${chip.capex_usd[1]:,.0f} each; land and shells come on top and are in the yearly cost as "
            f"colocation. $B a year: {said.hour.in_words}, every hour of it, sold or not.",
            f"Must earn: revenue in $B a year if {100 * upstream:.0f} % of a lab's spending goes to compute, "
            "training and inference together (42 % and 28 %: Follow One Dollar of AI Spend), and it "
            "breaks even. "
            f"Earned: ${revenue.value.mid:g}B of revenue against that. Of capital: the same against the "
            "capital, the published comparison (about 6 % a year). Spending of a year is not yet all in "
            "service, and much of it serves other products than tokens, so these are upper ends of the gap.",
            *sources,
            f"revenue: {revenue.source}.",
        )
    )

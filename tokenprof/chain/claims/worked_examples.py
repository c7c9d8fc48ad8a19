"""Every published claim about the bill and the chain, recomputed: the rows of `tokenprof chain --examples`.

Rows that need only prices and the chain file are in `tokenprof.pricing.chain.published_claims`. The ids of
claims and of the analyses that they come from are those of the tables in docs/chain.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tokenprof.chain.claims.example_serving_rows import serving_rows
from tokenprof.chain.claims.example_site_rows import site_rows
from tokenprof.chain.claims.example_task_rows import task_rows
from tokenprof.pricing.book import PriceBook
from tokenprof.pricing.chain.figures import ChainData
from tokenprof.pricing.chain.published_claims import Example, examples

EVERY_RESPONSE: Final = "every-response"
TOKEN_ECONOMICS: Final = "token-economics"
SUPPLY_CHAIN: Final = "supply-chain"
ONE_DOLLAR: Final = "one-dollar"

CHAIN_ANALYSES: Final = (TOKEN_ECONOMICS, SUPPLY_CHAIN, ONE_DOLLAR)

CLAIM_SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "bill-1": (EVERY_RESPONSE,),
    "bill-2": (EVERY_RESPONSE,),
    "bill-3": (EVERY_RESPONSE,),
    "bill-4": (EVERY_RESPONSE,),
    "bill-5": (EVERY_RESPONSE,),
    "bill-6": (EVERY_RESPONSE,),
    "hold-1": (EVERY_RESPONSE,),
    "shape-1": (EVERY_RESPONSE,),
    "ttl-1": (EVERY_RESPONSE,),
    "margin-1": (EVERY_RESPONSE, ONE_DOLLAR),
    "margin-2": (ONE_DOLLAR,),
    "open-1": (EVERY_RESPONSE,),
    "sub-1": (EVERY_RESPONSE,),
    "l1-1": (TOKEN_ECONOMICS,),
    "l1-2": (TOKEN_ECONOMICS,),
    "l1-3": (TOKEN_ECONOMICS,),
    "l1-4": (TOKEN_ECONOMICS,),
    "l1-5": (TOKEN_ECONOMICS,),
    "l1-6": (TOKEN_ECONOMICS,),
    "l2-1": (TOKEN_ECONOMICS,),
    "l3-1": CHAIN_ANALYSES,
    "l3-2": (TOKEN_ECONOMICS,),
    "l3-3": CHAIN_ANALYSES,
    "l4-1": CHAIN_ANALYSES,
    "l4-2": (SUPPLY_CHAIN,),
    "vert-1": CHAIN_ANALYSES,
    "dollar-1": (ONE_DOLLAR,),
    "util-1": (SUPPLY_CHAIN,),
    "traj-1": CHAIN_ANALYSES,
}
"""The analyses that each claim is drawn from, in the order in which they make the claims."""


def all_examples(book: PriceBook, figures: ChainData) -> tuple[Example, ...]:
    """Return every claim in the order of the analyses: what was published, our own figure, the difference.

    Raises `LookupError` if the price book lacks a model that a claim is about, and
    `pricing.chain.figures.ChainDataError` for a name that the chain file lacks.
    """
    rows = [
        *examples(book, figures),
        *site_rows(figures),
        *task_rows(book, figures),
        *serving_rows(book, figures),
    ]
    order = list(CLAIM_SOURCES)
    return tuple(sorted(rows, key=lambda row: order.index(row.id)))

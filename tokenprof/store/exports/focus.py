"""What was billed as FOCUS 1.3 rows, the format in which finance tools take bills of any provider.

A row is a day, a model, a price class, a project, an agent and the tags of its runs. `ContractedCost` is at
the prices in force, `ListCost` at list prices. A row whose price is not known cannot be written, since FOCUS
allows no cost to be unknown; how many were left out is returned.

Specification: https://focus.finops.org/focus-specification/v1-3/ (dataset Cost and Usage). Columns of ours
begin with `x_`, as it demands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tokenprof.data_classes.frozen import frozen
from tokenprof.store.queries.engine import DuckDbEngine
from tokenprof.store.queries.rates import UNITS_TYPE, apply_prices
from tokenprof.store.queries.views import make_priced_views

if TYPE_CHECKING:
    from tokenprof.pricing.book import PriceBook

COLUMNS: Final = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost",
    "ContractedUnitPrice", "EffectiveCost", "HostProviderName", "InvoiceId", "InvoiceIssuerName", "ListCost",
    "ListUnitPrice", "PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName",
    "ServiceCategory", "ServiceName", "ServiceProviderName", "ServiceSubcategory", "SkuId", "SkuMeter",
    "SkuPriceId", "Tags", "x_Agent", "x_Project", "x_Model",
)  # fmt: skip

NAMES: Final = {
    "anthropic": "Anthropic",
    "openai": "OpenAI",
    "google": "Google",
    "gcp.gemini": "Google",
    "gcp.vertex_ai": "Google Cloud",
    "aws": "AWS",
    "aws.bedrock": "AWS",
    "azure": "Microsoft",
    "azure.ai.openai": "Microsoft",
    "azure.ai.inference": "Microsoft",
    "mistral_ai": "Mistral AI",
    "x_ai": "xAI",
    "deepseek": "DeepSeek",
    "openrouter": "OpenRouter",
}
"""Names of providers as people write them; others are written as they are recorded."""

_LINES: Final = """
CREATE OR REPLACE TEMPORARY TABLE focus_lines AS
SELECT log_id, turn, day, sold_by, provider, model, project, agent, tags, class, media, fee, price, units
FROM lines WHERE {where}
"""

_ROWS: Final = f"""
SELECT l.day, l.sold_by, l.provider, l.model, l.project, l.agent, CAST(l.tags AS VARCHAR), any_value(l.tags),
  l.class, l.media, l.fee, sum(l.units) AS quantity, r.rate_usd, b.rate_usd,
  sum(CAST(l.units AS {UNITS_TYPE})) * r.rate_usd, sum(CAST(l.units AS {UNITS_TYPE})) * b.rate_usd
FROM focus_lines l
JOIN priced_turns t ON t.log_id = l.log_id AND t.turn = l.turn
LEFT JOIN paid_rates r ON r.price = l.price AND r.class = l.class AND r.media = l.media AND r.fee = l.fee
LEFT JOIN rates b ON b.price = t.price AND b.class = l.class AND b.media = l.media AND b.fee = l.fee
GROUP BY l.day, l.sold_by, l.provider, l.model, l.project, l.agent, CAST(l.tags AS VARCHAR), l.class,
  l.media, l.fee, r.rate_usd, b.rate_usd
ORDER BY ALL
"""


@frozen
class FocusRows:
    """The rows, by column, and how many lines of a bill have no price and so no row."""

    rows: Sequence[Mapping[str, str]]
    without_price: int


def focus_rows(
    engine: DuckDbEngine,
    book: PriceBook,
    list_book: PriceBook,
    account: str,
    *,
    seller: str | None = None,
    where: str | None = None,
) -> FocusRows:
    """Return what a store holds as FOCUS rows; values are texts, an empty one is null.

    Parameters: `book`, the prices in force; `list_book`, list prices; `account`, the billing account at the
    seller; `seller`, who sold the calls that do not show it; `where`, a condition on turns.
    """
    apply_prices(engine, book, seller)
    make_priced_views(engine)
    engine.run(_LINES.format(where=where or "true"))
    engine.run("CREATE OR REPLACE TEMPORARY TABLE paid_rates AS SELECT * FROM rates")
    apply_prices(engine, list_book, seller)
    make_priced_views(engine)
    found = engine.rows(_ROWS)
    rows = [_row(row, account) for row in found if row[12] is not None]
    return FocusRows(rows, len(found) - len(rows))


def _row(row: Sequence[Any], account: str) -> dict[str, str]:
    day, sold_by, provider, model, project, agent, _, tags, cls, media, fee, quantity = row[:12]
    rate, list_rate, cost, list_cost = row[12:]
    unit = "Units" if cls == "fee" else "Tokens"
    meter = fee or (cls if media in ("text", "unclear") else f"{cls} {media}")
    seller, maker = NAMES.get(sold_by, sold_by), NAMES.get(provider, provider)
    return {
        "BilledCost": _number(cost),
        "BillingAccountId": account,
        "BillingAccountName": account,
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _moment(_next_month(day)),
        "BillingPeriodStart": _moment(day.replace(day=1)),
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": f"{model}, {meter.replace('_', ' ')}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _moment(day + timedelta(days=1)),
        "ChargePeriodStart": _moment(day),
        "ConsumedQuantity": _decimal(quantity),
        "ConsumedUnit": unit,
        "ContractedCost": _number(cost),
        "ContractedUnitPrice": _number(rate),
        "EffectiveCost": _number(cost),
        "HostProviderName": seller,
        "InvoiceId": "",
        "InvoiceIssuerName": seller,
        "ListCost": _number(cost if list_cost is None else list_cost),
        "ListUnitPrice": "" if list_rate is None else _number(list_rate),
        "PricingCategory": "Standard" if rate == list_rate else "Other",
        "PricingQuantity": _decimal(quantity),
        "PricingUnit": unit,
        "ProviderName": seller,
        "PublisherName": maker,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": f"{seller} API",
        "ServiceProviderName": seller,
        "ServiceSubcategory": "Generative AI",
        "SkuId": f"{model}/{meter}",
        "SkuMeter": meter.replace("_", " "),
        "SkuPriceId": f"{model}/{meter}/{_number(rate)}",
        "Tags": json.dumps(dict(sorted((tags or {}).items())), ensure_ascii=False),
        "x_Agent": agent or "",
        "x_Project": project,
        "x_Model": model,
    }


def _number(value: Decimal) -> str:
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def _decimal(whole: int) -> str:
    """Return a whole number as a decimal: readers of CSV take a column of whole numbers for integers."""
    return f"{whole}.0"


def _moment(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)

"""Published claims about bills and the chain, recomputed by the product: figure beside figure.

Each example names the claim, the published figure (or that none was), ours, and what it rests on. Rows that
need the hardware model are computed in `tokenprof`, which knows both rooms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from tokenprof.pricing.book import PriceBook
from tokenprof.pricing.chain import (
    anchor_usd,
    break_even_sessions,
    decompose_spread,
    end_prices,
    first_party_cost,
    markup,
    route_of,
    sales,
    third_party_cost,
    tool_payments,
)
from tokenprof.pricing.chain_data import ChainData
from tokenprof.pricing.interval import Interval
from tokenprof.pricing.rates import Price, Unpriced, total
from tokenprof.pricing.usage import Usage

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""The day the examples are priced at, unless a row says another."""

MAY = datetime(2026, 5, 15, 12, tzinfo=UTC)
"""When DeepSeek's own price and its hosts' stood as the published comparison has them."""

CALL = Usage(cache_read_tokens=200_000)
TASK_OUTPUT = Usage(output_tokens=100_000)


@dataclass(frozen=True, slots=True)
class Example:
    """A claim, its published figure (None: none published), ours, and the assumptions."""

    id: str
    claim: str
    published: str | None
    ours: str
    assumptions: str


def examples(book: PriceBook, data: ChainData) -> tuple[Example, ...]:
    """Return every example that prices and the chain above the chip can answer."""
    return (*_bill(book), *_chain(book, data))


def _bill(book: PriceBook) -> Iterator[Example]:
    listed = {"claude-sonnet-4-6": "3/15", "claude-opus-4-8": "5/25", "claude-fable-5": "10/50"}
    for model, published in listed.items():
        rates = _price(book, "anthropic", model, AT).rates
        per_mtok = "/".join(_plain(rates[cls].scaleb(6)) for cls in ("uncached_input", "output"))
        yield Example(
            "bill-1",
            f"{model}, USD per M tokens",
            published,
            per_mtok,
            f"list price of {AT:%Y-%m-%d}",
        )
    full = _bill_of(book, Usage(uncached_input_tokens=200_000))
    hit, output = _bill_of(book, CALL), _bill_of(book, TASK_OUTPUT)
    on = "Claude Opus 4.8"
    yield Example("bill-2", "a full pass over 200k tokens", "1.00", _plain(full), on)
    yield Example("bill-3", "the same from the cache", "0.10", _plain(hit), on)
    yield Example("bill-4", "50 tool calls", "5.00", _plain(50 * hit), on)
    yield Example("bill-5", "100k output tokens", "2.50", _plain(output), on)
    yield Example(
        "bill-6",
        "the task",
        "7.50",
        _plain(50 * hit + output),
        f"{on}; {_plain(50 * hit / (50 * hit + output))} of it cached input",
    )
    second = _bill_of(book, Usage(output_tokens=100))
    yield Example(
        "hold-1",
        "a cache hit over the output of the second it bridges",
        "40x",
        f"{_plain(hit / second)}x",
        f"{on}, 100 tokens a second",
    )


def _chain(book: PriceBook, data: ChainData) -> Iterator[Example]:
    reserved = markup(Interval.exactly("1.0"), data.rental("h100").value)
    yield Example(
        "l2-1",
        "reserved H100 over its floor of $1.0 an hour",
        "2-3x; margin 50 % at $2, 67 % at $3",
        f"{_plain(reserved.factor.low)}-{_plain(reserved.factor.high)}x; margin {_range(reserved.margin)}",
        data.rental("h100").source,
    )
    inference = Interval.exactly("0.30")
    host, lab = third_party_cost(inference).total_usd, first_party_cost(inference, data).total_usd
    yield Example(
        "l3-1",
        "cost of the same tokens to a host (3P) and to a lab (1P), where inference is $0.30",
        None,
        f"3P {_range(host)}; 1P {_range(lab)}",
        data.share("training_per_inference").source,
    )
    yield _anchor_example(book, data)
    paths = end_prices(Decimal(100), data.aggregator("openrouter"), data.plan("claude-max"), 20)
    yield Example(
        "l4-1",
        "tokens of $100 by aggregator, directly, and as one of 20 sessions of a $100 plan",
        None,
        " / ".join(_plain(usd) for usd in (paths.aggregator_usd, paths.direct_usd, paths.plan_usd) if usd),
        data.aggregator("openrouter").source,
    )
    paid = tool_payments({"search": 12, "maps": 3}, {"search": Decimal("0.005"), "maps": Decimal("0.02")})
    yield Example(
        "l4-2",
        "12 searches at $0.005 and 3 maps at $0.02",
        None,
        _plain(total(paid.values())),
        "prices given by the user",
    )
    for name in ("anthropic", "x-ai"):
        route = route_of(data.supplier(name), data.supplier("coreweave"), data.supplier("openrouter"))
        market = [sale.layer for sale in sales(route) if sale.kind == "market"]
        yield Example(
            "vert-1",
            f"margins that are paid for a token of {name} resold by openrouter",
            None,
            ", ".join(market),
            data.supplier(name).source,
        )
    yield from _open_weights(book)
    task = 50 * _bill_of(book, CALL) + _bill_of(book, TASK_OUTPUT)
    sessions = break_even_sessions(data.plan("claude-max"), task)
    yield Example(
        "sub-1",
        "tasks like bill-6 a month at which a $100 plan breaks even",
        None,
        str(sessions),
        data.plan("claude-max").source,
    )


def _anchor_example(book: PriceBook, data: ChainData) -> Example:
    anchor = data.anchors["DeepSeek V3 at launch"]
    tokens = Usage(uncached_input_tokens=1_000_000, output_tokens=100_000)
    price = _bill_of(book, tokens)
    anchored = anchor_usd(anchor, 1_000_000, 100_000)
    compute = Interval(anchored, anchored * 4, anchored * 12)
    parts = decompose_spread(price, anchored, compute, data)
    return Example(
        "l3-2",
        f"Opus 4.8 over DeepSeek's break-even price, 1M tokens in and 100k out "
        f"(${_plain(price)} over ${_plain(anchored)})",
        "anchor 0.14/0.28; no split published",
        f"efficiency {_range(parts.efficiency_loss)}, training {_range(parts.training_amortisation)}, "
        f"brand {_range(parts.brand_premium)}, residual {_range(parts.residual)}",
        "compute taken as 1 to 12 times the anchor's; the hardware model's range replaces it in a report",
    )


def _open_weights(book: PriceBook) -> Iterator[Example]:
    """DeepSeek V4 Pro at its own API and at a host in the US, beside a frontier model (row open-1)."""
    own = _price(book, "deepseek", "deepseek-v4-pro", MAY).rates
    host = _price(book, "fireworks", "deepseek-v4-pro", MAY).rates
    frontier = _price(book, "anthropic", "claude-opus-4-7", MAY).rates
    for cls, hosts, api, share in (
        ("uncached_input", "1.75-2.10", "0.40", "1/3"),
        ("output", "3.50-4.40", "0.90", "1/6"),
    ):
        ratio = (host[cls] / frontier[cls]).quantize(Decimal("0.01"))
        yield Example(
            "open-1",
            f"DeepSeek V4 Pro, {cls}: US host / own API, share of a frontier price",
            f"{hosts} / {api}, about {share}",
            f"{_plain(host[cls].scaleb(6))} / {_plain(own[cls].scaleb(6))}, {ratio}",
            f"Fireworks and DeepSeek at {MAY:%Y-%m-%d} beside Claude Opus 4.7; DeepSeek's own API is dearer "
            "since 2026-08-16",
        )


def _price(book: PriceBook, provider: str, model: str, at: datetime, usage: Usage | None = None) -> Price:
    price = book.price(provider, model, at, usage or Usage())
    if isinstance(price, Unpriced):
        raise LookupError(f"An example cannot be priced: {price.reason}")
    return price


def _bill_of(book: PriceBook, usage: Usage) -> Decimal:
    return total(_price(book, "anthropic", "claude-opus-4-8", AT, usage).amounts(usage).values())


def _plain(amount: Decimal) -> str:
    text = f"{amount.quantize(Decimal('0.0001')).normalize():f}"
    whole, _, cents = text.partition(".")
    return f"{whole}.{cents:0<2}" if cents else whole


def _range(interval: Interval) -> str:
    low, mid, high = (_plain(figure) for figure in (interval.low, interval.mid, interval.high))
    return mid if interval.is_exact else f"{low} to {high} ({mid})"

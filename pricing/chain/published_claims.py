"""Published claims about bills and the chain, recomputed: figure beside figure.

Each example has the claim, the published figure if there is one, our own figure, and what it rests on. Rows
that need the hardware model are in `tokenprof.chain`, which may import both rooms. The ids of the rows are
those of docs/chain.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal

from tokenprof.pricing.book import PriceBook
from tokenprof.pricing.chain.figures import ChainData
from tokenprof.pricing.chain.interval import Interval
from tokenprof.pricing.chain.layers import (
    break_even_sessions,
    end_prices,
    first_party_cost,
    markup,
    route_of,
    sales,
    third_party_cost,
    tool_payments,
)
from tokenprof.pricing.rates import Price, Unpriced, total
from tokenprof.pricing.usage import TokenClass, Usage

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""The day whose prices the examples use, unless a row names another day."""

MAY = datetime(2026, 5, 15, 12, tzinfo=UTC)
"""A day on which DeepSeek's own price and its hosts' prices were those of the published comparison."""

SALE_KINDS = ("market", "internal")

CALL = Usage(cache_read_tokens=200_000)
TASK_OUTPUT = Usage(output_tokens=100_000)


@dataclass(frozen=True, slots=True)
class Example:
    """A claim, its published figure (None if there is none), ours, the assumptions, and how far they differ.

    `difference` is None if no figure was published.
    """

    id: str
    claim: str
    published: str | None
    ours: str
    assumptions: str
    difference: str | None = None


def differs(*pairs: tuple[Decimal | str, Decimal]) -> str:
    """Return the largest deviation of our figures from the published ones, given as `(published, ours)`."""
    deviations = [ours / Decimal(published) - 1 for published, ours in pairs]
    largest = max(deviations, key=abs)
    return "none" if not largest else f"{100 * largest:+.1f} %"


TOO_WIDE: Final = Decimal(10)
"""A range whose ends are further apart than this factor holds almost any figure, so it tests nothing."""


def against_range(ours: Interval, published: Decimal) -> str:
    """Return how a published figure lies to our middle, and whether our range can say anything about it.

    A range from 0 or below, or one whose ends are more than `TOO_WIDE` apart, does not test anything.
    """
    factor = f"published is {published / ours.mid:.2g} times our middle"
    if ours.low <= 0 or ours.high / ours.low > TOO_WIDE:
        return f"{factor}; our range is too wide to test it"
    inside = ours.low <= published <= ours.high
    return f"{factor}, {'inside' if inside else 'outside'} our range"


def within(low: Decimal | str, high: Decimal | str, ours: Decimal) -> str:
    """Return whether our figure is within a published range, or how far it is outside."""
    if Decimal(low) <= ours <= Decimal(high):
        return "within the range"
    nearest = Decimal(low) if ours < Decimal(low) else Decimal(high)
    return f"{100 * (ours / nearest - 1):+.1f} % beyond the range"


def examples(book: PriceBook, data: ChainData) -> tuple[Example, ...]:
    """Return every example that prices and the chain above the chip can answer."""
    return (*_bill(book), *_chain(book, data))


def _bill(book: PriceBook) -> Iterator[Example]:
    listed = {"claude-sonnet-4-6": "3/15", "claude-opus-4-8": "5/25", "claude-fable-5": "10/50"}
    for model, published in listed.items():
        rates = _price(book, "anthropic", model, AT).rates
        ours = [rates[cls].scaleb(6) for cls in (TokenClass.UNCACHED_INPUT, TokenClass.OUTPUT)]
        yield Example(
            "bill-1",
            f"{model}, USD per M tokens",
            published,
            "/".join(map(plain, ours)),
            f"list price of {AT:%Y-%m-%d}",
            differs(*zip(published.split("/"), ours, strict=True)),
        )
    full = _bill_of(book, Usage(uncached_input_tokens=200_000))
    hit, output = _bill_of(book, CALL), _bill_of(book, TASK_OUTPUT)
    on = "Claude Opus 4.8"
    yield Example("bill-2", "a full pass over 200k tokens", "1.00", plain(full), on, differs(("1.00", full)))
    yield Example("bill-3", "the same from the cache", "0.10", plain(hit), on, differs(("0.10", hit)))
    yield Example("bill-4", "50 tool calls", "5.00", plain(50 * hit), on, differs(("5.00", 50 * hit)))
    yield Example("bill-5", "100k output tokens", "2.50", plain(output), on, differs(("2.50", output)))
    yield Example(
        "bill-6",
        "the task",
        "7.50",
        plain(50 * hit + output),
        f"{on}; a share of {plain(50 * hit / (50 * hit + output))} is cached input",
        differs(("7.50", 50 * hit + output)),
    )
    second = _bill_of(book, Usage(output_tokens=100))
    yield Example(
        "hold-1",
        "a cache hit over the output of the second it bridges",
        "40x",
        f"{plain(hit / second)}x",
        f"{on}, 100 tokens a second",
        differs(("40", hit / second)),
    )


def _chain(book: PriceBook, data: ChainData) -> Iterator[Example]:
    reserved = markup(Interval.exactly("1.0"), data.rental("H100").usd)
    yield Example(
        "l2-1",
        "reserved H100 over its floor of $1.0 an hour",
        "2-3x; margin 50 % at $2, 67 % at $3",
        f"{plain(reserved.factor.low)}-{plain(reserved.factor.high)}x; margin {between(reserved.margin)}",
        data.rental("H100").source,
        differs(
            ("2", reserved.factor.low),
            ("3", reserved.factor.high),
            ("0.50", reserved.margin.low),
            ("0.67", round(reserved.margin.high, 2)),
        ),
    )
    inference = Interval.exactly("0.30")
    of_spend = data.share("training_of_spend").value / data.share("inference_of_spend").value
    host = third_party_cost(inference).total_usd
    lab = first_party_cost(inference, inference * of_spend).total_usd
    yield Example(
        "l3-1",
        "cost of the same tokens to a host (3P) and to a lab (1P), where inference is $0.30",
        None,
        f"3P {between(host)}; 1P {between(lab)}",
        data.share("training_of_spend").source,
    )
    paths = end_prices(Decimal(100), data.aggregator("openrouter"), data.plan("claude-max"), 20)
    yield Example(
        "l4-1",
        "tokens of $100 by aggregator, directly, and as one of 20 sessions of a $100 plan",
        None,
        " / ".join(plain(usd) for usd in (paths.aggregator_usd, paths.direct_usd, paths.plan_usd) if usd),
        data.aggregator("openrouter").source,
    )
    paid = tool_payments({"search": 12, "maps": 3}, {"search": Decimal("0.005"), "maps": Decimal("0.02")})
    yield Example(
        "l4-2",
        "12 searches at $0.005 and 3 maps at $0.02",
        None,
        plain(total(paid.values())),
        "prices given by the user",
    )
    yield from _integration(data)
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


INTEGRATION: tuple[tuple[str, str, Literal["L3a", "L3b"], str], ...] = (
    ("anthropic", "openrouter", "L3a", "a lab that rents, resold"),
    ("x-ai", "openrouter", "L3a", "a lab on its own racks (L3 to L1), resold"),
    ("aws", "aws", "L3b", "a cloud that serves others' models on its own racks (L2 to L3b)"),
    ("fireworks", "openrouter", "L3b", "a host of open weights that rents, resold"),
    ("google", "google", "L3a", "chips, racks, model and application in one (L1 to L4)"),
    ("openai", "openai", "L3a", "a lab that rents and sells its own application (L3a to L4)"),
)
"""Forms of vertical integration: who serves the model, who sells it on, whose model it is, and a name."""


def _integration(data: ChainData) -> Iterator[Example]:
    """Yield which margins of a route are market transactions (row vert-1)."""
    for name, seller, serves, words in INTEGRATION:
        route = route_of(data.supplier(name), data.supplier("coreweave"), data.supplier(seller), serves)
        kinds = {kind: [sale.layer for sale in sales(route) if sale.kind == kind] for kind in SALE_KINDS}
        yield Example(
            "vert-1",
            f"{words}: margins of a token of {name} sold by {seller} that are paid",
            None,
            f"paid {', '.join(kinds['market'])}; internal {', '.join(kinds['internal'])}",
            data.supplier(name).source,
        )


def _open_weights(book: PriceBook) -> Iterator[Example]:
    """Yield DeepSeek V4 Pro at its own API and at a US host, beside a frontier model (row open-1)."""
    own = _price(book, "deepseek", "deepseek-v4-pro", MAY).rates
    host = _price(book, "fireworks", "deepseek-v4-pro", MAY).rates
    frontier = _price(book, "anthropic", "claude-opus-4-7", MAY).rates
    for cls, hosts, api, share in (
        (TokenClass.UNCACHED_INPUT, "1.75-2.10", "0.40", "1/3"),
        (TokenClass.OUTPUT, "3.50-4.40", "0.90", "1/6"),
    ):
        ratio = (host[cls] / frontier[cls]).quantize(Decimal("0.01"))
        low, high = hosts.split("-")
        yield Example(
            "open-1",
            f"DeepSeek V4 Pro, {cls}: US host / own API, share of a frontier price",
            f"{hosts} / {api}, about {share}",
            f"{plain(host[cls].scaleb(6))} / {plain(own[cls].scaleb(6))}, {ratio}",
            f"Fireworks and DeepSeek at {MAY:%Y-%m-%d} beside Claude Opus 4.7; DeepSeek's own API is more "
            "expensive since 2026-08-16",
            f"host {within(low, high, host[cls].scaleb(6))}, own API {differs((api, own[cls].scaleb(6)))}, "
            f"share {differs((Decimal(1) / int(share[-1]), ratio))}",
        )


def _price(book: PriceBook, provider: str, model: str, at: datetime, usage: Usage | None = None) -> Price:
    price = book.price(provider, model, at, usage or Usage())
    if isinstance(price, Unpriced):
        raise LookupError(f"An example cannot be priced: {price}")
    return price


def _bill_of(book: PriceBook, usage: Usage) -> Decimal:
    return total(_price(book, "anthropic", "claude-opus-4-8", AT, usage).amounts(usage).values())


def plain(amount: Decimal) -> str:
    """Return an amount to four decimals, without trailing zeros beyond the cents."""
    text = f"{amount.quantize(Decimal('0.0001')).normalize():f}"
    whole, _, cents = text.partition(".")
    return f"{whole}.{cents:0<2}" if cents else whole


def between(interval: Interval) -> str:
    """Return a range with its middle, or one figure if it is known."""
    low, mid, high = (plain(figure) for figure in (interval.low, interval.mid, interval.high))
    return mid if interval.is_exact else f"{low} to {high} ({mid})"

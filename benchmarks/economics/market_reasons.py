"""Why a model lies outside the band of the market test: rules over facts, none of them about the ratio alone.

Each rule reads published facts (prices of hosts and makers, release dates, sizes) or a stated property of the
cost, and says the figures that it rests on. A row that no rule fits is printed as not explained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final

from market_prices import TokenPrice

LOW, HIGH = 0.8, 5.0
"""The band of price over cost at rented hours that a competing host is expected in."""

SAME_PRICE: Final = 0.05
YOUNG_DAYS: Final = 180
ONE_RATE: Final = 1.5
SMALL_BYTES: Final = 40e9

NOT_EXPLAINED: Final = "not explained"


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """What is known of one class of one model.

    Prices are USD per million tokens: of each host, of the maker (None: it does not sell the model), and of
    the other class at the median host. `ratio` is the median price over our middle cost, `ratio_low` and
    `ratio_high` the same over P90 and P10 of the cost, `other_ratio` that of the other class, `blend_ratio`
    that of both together. `breaks_even_at` is the share of its hours that a replica must sell to pay for all
    of them, `tokens_per_s` the speed that somebody measured (None: drawn).
    """

    output: bool
    host_usd: tuple[float, ...]
    maker_usd: float | None
    list_output_over_input: float
    cost_output_over_input: float
    ratio: float
    ratio_low: float
    ratio_high: float
    other_ratio: float
    blend_ratio: float
    breaks_even_at: float
    tokens_per_s: float | None
    ratio_at_drawn_speed: float
    weight_bytes: float
    released: date | None
    replaced_by: tuple[str, date] | None
    at: date

    @property
    def median_usd(self) -> float:
        """The median price of hosts."""
        ordered, half = sorted(self.host_usd), len(self.host_usd) // 2
        return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2.0

    def ratio_at(self, usd: float) -> float:
        """Return price over cost at another price."""
        return self.ratio * usd / self.median_usd


Rule = Callable[[ClassFacts], str | None]


def inside(ratio: float) -> bool:
    """Return whether a ratio lies in the band."""
    return LOW <= ratio <= HIGH


def makers_price(f: ClassFacts) -> str | None:
    """Hosts sell at the maker's own list price: nobody has undercut it, and it pays for training too."""
    if f.maker_usd is None or abs(f.median_usd / f.maker_usd - 1.0) > SAME_PRICE:
        return None
    return f"hosts ask the maker's own list price (${f.maker_usd:.2f})"


def hosts_differ(f: ClassFacts) -> str | None:
    """Another host of the same model charges a price that lies in the band."""
    usd = min(f.host_usd) if f.ratio > HIGH else max(f.host_usd)
    if not inside(f.ratio_at(usd)):
        return None
    end = "cheapest" if f.ratio > HIGH else "most expensive"
    apart = max(f.host_usd) / min(f.host_usd)
    return f"hosts differ {apart:.1f}x; the {end} (${usd:.2f}) is at {f.ratio_at(usd):.1f}"


def young(f: ClassFacts) -> str | None:
    """The model came out a short while ago, so prices have not been competed down."""
    if f.ratio < LOW or f.released is None or not 0 <= (f.at - f.released).days <= YOUNG_DAYS:
        return None
    return f"new: {(f.at - f.released).days} days old"


def small_replica(f: ClassFacts) -> str | None:
    """A replica of a small model sells more tokens than a host has customers for."""
    if f.ratio < HIGH or f.weight_bytes > SMALL_BYTES:
        return None
    gigabytes = f.weight_bytes / 1e9
    return f"small ({gigabytes:.0f} GB): one replica breaks even at {f.breaks_even_at:.0%} of its hours sold"


def few_hosts(f: ClassFacts) -> str | None:
    """Two sellers do not compete."""
    return f"{len(f.host_usd)} hosts only" if f.ratio > HIGH and len(f.host_usd) <= 2 else None


def one_rate(f: ClassFacts) -> str | None:
    """Input and output are sold at about one rate, which compute does not have."""
    if not f.output or f.ratio > LOW or f.list_output_over_input > ONE_RATE:
        return None
    return f"one rate for input and output: input pays {f.other_ratio:.1f}"


def split_by_list(f: ClassFacts) -> str | None:
    """Both classes together lie in the band: the list divides them otherwise than compute does."""
    if not inside(f.blend_ratio):
        return None
    return (
        f"both classes together {f.blend_ratio:.1f}: the list asks {f.list_output_over_input:.1f}x for "
        f"output over input, compute {f.cost_output_over_input:.0f}x"
    )


def superseded(f: ClassFacts) -> str | None:
    """A newer version of the family is out: what is left of the traffic is sold off."""
    if f.ratio > LOW or f.replaced_by is None:
        return None
    return f"{f.replaced_by[0]} replaced it on {f.replaced_by[1]}"


def measured_speed(f: ClassFacts) -> str | None:
    """It is served at a speed that costs more, or less, than the usual one."""
    if f.tokens_per_s is None or not inside(f.ratio_at_drawn_speed):
        return None
    return f"measured at {f.tokens_per_s:.0f} tokens/s; at usual speeds {f.ratio_at_drawn_speed:.1f}"


def in_range_of_cost(f: ClassFacts) -> str | None:
    """The band is reached within P10 to P90 of the cost."""
    reached = f.ratio_low <= HIGH if f.ratio > HIGH else f.ratio_high >= LOW
    return f"P10-P90 of our cost: {f.ratio_low:.1f}-{f.ratio_high:.1f}" if reached else None


OF_THE_MARKET: Final[tuple[Rule, ...]] = (
    makers_price, hosts_differ, few_hosts, young, small_replica, measured_speed, one_rate, superseded,
    split_by_list,
)  # fmt: skip
"""Rules over facts of the market. The range of our own cost is said too, but explains no row by itself."""


def reasons(f: ClassFacts) -> tuple[str, ...]:
    """Return why a class lies outside the band, the rules in order; empty inside it."""
    if inside(f.ratio):
        return ()
    found = tuple(said for rule in OF_THE_MARKET if (said := rule(f)) is not None)
    own = in_range_of_cost(f)
    return (*(found or (NOT_EXPLAINED,)), *((own,) if own else ()))


def price_of(price: TokenPrice, *, output: bool) -> float:
    """Return the price of one class."""
    return price[1] if output else price[0]

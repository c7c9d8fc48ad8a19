"""Prices for the turns of a store: each distinct way of being billed is looked up once, whatever the turns.

A price depends on who sold the call, the model, the day (rarely the minute), how it was served, and the size
of the prompt. So a year of turns needs a few thousand look-ups, and pricing it again with other prices takes
as long as one query. Rates are exact decimals; a rate with more digits than a DECIMAL holds is an error, and
is not rounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.pricing.selectors import Selectors, UnknownTierError
from tokenprof.pricing.usage import CLASSES, TokenClass, Usage, UsageError
from tokenprof.store.queries.engine import SqlEngine, quoted
from tokenprof.store.schema.columns import MEDIA, UNCLEAR

if TYPE_CHECKING:
    from tokenprof.pricing.book import Price, PriceBook, Unpriced

RATE_DIGITS: Final = 20
MOST_DECIMALS: Final = 18
UNITS_TYPE: Final = "DECIMAL(17, 0)"
"""A rate of 20 digits times a count of 17 fits the 38 digits of a DECIMAL on every engine, with no loss."""

RATE_TYPE: Final = f"DECIMAL({RATE_DIGITS}, {MOST_DECIMALS})"

NO_LIMIT: Final = 2**62
UNPRICED: Final = -1

HAS_MEDIA: Final = (
    "(coalesce(audio_input_tokens, 0) + coalesce(audio_output_tokens, 0) "
    "+ coalesce(image_output_tokens, 0) > 0)"
)


@frozen
class BilledWay:
    """What a price depends on, except for the size of the prompt. `only` is a turn priced by itself."""

    seller: str
    model: str
    at: datetime
    selectors: Selectors
    minute: str = ""
    only: str = ""
    usage: Usage | None = None


@dataclass(slots=True)
class FoundRates:
    """The rates that were found, as columns of `price_bands` and `rates`, and why there is no price.

    A band is a way of being billed and an interval of prompt sizes, with the number of its price.
    """

    bands: list[tuple[Any, ...]] = field(default_factory=list)
    rates: list[tuple[int, str, str, str, Decimal]] = field(default_factory=list)
    unpriced: dict[str, int] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def band(self, way: BilledWay, above: int, upto: int, number: int, *, per_request: bool) -> None:
        """Add a band."""
        served = way.selectors
        self.bands.append(
            (
                way.seller,
                way.model,
                way.at.date(),
                way.minute,
                way.only,
                served.service_tier or "",
                served.speed or "",
                served.inference_geo or "",
                served.batch,
                above,
                upto,
                number,
                per_request,
            )
        )

    def number(self, price: Price) -> int:
        """Return the number of a price; equal rates have one number."""
        found = sorted(_rates_of(price))
        key = repr(found)
        if key not in self._numbers:
            number = self._numbers[key] = len(self._numbers)
            self.rates += [(number, *row) for row in found]
        return self._numbers[key]


def _rates_of(price: Price) -> Iterator[tuple[str, str, str, Decimal]]:
    """Yield (class, media, fee, rate) of a price; a class whose media is unclear has none if they differ."""
    for cls in CLASSES:
        if cls in price.mixed:
            mixed = price.mixed[cls]
            for media, rate in (("text", mixed.text), ("audio", mixed.audio), ("image", mixed.image)):
                yield cls.value, media, "", _checked(mixed.text if rate is None else rate)
        elif cls in price.rates:
            for media in (*MEDIA, UNCLEAR):
                yield cls.value, media, "", _checked(price.rates[cls])
    for fee, rate in price.fee_rates.items():
        yield TokenClass.FEE.value, "text", fee, _checked(rate)


def _checked(rate: Decimal) -> Decimal:
    exponent = rate.normalize().as_tuple().exponent
    if (
        not isinstance(exponent, int)
        or exponent < -MOST_DECIMALS
        or rate.adjusted() >= RATE_DIGITS - MOST_DECIMALS
    ):
        raise InputError(
            f"A rate of {rate} USD does not fit {RATE_TYPE}, in which a store adds up money exactly. "
            "Correct the price file."
        )
    return rate


def apply_prices(engine: SqlEngine, book: PriceBook, seller: str | None = None) -> dict[str, int]:
    """Put the tables `price_bands` and `rates` beside `turn_facts`.

    Returns how many ways of being billed have no price, by reason.

    `seller` is who sold the calls that do not show it.
    """
    sold = "seller" if seller is None else f"coalesce(seller, {quoted(seller)})"
    engine.view("sold", f"SELECT *, coalesce({sold}, provider) AS sold_by FROM turn_facts")
    by_minute = [
        (sold_by, model)
        for sold_by, model in engine.rows("SELECT DISTINCT sold_by, model FROM sold WHERE is_measured")
        if _depends_on_hour(book, sold_by, model)
    ]
    minute = "''"
    if by_minute:
        pairs = " OR ".join(
            f"(sold_by = {quoted(sold_by)} AND model = {quoted(model)})" for sold_by, model in by_minute
        )
        minute = f"CASE WHEN {pairs} THEN substring(CAST(started_at AS VARCHAR(40)), 1, 16) ELSE '' END"
    engine.view(
        "billed_ways",
        f"""SELECT *, {minute} AS minute,
        CASE WHEN {HAS_MEDIA} THEN concat(CAST(log_id AS VARCHAR(20)), ':', CAST(turn AS VARCHAR(20)))
        ELSE '' END AS only_turn FROM sold""",
    )
    found = FoundRates()
    for way in _ways(engine):
        _look_up(book, way, found)
    engine.put("price_bands", _bands_table(found.bands))
    engine.put("rates", _rates_table(found.rates))
    return found.unpriced


def _depends_on_hour(book: PriceBook, seller: str, model: str) -> bool:
    return book.depends_on_hour(seller, model)


def _ways(engine: SqlEngine) -> Iterator[BilledWay]:
    served = "service_tier, speed, inference_geo, batch"
    plain = f"""SELECT sold_by, model, day, minute, {served}, min(started_at) FROM billed_ways
        WHERE is_measured AND only_turn = '' GROUP BY sold_by, model, day, minute, {served}"""
    for sold_by, model, _, minute, tier, speed, geo, batch, at in engine.rows(plain):
        yield BilledWay(
            sold_by, model, _utc(at), Selectors(tier or None, speed or None, geo or None, batch), minute
        )
    tokens = [f"{cls}_tokens" for cls in CLASSES if cls != TokenClass.FEE]
    counts = [*tokens, "audio_input_tokens", "audio_output_tokens", "image_output_tokens"]
    alone = f"""SELECT sold_by, model, minute, only_turn, {served}, started_at, {", ".join(counts)}
        FROM billed_ways WHERE is_measured AND only_turn <> ''"""
    for sold_by, model, minute, only, tier, speed, geo, batch, at, *values in engine.rows(alone):
        selectors = Selectors(tier or None, speed or None, geo or None, batch)
        try:
            usage = Usage(**dict(zip(counts, values, strict=True)))
        except UsageError:
            usage = None
        yield BilledWay(sold_by, model, _utc(at), selectors, minute, only, usage)


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _look_up(book: PriceBook, way: BilledWay, found: FoundRates) -> None:
    from tokenprof.pricing.book import Unpriced

    try:
        starts = book.band_starts(way.seller, way.model, way.at, way.selectors)
    except UnknownTierError as error:
        starts = Unpriced(str(error))
    if isinstance(starts, Unpriced):
        found.unpriced[starts.reason] = found.unpriced.get(starts.reason, 0) + 1
        return
    # The first band holds for every prompt that no later one does.
    ends = [*starts[1:], NO_LIMIT]
    for begin, end in zip((-1, *starts[1:]), ends, strict=True):
        usage = way.usage or Usage(uncached_input_tokens=max(begin, 0) + 1)
        price = _price(book, way, usage)
        if not isinstance(price, Unpriced):
            per_request = "request" in price.fee_rates
            found.band(way, begin, end, found.number(price), per_request=per_request)


def _price(book: PriceBook, way: BilledWay, usage: Usage) -> Price | Unpriced:
    # The fee for a request is asked for with one, so that the book does not refuse the rest.
    fees = (("request", 1),)
    counted = Usage(**{name: getattr(usage, name) for name in _COUNTS}, fees=fees)
    return book.price(way.seller, way.model, way.at, counted, way.selectors)


_COUNTS: Final = tuple(name for name in Usage.__dataclass_fields__ if name != "fees")

_BAND_TYPES: Final[Sequence[tuple[str, Any]]] = (
    ("sold_by", pa.string()),
    ("model", pa.string()),
    ("day", pa.date32()),
    ("minute", pa.string()),
    ("only_turn", pa.string()),
    ("service_tier", pa.string()),
    ("speed", pa.string()),
    ("inference_geo", pa.string()),
    ("batch", pa.bool_()),
    ("above_tokens", pa.int64()),
    ("upto_tokens", pa.int64()),
    ("price", pa.int32()),
    ("per_request", pa.bool_()),
)

_RATE_TYPES: Final[Sequence[tuple[str, Any]]] = (
    ("price", pa.int32()),
    ("class", pa.string()),
    ("media", pa.string()),
    ("fee", pa.string()),
    ("rate_usd", pa.decimal128(RATE_DIGITS, MOST_DECIMALS)),
)


def _bands_table(rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    return _table(rows, _BAND_TYPES)


def _rates_table(rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    return _table(rows, _RATE_TYPES)


def _table(rows: Sequence[tuple[Any, ...]], types: Sequence[tuple[str, Any]]) -> pa.Table:
    return pa.table(
        {name: pa.array([row[place] for row in rows], kind) for place, (name, kind) in enumerate(types)}
    )

"""What a price row says, whichever book it comes from, and exact arithmetic on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Context, Decimal, Inexact, InvalidOperation

from tokenprof.pricing.usage import TOKEN_CLASSES, TokenClass, Usage

EXACT = Context(prec=100, traps=[Inexact, InvalidOperation])
"""Arithmetic that raises rather than rounds, whatever the decimal context of the host process is."""

Rates = Mapping[str, Decimal]


class UnpricedError(ValueError):
    """A price has no rate for a class of the usage that it was applied to."""


@dataclass(frozen=True, slots=True)
class Band:
    """Rates that hold for a whole request whose prompt is longer than `above_tokens` (0: any prompt).

    `rates` are USD per token by class, `fee_rates` USD per piece by fee name, and `audio_rates` and
    `image_rates` USD per token of audio and of images by class, for models that price them separately.
    """

    above_tokens: int
    rates: Rates
    fee_rates: Rates = field(default_factory=dict)
    audio_rates: Rates = field(default_factory=dict)
    image_rates: Rates = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MixedRates:
    """The rates of a class that holds text and something else [USD per token]; None: the text's."""

    text: Decimal
    audio: Decimal | None = None
    image: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """What one book says of one model at one time: its bands, lowest first, and the source."""

    model: str
    bands: tuple[Band, ...]
    valid_from: date | None
    source: str
    checked: date | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Price:
    """The rates of one model at one time, for one prompt size and one way of being served.

    `model` is the id of the row. `rates` are USD per token by class; a class that is absent has no known
    rate. `fee_rates` are USD per piece. `valid_from` is the day the row began, `source` where it comes from,
    `checked` the day it was last checked, `notes` what a reader must know about it. `mixed` holds the
    rates of classes that hold text and audio or images, and so have no single rate.
    """

    provider: str
    model: str
    rates: Rates
    fee_rates: Rates
    valid_from: date | None
    source: str
    checked: date | None
    notes: tuple[str, ...] = ()
    mixed: Mapping[str, MixedRates] = field(default_factory=dict)

    def amounts(self, usage: Usage) -> dict[str, Decimal]:
        """Return the exact USD of each class, `fee` included.

        Raises `UnpricedError` naming the classes that have tokens and no rate.
        """
        known = self.known_amounts(usage)
        missing = [cls for cls, amount in known.items() if amount is None]
        if missing:
            raise UnpricedError(
                f"The price of {self.provider} '{self.model}' has no rate for {', '.join(missing)}, "
                f"which this usage contains ({self.source}). Add a [[price]] row to an overlay."
            )
        return {cls: amount for cls, amount in known.items() if amount is not None}

    def known_amounts(self, usage: Usage) -> dict[str, Decimal | None]:
        """Return the exact USD of each class; None if it has tokens (or pieces) and no rate."""
        amounts: dict[str, Decimal | None] = {}
        for cls in TOKEN_CLASSES:
            tokens = usage.tokens_of(cls)
            if cls in self.mixed:
                amounts[cls] = self._mixed_amount(cls, usage)
                continue
            rate = self.rates.get(cls)
            amounts[cls] = None if rate is None and tokens else times(tokens, rate or ZERO)
        amounts[TokenClass.FEE] = self._fee_amount(usage.fees)
        return amounts

    def usd(self, usage: Usage) -> Decimal | None:
        """Return the exact USD of a call; None if a class of its usage has no rate."""
        amounts = self.known_amounts(usage).values()
        known = [amount for amount in amounts if amount is not None]
        return total(known) if len(known) == len(amounts) else None

    def missing(self, usage: Usage) -> tuple[str, ...]:
        """Return the classes of this usage that have tokens (or pieces) and no rate."""
        return tuple(cls for cls, amount in self.known_amounts(usage).items() if amount is None)

    def parts(self, cls: str, usage: Usage) -> tuple[tuple[int, Decimal], ...] | None:
        """Return the (tokens, rate) of what a mixed class holds: text, audio, images.

        None if the audio may be in another class too.
        """
        mixed = self.mixed[cls]
        is_output = cls == TokenClass.OUTPUT
        audio = usage.audio_output_tokens if is_output else usage.audio_input_tokens
        image = usage.image_output_tokens if is_output else 0
        tokens = usage.tokens_of(cls)
        elsewhere = usage.reasoning_tokens if is_output else usage.input_tokens - tokens
        if (elsewhere and audio) or audio + image > tokens:
            return None
        return (
            (tokens - audio - image, mixed.text),
            (audio, mixed.text if mixed.audio is None else mixed.audio),
            (image, mixed.text if mixed.image is None else mixed.image),
        )

    def _mixed_amount(self, cls: str, usage: Usage) -> Decimal | None:
        parts = self.parts(cls, usage)
        return None if parts is None else total(times(tokens, rate) for tokens, rate in parts)

    def _fee_amount(self, fees: Iterable[tuple[str, int]]) -> Decimal | None:
        total = ZERO
        for name, count in fees:
            rate = self.fee_rates.get(name)
            if rate is None:
                return None
            total = EXACT.add(total, times(count, rate))
        return total


@dataclass(frozen=True, slots=True)
class Unpriced:
    """No price is known: why, and which rows have similar names."""

    reason: str
    near: tuple[str, ...] = ()

    def usd(self, usage: Usage) -> None:
        """Return None: nothing is known of what a call costs."""

    def __str__(self) -> str:
        """Return the reason, and the rows with similar names if there are any."""
        return self.reason + (f" Closest: {', '.join(self.near)}." if self.near else "")


ZERO = Decimal(0)


def times(count: int, rate: Decimal) -> Decimal:
    """Return count × rate, exactly. Raises `decimal.Inexact` rather than round."""
    return EXACT.multiply(Decimal(count), rate) if count else ZERO


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the exact sum of amounts, whatever the host's decimal context."""
    result = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def is_amount(value: Decimal, most_decimals: int) -> bool:
    """Tell whether a value can be money or a factor on it: finite, from 0 to below 10¹⁸, not too long.

    Products and sums of such values stay exact.
    """
    if not value.is_finite() or value < 0:
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -most_decimals and value.adjusted() < 18


def per_piece(price: Decimal, power_of_ten: int) -> Decimal:
    """Return a price per 10^n pieces as a price per piece; a shift of the exponent is exact."""
    return EXACT.scaleb(price, -power_of_ten)


def scaled(rates: Rates, factor: Decimal, classes: Iterable[str] | None = None) -> dict[str, Decimal]:
    """Return rates with a factor applied to the named classes (None: to all of them)."""
    chosen = set(rates if classes is None else classes)
    return {cls: EXACT.multiply(rate, factor) if cls in chosen else rate for cls, rate in rates.items()}


AUDIO_NOTE = "Audio tokens have a rate of their own, so their class has no single one."

AUDIO_AS_TEXT_NOTE = "No rate for audio is listed; its tokens are priced as text."

IMAGE_NOTE = "Images that the model writes have a rate of their own."

IMAGE_AS_TEXT_NOTE = "No rate for images that the model writes is listed; their tokens are priced as text."


AS_TEXT_NOTES = frozenset({AUDIO_AS_TEXT_NOTE, IMAGE_AS_TEXT_NOTE})
"""What a price says of tokens that may cost many times the rate that they are priced at."""


def with_media(band: Band, price: Price, usage: Usage) -> Price:
    """Return a price for usage with audio or images: a class that holds text too has no single rate."""
    audio = {
        TokenClass.UNCACHED_INPUT: usage.audio_input_tokens,
        TokenClass.OUTPUT: usage.audio_output_tokens,
    }
    image = {TokenClass.OUTPUT: usage.image_output_tokens}
    rates: dict[str, Decimal] = dict(price.rates)
    mixed: dict[str, MixedRates] = {}
    notes: list[str] = []
    for cls in audio:
        heard, seen = audio[cls], image.get(cls, 0)
        if not heard and not seen:
            continue
        own = (band.audio_rates.get(cls) if heard else None), (band.image_rates.get(cls) if seen else None)
        if cls in rates and seen == usage.tokens_of(cls) and own[1] is not None:
            rates[cls] = own[1]
        elif cls in rates and own != (None, None):
            mixed[cls] = MixedRates(rates.pop(cls), *own)
        if heard:
            notes.append(AUDIO_AS_TEXT_NOTE if own[0] is None else AUDIO_NOTE)
        if seen:
            notes.append(IMAGE_AS_TEXT_NOTE if own[1] is None else IMAGE_NOTE)
    if not notes:
        return price
    return replace(price, rates=rates, mixed=mixed, notes=(*price.notes, *dict.fromkeys(notes)))

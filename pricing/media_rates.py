"""Rates of calls with audio or images in them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tokenprof.pricing.rates import Band, MixedRates, Price
from tokenprof.pricing.usage import TokenClass, Usage

AUDIO_NOTE = "Audio tokens have a rate of their own, so their class has no single one."

AUDIO_AS_TEXT_NOTE = "No rate for audio is listed; its tokens are priced as text."

IMAGE_NOTE = "Images that the model writes have a rate of their own."

IMAGE_AS_TEXT_NOTE = "No rate for images that the model writes is listed; their tokens are priced as text."


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

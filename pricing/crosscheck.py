"""A second opinion: our price book beside another public price map, if one is installed.

Reads the map that ships inside the `litellm` package, or any file of that shape. The file is read without
importing the package, since importing it uses the network. A disagreement is not an error: the other map has
no history, no hour of day and few tiers, so a person must judge.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenprof.pricing.book import PriceBook
from tokenprof.pricing.rates import Price, is_amount
from tokenprof.pricing.usage import Usage, shown

MAP_KEYS = {
    "input_cost_per_token": "uncached_input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
}
"""The other map's keys, all in USD per token, and the class that each one prices."""

PROVIDERS = {"anthropic": "anthropic", "openai": "openai", "deepseek": "deepseek", "moonshot": "moonshotai"}
"""The other map's provider names and ours, for those whose ids are the same in both."""


class PriceMapError(ValueError):
    """A second price map that cannot be read."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A rate on which the two books differ [USD per million tokens]; None if one of them has none."""

    provider: str
    model: str
    cls: str
    ours: Decimal | None
    theirs: Decimal | None


def installed_map() -> Path | None:
    """Return the path of the price map of an installed `litellm`; None if it is not installed."""
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "model_prices_and_context_window_backup.json"
    return path if path.is_file() else None


def load_map(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Read a price map of litellm's shape. Raises `PriceMapError` saying what is wrong."""
    try:
        rows = json.loads(path.read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise PriceMapError(f"The price map {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise PriceMapError(f"The price map {path} is not valid JSON: {error}.") from error
    except RecursionError:
        raise PriceMapError(f"The price map {path} is nested too deeply for a price map.") from None
    if not isinstance(rows, dict):
        raise PriceMapError(f"The price map {path} is not a JSON object of rows by model id.")
    return {name: row for name, row in rows.items() if isinstance(row, dict)}


def disagreements(
    book: PriceBook, rows: Mapping[str, Mapping[str, Any]], at: datetime
) -> Iterator[Disagreement]:
    """Yield each rate on which the two books differ at a time, for the models that both know.

    Free cache writes are not a difference: our book bills them as input, and the other has no rate for them.
    """
    compared: set[tuple[str, str]] = set()
    for name, row in sorted(rows.items()):
        provider, model = _named(name, row)
        if provider is None or (provider, model) in compared:
            continue
        compared.add((provider, model))
        price = book.price(provider, model, at, Usage())
        if not isinstance(price, Price):
            continue
        for key, cls in MAP_KEYS.items():
            theirs = _per_mtok(name, key, row.get(key))
            rate = price.rates.get(cls)
            ours = None if rate is None else rate.scaleb(6).normalize()
            free_write = cls == "cache_write" and not theirs and rate == price.rates.get("uncached_input")
            if ours != theirs and not free_write and (ours is not None or theirs):
                yield Disagreement(provider, model, cls, ours, theirs)


def _per_mtok(name: str, key: str, usd: object) -> Decimal | None:
    """Return a rate of the other map in USD per million tokens; None if it has none."""
    if usd is None:
        return None
    try:
        rate = Decimal(str(usd))
    except ArithmeticError:
        rate = Decimal("NaN")
    if not is_amount(rate, most_decimals=40):
        raise PriceMapError(f"In the price map, {key} of {name} is {shown(usd)}; it must be a price in USD.")
    return rate.scaleb(6).normalize()


def _named(name: str, row: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return our provider and the model of a row; no provider if the row does not price plain text."""
    theirs = str(row.get("litellm_provider"))
    prefix, slash, model = name.partition("/")
    named_plainly = not slash or (prefix == theirs and "/" not in model)
    if row.get("mode", "chat") not in ("chat", "completion", "responses") or not named_plainly:
        return None, name
    return PROVIDERS.get(theirs), model if slash else name

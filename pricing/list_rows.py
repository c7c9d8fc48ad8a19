"""The rows of the `genai-prices` package as plain values, and as bytes that one provider can be read from.

Importing the package takes longer than all else that a small report does, since it brings an HTTP client and
a validation library along. Its rows change only with its version, so they can be kept between processes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.util import find_spec
from typing import Any, Final

Remember = Callable[[str, Callable[[], bytes]], bytes]
"""Takes a question and what answers it; returns the answer, from memory if the question was asked before."""

_FORM: Final = "1"


@dataclass(frozen=True, slots=True)
class ListRate:
    """A price for each size of prompt: `tiers` are the sizes [tokens] from which another price holds."""

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def above(self, tokens: int) -> Decimal:
        """Return the price that holds above a prompt size."""
        chosen = self.base
        for start, price in self.tiers:
            if tokens >= start:
                chosen = price
        return chosen


@dataclass(frozen=True, slots=True)
class ListRow:
    """Prices by the package's key, and when they hold: from a day on, between two times [UTC], or always.

    `when` is what a request has to say for them; empty in the standard rows.
    """

    prices: Mapping[str, ListRate]
    start_date: date | None
    hours: tuple[time, time] | None
    when: Mapping[str, str]

    def holds(self, at: datetime) -> bool:
        """Tell whether the row holds at a moment; one without a zone is in UTC."""
        moment = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        if self.start_date is not None:
            return moment.date() >= self.start_date
        if self.hours is not None:
            start, end = self.hours
            now = moment.time()
            return start <= now < end if start <= end else now >= start or now < end
        return True


@dataclass(frozen=True, slots=True)
class ListModel:
    """The rows of one model: standard ones, the last that holds prevails, and variants for some requests."""

    rows: tuple[ListRow, ...]
    variants: tuple[ListRow, ...]

    def prices(self, at: datetime, context: Mapping[str, str]) -> dict[str, ListRate]:
        """Return the prices at a moment, with those of the variants that a request's `context` chooses."""
        standard = next((row for row in reversed(self.rows) if row.holds(at)), self.rows[0])
        chosen: dict[str, ListRate] = {}
        for variant in self.variants if context else ():
            if variant.holds(at) and all(context.get(key) == value for key, value in variant.when.items()):
                chosen = {**variant.prices, **chosen}
        return {**standard.prices, **chosen}

    def has_variant(self, at: datetime, context: Mapping[str, str]) -> bool:
        """Tell whether there are prices of their own for exactly this context."""
        return any(dict(row.when) == dict(context) and row.holds(at) for row in self.variants)


class ListProvider:
    """One provider's rows; a model's are read when it is asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.makers: tuple[str, ...] = tuple(values["makers"])
        self.page: str = values["page"]
        self._values: list[tuple[str, list[list[str]], list[Any], list[Any]]] = values["models"]
        self._by_id = {model[0]: model for model in self._values}
        self._read: dict[str, ListModel] = {}

    def model_ids(self) -> tuple[str, ...]:
        """Return the ids of the models."""
        return tuple(self._by_id)

    def names(self) -> Iterator[tuple[str, str, str]]:
        """Yield the names that lead to a model: kind of match, text in small letters, the model's id."""
        for model, names, *_ in self._values:
            for kind, text in names:
                yield kind, text, model

    def model(self, model: str) -> ListModel | None:
        """Return the rows of a model; None if it has none."""
        if model not in self._by_id:
            return None
        if model not in self._read:
            _, _, rows, variants = self._by_id[model]
            self._read[model] = ListModel(tuple(map(_row_of, rows)), tuple(map(_row_of, variants)))
        return self._read[model]


class ListRows:
    """All providers' rows, read one provider at a time."""

    def __init__(self, version: str, ids: tuple[str, ...], read: Callable[[str], Mapping[str, Any]]) -> None:
        self.version = version
        self.ids = ids
        self._read = read
        self._providers: dict[str, ListProvider] = {}

    def provider(self, provider: str) -> ListProvider | None:
        """Return a provider's rows; None if it has none."""
        if provider not in self.ids:
            return None
        if provider not in self._providers:
            self._providers[provider] = ListProvider(self._read(provider))
        return self._providers[provider]


def list_rows(remember: Remember | None = None) -> ListRows:
    """Return the rows of the installed package, from memory where `remember` has them."""
    files = _version_of_files() if remember is not None else None
    if remember is None or files is None:
        return _of_package()
    kept = remember(f"{_FORM} {files}", lambda: _bytes_of(_of_package()))
    try:
        version, *lines = kept.decode().split("\n")
        by_id = dict(line.split("\t", 1) for line in lines)
    except ValueError:
        by_id = {}
    if not by_id:
        return _of_package()
    return ListRows(version, tuple(by_id), lambda provider: dict(json.loads(by_id[provider])))


def _version_of_files() -> str | None:
    """Return what changes with the package's data; None if that is not known."""
    spec = find_spec("genai_prices")
    if spec is None or spec.origin is None:
        return None
    path = os.path.join(os.path.dirname(spec.origin), "data.py")
    try:
        status = os.stat(path)
    except OSError:
        return None
    return f"{path} {status.st_size} {status.st_mtime_ns}"


def _bytes_of(rows: ListRows) -> bytes:
    lines = [f"{provider}\t{json.dumps(rows._read(provider))}" for provider in rows.ids]
    return "\n".join([rows.version, *lines]).encode()


def _of_package() -> ListRows:
    from importlib.metadata import version

    from genai_prices.data import providers

    by_id = {provider.id: provider for provider in providers}
    return ListRows(version("genai-prices"), tuple(by_id), lambda provider: _plain(by_id[provider]))


def _plain(provider: Any) -> dict[str, Any]:
    return {
        "makers": list(provider.fallback_model_providers or ()),
        "page": (provider.pricing_urls or ["no page named"])[0],
        "models": [
            (
                model.id,
                [list(clause) for clause in _clauses(model.match)],
                [_plain_row(row) for row in _conditional(model.prices)],
                [_plain_row(row) for row in model.price_variants or ()],
            )
            for model in provider.models
        ],
    }


def _conditional(prices: Any) -> list[Any]:
    return prices if isinstance(prices, list) else [_Always(prices)]


@dataclass(frozen=True, slots=True)
class _Always:
    """A row of the package that states no condition."""

    prices: Any
    constraint: None = None


def _plain_row(row: Any) -> list[Any]:
    start = getattr(row.constraint, "start_date", None)
    hours = None
    if hasattr(row.constraint, "start_time"):
        hours = [_utc(row.constraint.start_time), _utc(row.constraint.end_time)]
    prices = {
        key: [
            str(getattr(price, "base", price)),
            *([t.start, str(t.price)] for t in getattr(price, "tiers", ())),
        ]
        for key, price in row.prices.__dict__.items()
        if price is not None and not key.startswith("_")
    }
    return [prices, start and start.isoformat(), hours, dict(getattr(row, "when", {}))]


def _utc(moment: time) -> str:
    if moment.tzinfo is not None:
        moment = datetime.combine(date(1970, 1, 1), moment).astimezone(UTC).time()
    return moment.isoformat()


def _row_of(values: Any) -> ListRow:
    prices, start, hours, when = values
    return ListRow(
        {
            key: ListRate(Decimal(base), tuple((size, Decimal(price)) for size, price in tiers))
            for key, (base, *tiers) in prices.items()
        },
        start and date.fromisoformat(start),
        hours and (time.fromisoformat(hours[0]), time.fromisoformat(hours[1])),
        when,
    )


def _clauses(match: Any) -> Iterator[tuple[str, str]]:
    """Yield the leaves of a match rule; one with several conditions at once names nothing exactly."""
    if hasattr(match, "or_"):
        for clause in match.or_:
            yield from _clauses(clause)
    elif not hasattr(match, "and_"):
        for kind, text in vars(match).items():
            yield kind, text.lower()

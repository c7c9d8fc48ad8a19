"""The list prices of the `genai-prices` package, read as quotes.

The package always answers something: the first row for a model before it existed, the row of a known id for
one that begins like it, the standard rate for an unknown tier. Here an id matches exactly or not at all, and
the caller refuses what a row's dates do not cover. Rows are read when the first price is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property

from tokenprof.pricing.list_rows import ListProvider, ListRate, ListRow, ListRows, Remember, list_rows
from tokenprof.pricing.rates import Band, Quote, per_piece
from tokenprof.pricing.usage import TokenClass

MTOK_CLASSES = {
    "input_mtok": (TokenClass.UNCACHED_INPUT,),
    "cache_read_mtok": (TokenClass.CACHE_READ,),
    "cache_write_5m_mtok": (TokenClass.CACHE_WRITE_5M,),
    "cache_write_1h_mtok": (TokenClass.CACHE_WRITE_1H,),
    "output_mtok": (TokenClass.OUTPUT, TokenClass.REASONING),
    "output_reasoning_mtok": (TokenClass.REASONING,),
}
"""The package's price keys per million tokens, and the classes that each one prices; later keys prevail."""

AUDIO_CLASSES = {"input_audio_mtok": TokenClass.UNCACHED_INPUT, "output_audio_mtok": TokenClass.OUTPUT}
"""The package's prices of audio, and the classes that audio is part of."""

IMAGE_CLASSES = {"output_image_mtok": TokenClass.OUTPUT}
"""The package's price of images that a model writes, and the class that they are part of."""

KCOUNT_FEES = {
    "web_searches_kcount": "web_search",
    "storage_searches_kcount": "file_search",
    "code_executions_kcount": "code_execution",
    "social_searches_kcount": "social_search",
    "requests_kcount": "request",
}
"""The package's price keys per thousand pieces, and our fee names."""

WRITES_LIVE_30M = frozenset({"openai", "azure"})
"""Providers whose only write price is that of a 30-minute write; for all others it is a 5-minute write."""

_SNAPSHOT = re.compile(r"[-@](20\d{2})-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])$")
_BEDROCK_VERSION = re.compile(r"-v\d+(:\d+)?$")


@dataclass(slots=True)
class _Names:
    """The names under which a provider's rows can be found."""

    exact: dict[str, str] = field(default_factory=dict)
    bases: dict[str, str] = field(default_factory=dict)
    patterns: list[tuple[re.Pattern[str], str]] = field(default_factory=list)


class GenaiPrices:
    """The bundled data of the installed `genai-prices`; nothing is fetched."""

    name = "genai-prices"

    def __init__(self, remember: Remember | None = None) -> None:
        self._remember = remember
        self._found_names: dict[str, _Names] = {}

    @cached_property
    def _rows(self) -> ListRows:
        return list_rows(self._remember)

    @property
    def version(self) -> str:
        """The installed version of the package."""
        return self._rows.version

    def _names(self, provider: str) -> _Names | None:
        rows = self._rows.provider(provider)
        if rows is None:
            return None
        if provider not in self._found_names:
            self._found_names[provider] = _names_of(rows)
        return self._found_names[provider]

    def providers(self) -> tuple[str, ...]:
        """Return the ids of all providers that have rows."""
        return self._rows.ids

    def models(self, provider: str) -> tuple[str, ...]:
        """Return the ids of a provider's rows."""
        rows = self._rows.provider(provider)
        return rows.model_ids() if rows else ()

    def makers(self, provider: str) -> tuple[str, ...]:
        """Return the makers whose models a provider sells at the makers' own prices, beside its own rows."""
        rows = self._rows.provider(provider)
        return rows.makers if rows else ()

    def resolve(self, provider: str, ref: str) -> str | None:
        """Return the id of the row that `ref` names exactly, by an alias, or as a dated snapshot; or None."""
        names = self._names(provider)
        if names is None:
            return None
        ref = ref.lower()
        if found := names.exact.get(ref):
            return found
        for pattern, model in names.patterns:
            if pattern.fullmatch(ref):
                return model
        if snapshot_date(ref) and (found := names.bases.get(_SNAPSHOT.sub("", ref))):
            return found
        if provider == "aws":
            versionless = _BEDROCK_VERSION.sub("", ref)
            return names.bases.get(versionless) or names.bases.get(strip_snapshot(versionless))
        return None

    def near(self, provider: str, ref: str) -> tuple[str, ...]:
        """Return the rows whose names are similar to one that was not found, most similar first."""
        from difflib import get_close_matches

        # A host whose name is misspelt has no rows; those of the nearest host are meant.
        hosts = [provider] if self.models(provider) else get_close_matches(provider, self.providers(), n=1)
        rows = []
        for host in hosts:
            # Hosts put the maker or a path in front of a model, and nobody types that.
            by_end = {model.lower().rpartition("/")[2]: model for model in self.models(host)}
            near = get_close_matches(ref.lower().rpartition("/")[2], by_end, n=3, cutoff=0.6)
            rows += [f"{host}/{by_end[name]}" for name in near]
        elsewhere = (other for other in self.providers() if other != provider and self.resolve(other, ref))
        rows += [f"{other}/{self.resolve(other, ref)}" for other in elsewhere]
        return tuple(dict.fromkeys(rows))[:5]

    def depends_on_hour(self, provider: str, model: str) -> bool:
        """Return whether a row's price depends on the time of day."""
        return any(row.hours is not None for row in self._standard_rows(provider, model))

    def first_dated(self, provider: str, model: str) -> date | None:
        """Return the date of the earliest dated row of a model; None if no row is dated."""
        starts = (row.start_date for row in self._standard_rows(provider, model))
        return min((start for start in starts if start), default=None)

    def quote(self, provider: str, model: str, at: datetime, context: Mapping[str, str]) -> Quote | None:
        """Return the rates of a row at a time; None if the row has no rates for the context.

        `context` is empty or one condition, such as `{"processing": "batch"}`.
        """
        rows = self._rows.provider(provider)
        listed = rows.model(model) if rows else None
        if rows is None or listed is None or (context and not listed.has_variant(at, context)):
            return None
        return Quote(
            model=model,
            bands=_bands(listed.prices(at, context), thirty_minutes=provider in WRITES_LIVE_30M),
            valid_from=self._valid_from(provider, model, at),
            source=f"genai-prices {self.version}: {rows.page}",
        )

    def _standard_rows(self, provider: str, model: str) -> tuple[ListRow, ...]:
        rows = self._rows.provider(provider)
        listed = rows.model(model) if rows else None
        return listed.rows if listed else ()

    def _valid_from(self, provider: str, model: str, at: datetime) -> date | None:
        starts = (row.start_date for row in self._standard_rows(provider, model))
        return max((start for start in starts if start and start <= at.date()), default=None)


def snapshot_date(ref: str) -> date | None:
    """Return the date in a model id's snapshot suffix (`-20251101`, `@20251101`, `-2025-11-01`), if any."""
    found = _SNAPSHOT.search(ref)
    if not found:
        return None
    try:
        return date(*map(int, found.groups()))
    except ValueError:
        return None


def strip_snapshot(ref: str) -> str:
    """Return a model id without its snapshot date, if it has one."""
    return _SNAPSHOT.sub("", ref) if snapshot_date(ref) else ref


def _names_of(rows: ListProvider) -> _Names:
    names = _Names()
    for kind, text, model in rows.names():
        if kind == "equals":
            names.exact.setdefault(text, model)
        elif kind == "regex" and text.startswith("^") and text.endswith("$"):
            names.patterns.append((re.compile(text), model))
        elif kind in ("starts_with", "contains", "ends_with") and re.search(r"[a-z0-9]$", text):
            names.bases.setdefault(text, model)
    names.exact.update({model.lower(): model for model in rows.model_ids()})
    names.bases = {**names.bases, **names.exact}
    return names


def _bands(prices: Mapping[str, ListRate], *, thirty_minutes: bool) -> tuple[Band, ...]:
    """Return one band per prompt-size limit that any of the prices names."""
    limits = {0}
    for price in prices.values():
        limits.update(start for start, _ in price.tiers)
    return tuple(_band(prices, limit, thirty_minutes) for limit in sorted(limits))


def _band(prices: Mapping[str, ListRate], above_tokens: int, thirty_minutes: bool) -> Band:
    at_size = {key: price.above(above_tokens) for key, price in prices.items()}
    rates: dict[str, Decimal] = {}
    if (write := at_size.get("cache_write_mtok")) is not None:
        default_write = TokenClass.CACHE_WRITE_30M if thirty_minutes else TokenClass.CACHE_WRITE_5M
        rates |= dict.fromkeys((default_write, TokenClass.CACHE_WRITE), per_piece(write, 6))
    for key, classes in MTOK_CLASSES.items():
        if key in at_size:
            rates |= dict.fromkeys(classes, per_piece(at_size[key], 6))
    fees = {fee: per_piece(at_size[key], 3) for key, fee in KCOUNT_FEES.items() if key in at_size}
    audio: dict[str, Decimal] = {
        cls: per_piece(at_size[key], 6) for key, cls in AUDIO_CLASSES.items() if key in at_size
    }
    image: dict[str, Decimal] = {
        cls: per_piece(at_size[key], 6) for key, cls in IMAGE_CLASSES.items() if key in at_size
    }
    return Band(above_tokens, rates, fees, audio, image)

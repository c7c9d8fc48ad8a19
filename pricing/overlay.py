"""Dated price rows on top of the list-price catalogue: ours, and the user's.

An overlay holds what the catalogue lacks or gets wrong: when models became available, premiums for a
region, rates before the catalogue's first date, fees, and a user's contract. Each row has its source and the
day it was checked. Rows of a later file prevail over those of an earlier one, and any overlay row prevails
over the catalogue. `overlay_toml` reads the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal

from tokenprof.pricing.rates import Band, Quote

EVERY_MODEL = "*"

_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Launch:
    """The day from which a model can be called (UTC), and the day from which it no longer can, if any."""

    provider: str
    model: str
    day: date
    retired: date | None
    source: str
    checked: date


@dataclass(frozen=True, slots=True)
class PriceRow:
    """Rates of a model from a moment on (UTC), for one condition and one band of prompt sizes.

    `hours_utc` limits the row to a daily window on the ISO `weekdays`, but not on `except_days` (a peak
    price); such a row prevails over one without a window.
    """

    provider: str
    model: str
    start: datetime | None
    until: datetime | None
    when: Mapping[str, str]
    hours_utc: tuple[time, time] | None
    weekdays: frozenset[int]
    except_days: frozenset[date]
    band: Band
    source: str
    checked: date
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Multiplier:
    """A factor on a model's standard rates: a regional premium, a batch discount, a contract.

    With `when` it holds under that condition; without, it applies to everything (a negotiated discount).
    `classes` limits it. If `only_classes` is set, the classes that it leaves out have no known rate under
    `when`.
    """

    provider: str
    models: frozenset[str]
    start: date | None
    until: date | None
    when: Mapping[str, str]
    factor: Decimal
    classes: frozenset[str] | None
    only_classes: bool
    source: str
    checked: date
    note: str | None = None

    def covers(self, provider: str, model: str, day: date) -> bool:
        """Return whether the factor applies to this model on this day."""
        return (
            self.provider in (provider, EVERY_MODEL)
            and (model in self.models or EVERY_MODEL in self.models)
            and _within(self.start, self.until, day)
        )


@dataclass(frozen=True, slots=True)
class Fee:
    """What a piece of something costs at a provider [USD], if the catalogue's row does not say."""

    provider: str
    models: frozenset[str]
    name: str
    usd: Decimal
    start: date | None
    until: date | None
    source: str
    checked: date


@dataclass(frozen=True, slots=True)
class Overlay:
    """The rows of one file."""

    name: str
    launches: tuple[Launch, ...] = ()
    prices: tuple[PriceRow, ...] = ()
    multipliers: tuple[Multiplier, ...] = ()
    fees: tuple[Fee, ...] = ()
    aliases: Mapping[tuple[str, str], str] = field(default_factory=dict)
    provider_aliases: Mapping[str, str] = field(default_factory=dict)
    writes_as_input: frozenset[str] = frozenset()


class Overlays:
    """Several overlay files as one; if two state the same, the later file prevails."""

    def __init__(self, parts: Sequence[Overlay]):
        self.parts = tuple(parts)
        self.launches = {(row.provider, row.model): row for part in self.parts for row in part.launches}
        self._launches_by_name = sorted(
            (
                (_plain_name(model), launch)
                for (_, model), launch in self.launches.items()
                if model != EVERY_MODEL
            ),
            key=lambda named: (-len(named[0]), named[1].day),
        )
        self.aliases = {key: model for part in self.parts for key, model in part.aliases.items()}
        self.provider_aliases = {
            alias: provider for part in self.parts for alias, provider in part.provider_aliases.items()
        }
        self.writes_as_input = frozenset().union(*(part.writes_as_input for part in self.parts))
        self.conditions: dict[str, set[str]] = {}
        for part in self.parts:
            for when in (*(row.when for row in part.prices), *(row.when for row in part.multipliers)):
                for name, value in when.items():
                    self.conditions.setdefault(name, set()).add(value)
        self._prices: dict[tuple[str, str], list[tuple[PriceRow, ...]]] = {}
        for part in self.parts:
            for key, rows in _by_model(part.prices).items():
                self._prices.setdefault(key, []).append(rows)

    def original(self, row: str) -> Launch | None:
        """Return the launch of the model that a host's row names inside its own id, the longest name first.

        `us.anthropic.claude-opus-4-8-v1:0` and `anthropic/claude-opus-4.8` both name `claude-opus-4-8`.
        """
        words = f"-{_plain_name(row)}-"
        named = (launch for name, launch in self._launches_by_name if f"-{name}-" in words)
        return next(named, None)

    def models(self, provider: str) -> tuple[str, ...]:
        """Return the models of a provider that an overlay prices."""
        return tuple(model for of, model in self._prices if of == provider)

    def depends_on_hour(self, provider: str, model: str) -> bool:
        """Return whether an overlay prices this model by time of day."""
        rows = (row for part in self._prices.get((provider, model), ()) for row in part)
        return any(row.hours_utc or _mid_day(row.start) or _mid_day(row.until) for row in rows)

    def quote(self, provider: str, model: str, at: datetime, context: Mapping[str, str]) -> Quote | None:
        """Return the rates of the last file with an active row for just this condition; None without one."""
        for rows in reversed(self._prices.get((provider, model), ())):
            active = [row for row in rows if dict(context) == row.when and _active(row, at)]
            if not active:
                continue
            in_window = [row for row in active if row.hours_utc]
            candidates = in_window or active
            newest = max(row.start or _BEGINNING for row in candidates)
            chosen = [row for row in candidates if (row.start or _BEGINNING) == newest]
            bands = tuple(sorted((row.band for row in chosen), key=lambda band: band.above_tokens))
            first = chosen[0]
            notes = tuple(row.note for row in chosen if row.note)
            valid_from = first.start.date() if first.start else None
            return Quote(model, bands, valid_from, first.source, first.checked, notes)
        return None

    def premium(self, provider: str, model: str, day: date, condition: tuple[str, str]) -> Multiplier | None:
        """Return the factor for one condition, from the last file that has one; None without one."""
        found = [
            row
            for part in self.parts
            for row in part.multipliers
            if row.when == dict([condition]) and row.covers(provider, model, day)
        ]
        return found[-1] if found else None

    def discounts(self, provider: str, model: str, day: date) -> tuple[Multiplier, ...]:
        """Return the unconditional factors (a user's contract) that apply."""
        rows = (row for part in self.parts for row in part.multipliers)
        return tuple(row for row in rows if not row.when and row.covers(provider, model, day))

    def fee_rates(self, provider: str, model: str, day: date) -> dict[str, Decimal]:
        """Return the fees per piece that overlays state for a model."""
        return {
            row.name: row.usd
            for part in self.parts
            for row in part.fees
            if row.provider == provider
            and (model in row.models or EVERY_MODEL in row.models)
            and _within(row.start, row.until, day)
        }


def _plain_name(model: str) -> str:
    """Return a model id with its words joined by dashes: hosts write 4.8, 4-8 or 4p8 for the same version."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"(\d)p(\d)", r"\1-\2", model.lower())).removesuffix("-latest")


def _by_model(rows: Iterable[PriceRow]) -> dict[tuple[str, str], tuple[PriceRow, ...]]:
    grouped: dict[tuple[str, str], list[PriceRow]] = {}
    for row in rows:
        grouped.setdefault((row.provider, row.model), []).append(row)
    return {key: tuple(group) for key, group in grouped.items()}


def _active(row: PriceRow, at: datetime) -> bool:
    if (row.start and at < row.start) or (row.until and at >= row.until):
        return False
    if row.hours_utc is None:
        return True
    if at.isoweekday() not in row.weekdays or at.date() in row.except_days:
        return False
    begin, end = row.hours_utc
    now = at.time()
    return begin <= now < end if begin <= end else now >= begin or now < end


def _mid_day(moment: datetime | None) -> bool:
    return moment is not None and moment.time() != time(0)


def _within(start: date | None, until: date | None, day: date) -> bool:
    """Return whether a day lies from `start` up to, and not including, `until`."""
    return (start is None or day >= start) and (until is None or day < until)

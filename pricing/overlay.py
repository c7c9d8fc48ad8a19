"""Our own dated price rows, and the user's: TOML files laid over the list-price catalogue.

An overlay holds what the catalogue lacks or gets wrong: when models became available, premiums for a
region, rates before the catalogue's first date, fees, and a user's contract. Every row says where it
stands and when that was checked. Files are read in order; a later file's rows prevail over an earlier
one's, and any overlay row over the catalogue. `docs/prices.md` describes the format.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

from tokenprof.pricing.rates import TOKEN_CLASSES, Band, Quote, Rates, per_piece

EVERY_MODEL = "*"

_BEGINNING = datetime.min.replace(tzinfo=UTC)


class OverlayError(ValueError):
    """An overlay file that cannot be used, with the file, the table and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Launch:
    """The day from which a model could be called, UTC; before it there is no price."""

    provider: str
    model: str
    day: date
    source: str
    checked: date


@dataclass(frozen=True, slots=True)
class PriceRow:
    """Rates of a model from a moment on (UTC), for one condition and one band of prompt sizes.

    `hours_utc` limits the row to a daily window on the ISO `weekdays`, save `except_days` (a peak price);
    such a row prevails over one without.
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

    With `when` it answers that condition; without, it applies to everything (a negotiated discount).
    """

    provider: str
    models: frozenset[str]
    start: date | None
    until: date | None
    when: Mapping[str, str]
    factor: Decimal
    classes: frozenset[str] | None
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
    """What a piece of something costs on a provider, where the catalogue's row does not say."""

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
    """Several overlay files, asked as one; where two speak, the later file prevails."""

    def __init__(self, parts: Sequence[Overlay]):
        self.parts = tuple(parts)
        self.launches = {(row.provider, row.model): row for part in self.parts for row in part.launches}
        self.aliases = {key: model for part in self.parts for key, model in part.aliases.items()}
        self.provider_aliases = {
            alias: provider for part in self.parts for alias, provider in part.provider_aliases.items()
        }
        self.writes_as_input = frozenset().union(*(part.writes_as_input for part in self.parts))
        self._prices: dict[tuple[str, str], list[tuple[PriceRow, ...]]] = {}
        for part in self.parts:
            for key, rows in _by_model(part.prices).items():
                self._prices.setdefault(key, []).append(rows)

    def models(self, provider: str) -> tuple[str, ...]:
        """Return the models of a provider that an overlay prices."""
        return tuple(model for of, model in self._prices if of == provider)

    def depends_on_hour(self, provider: str, model: str) -> bool:
        """Return whether an overlay prices this model by time of day."""
        rows = (row for part in self._prices.get((provider, model), ()) for row in part)
        return any(row.hours_utc or _mid_day(row.start) or _mid_day(row.until) for row in rows)

    def quote(self, provider: str, model: str, at: datetime, context: Mapping[str, str]) -> Quote | None:
        """Return the rates that the last file with an active row for exactly this condition states."""
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
        """Return the factor that stands for one condition, from the last file that has one."""
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


def shipped_overlays() -> tuple[Overlay, ...]:
    """Return the overlay files that ship with the package, in order of their names."""
    folder = files("tokenprof.pricing") / "data"
    texts = {item.name: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".toml")}
    return tuple(parse_overlay(texts[name], name) for name in sorted(texts) if name.startswith("overlay"))


def load_overlay(path: Path) -> Overlay:
    """Read a user's overlay file; raises `OverlayError` saying what is wrong and where."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise OverlayError(f"The price overlay {path} cannot be read: {error.strerror}.") from error
    return parse_overlay(text, str(path))


def parse_overlay(text: str, name: str) -> Overlay:
    """Read an overlay's TOML text; `name` is what errors call it."""
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise OverlayError(f"The price overlay {name} is not valid TOML: {error}.") from error
    known = {"launch", "price", "multiplier", "discount", "fee", "alias", "provider_alias", "writes_as_input"}
    if unknown := set(tables) - known:
        raise OverlayError(
            f"The price overlay {name} has a table '{min(unknown)}'; known are {', '.join(sorted(known))}."
        )
    reader = _Reader(name, tables)
    return Overlay(
        name=name,
        launches=tuple(reader.launches()),
        prices=tuple(reader.prices()),
        multipliers=tuple(reader.multipliers()),
        fees=tuple(reader.fees()),
        aliases={
            (row.text("provider"), alias): row.text("model")
            for row in reader.rows("alias")
            for alias in row.texts("names")
        },
        provider_aliases=tables.get("provider_alias", {}),
        writes_as_input=frozenset(row.text("provider") for row in reader.rows("writes_as_input")),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """One table of an overlay file, read key by key with errors that say where."""

    place: str
    values: Mapping[str, Any]

    def fail(self, what: str) -> OverlayError:
        return OverlayError(f"{self.place}: {what}")

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not value:
            raise self.fail(f"'{key}' must be given as text.")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fail(f"'{key}' must be a list of texts.")
        return tuple(value)

    def day(self, key: str, *, required: bool = False) -> date | None:
        value = self.values.get(key)
        if value is None and not required:
            return None
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self.fail(f"'{key}' must be a date such as 2026-05-28.")
        return value

    def moment(self, key: str) -> datetime | None:
        value = self.values.get(key)
        if isinstance(value, datetime) and value.tzinfo:
            return value.astimezone(UTC)
        day = self.day(key)
        return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None

    def checked(self) -> date:
        day = self.day("checked", required=True)
        assert day is not None
        return day

    def amount(self, key: str, values: Mapping[str, Any] | None = None) -> Decimal:
        value = (self.values if values is None else values).get(key)
        try:
            amount = Decimal(value) if isinstance(value, str | int | Decimal) else Decimal("NaN")
        except ArithmeticError:
            amount = Decimal("NaN")
        if not amount.is_finite() or amount < 0:
            raise self.fail(f"'{key}' must be a non-negative amount, but it is {value!r}.")
        return amount

    def when(self) -> dict[str, str]:
        value = self.values.get("when", {})
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise self.fail("'when' must be a table of texts such as {service_tier = \"flex\"}.")
        return value

    def hours(self) -> tuple[time, time] | None:
        value = self.values.get("hours_utc")
        if value is None:
            return None
        if (
            not isinstance(value, list)
            or len(value) != 2
            or not all(isinstance(item, time) for item in value)
        ):
            raise self.fail("'hours_utc' must be two times such as [01:00:00, 04:00:00].")
        return value[0], value[1]

    def note(self) -> str | None:
        return self.text("note") if "note" in self.values else None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the tables of one file into rows."""

    name: str
    tables: Mapping[str, Any]

    def rows(self, table: str) -> Iterator[_Row]:
        for number, values in enumerate(self.tables.get(table, ()), 1):
            yield _Row(f"The price overlay {self.name}, [[{table}]] number {number}", values)

    def launches(self) -> Iterator[Launch]:
        for row in self.rows("launch"):
            day = row.day("date", required=True)
            assert day is not None
            yield Launch(row.text("provider"), row.text("model"), day, row.text("source"), row.checked())

    def prices(self) -> Iterator[PriceRow]:
        for row in self.rows("price"):
            yield PriceRow(
                provider=row.text("provider"),
                model=row.text("model"),
                start=row.moment("from"),
                until=row.moment("until"),
                when=row.when(),
                hours_utc=row.hours(),
                weekdays=frozenset(row.values.get("weekdays", range(1, 8))),
                except_days=frozenset(row.values.get("except_days", ())),
                band=Band(
                    above_tokens=row.values.get("above_tokens", 0),
                    rates=_rates(row),
                    fee_rates=_fee_rates(row),
                ),
                source=row.text("source"),
                checked=row.checked(),
                note=row.note(),
            )

    def multipliers(self) -> Iterator[Multiplier]:
        for table in ("multiplier", "discount"):
            for row in self.rows(table):
                when = row.when()
                if bool(when) != (table == "multiplier"):
                    raise row.fail("a [[multiplier]] needs 'when', and a [[discount]] has none.")
                classes = row.texts("classes") if "classes" in row.values else None
                if classes and (unknown := set(classes) - set(TOKEN_CLASSES)):
                    raise row.fail(f"'{min(unknown)}' is no class of {', '.join(TOKEN_CLASSES)}.")
                yield Multiplier(
                    provider=row.text("provider"),
                    models=frozenset(row.texts("models")),
                    start=row.day("from"),
                    until=row.day("until"),
                    when=when,
                    factor=row.amount("factor"),
                    classes=frozenset(classes) if classes else None,
                    source=row.text("source"),
                    checked=row.checked(),
                    note=row.note(),
                )

    def fees(self) -> Iterator[Fee]:
        for row in self.rows("fee"):
            yield Fee(
                provider=row.text("provider"),
                models=frozenset(row.texts("models")),
                name=row.text("name"),
                usd=row.amount("usd"),
                start=row.day("from"),
                until=row.day("until"),
                source=row.text("source"),
                checked=row.checked(),
            )


def _rates(row: _Row) -> Rates:
    """Read USD per million tokens by class; reasoning is output where it is not priced apart."""
    values = row.values.get("usd_per_mtok", {})
    if unknown := set(values) - set(TOKEN_CLASSES):
        raise row.fail(f"usd_per_mtok: '{min(unknown)}' is no class of {', '.join(TOKEN_CLASSES)}.")
    rates = {cls: per_piece(row.amount(cls, values), 6) for cls in values}
    if "output" in rates:
        rates.setdefault("reasoning", rates["output"])
    for ttl in ("cache_write_5m", "cache_write_30m"):
        if ttl in rates:
            rates.setdefault("cache_write", rates[ttl])
    return rates


def _fee_rates(row: _Row) -> Rates:
    values = row.values.get("fees", {})
    return {name: row.amount(name, values) for name in values}


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

"""Reading overlay files: TOML in, rows out, and errors that name the file, the table and the way out.

`docs/prices.md` describes the format. Amounts may be written as text or as numbers; either way they are
read as exact decimals.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tokenprof.pricing import DATA
from tokenprof.pricing.overlay import Fee, Launch, Multiplier, Overlay, PriceRow
from tokenprof.pricing.rates import Band, Rates, is_amount, per_piece
from tokenprof.pricing.selectors import why_never_met
from tokenprof.pricing.usage import TOKEN_CLASSES, TokenClass, shown

_DATED = ("from", "until", "source", "checked", "note")
_FACTOR = ("provider", "models", "when", "factor", "classes", "only_classes", *_DATED)

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "launch": ("provider", "dates", "retired", "source", "checked", "note"),
    "price": (
        "provider",
        "model",
        "when",
        "hours_utc",
        "weekdays",
        "except_days",
        "above_tokens",
        "usd_per_mtok",
        "fees",
        *_DATED,
    ),
    "multiplier": _FACTOR,
    "discount": _FACTOR,
    "fee": ("provider", "models", "name", "usd", *_DATED),
    "alias": ("provider", "model", "names", "source", "checked", "note"),
    "writes_as_input": ("provider", "source", "checked", "note"),
}
"""The keys that a row may have, by the table that it is in."""

TABLES = (*KEYS, "provider_alias")
"""The tables an overlay may have."""

MOST_DECIMALS: Final = 12
"""Of an amount or a factor, so that a bill is exact to its last decimal."""


class OverlayError(ValueError):
    """An overlay file cannot be used; the message names the file, the table and what is wrong."""


def shipped_overlays() -> tuple[Overlay, ...]:
    """Return the overlay files that ship with the package, in order of their names."""
    texts = {item.name: item.read_text("utf-8") for item in DATA.iterdir() if item.name.endswith(".toml")}
    return tuple(parse_overlay(texts[name], name) for name in sorted(texts) if name.startswith("overlay"))


def load_overlay(path: Path) -> Overlay:
    """Read a user's overlay file. Raises `OverlayError` saying what is wrong and where."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise OverlayError(f"The price overlay {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise OverlayError(f"The price overlay {path} is not UTF-8 text; save it as UTF-8.") from error
    return parse_overlay(text, str(path))


def parse_overlay(text: str, name: str) -> Overlay:
    """Read an overlay's TOML text; errors call it `name`. Raises `OverlayError` saying what is wrong."""
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except RecursionError:
        raise OverlayError(f"The price overlay {name} has tables that are nested too deeply.") from None
    except ValueError as error:
        # TOMLDecodeError, or an integer of more than 4,300 digits.
        raise OverlayError(f"The price overlay {name} is not valid TOML: {error}.") from error
    if unknown := set(tables) - set(TABLES):
        raise OverlayError(
            f"The price overlay {name} has a table '{min(unknown)}', which is not one of {', '.join(TABLES)}."
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
        provider_aliases=reader.provider_aliases(),
        writes_as_input=frozenset(row.text("provider") for row in reader.rows("writes_as_input")),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """One table of an overlay file, read key by key with errors that name the place."""

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

    def table(self, key: str) -> Mapping[str, Any]:
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.fail(f"'{key}' must be a table such as {{name = value}}.")
        return value

    def whole(self, key: str) -> int:
        value = self.values.get(key, 0)
        if type(value) is not int or value < 0:
            raise self.fail(f"'{key}' must be a whole number from 0 up.")
        return value

    def weekdays(self) -> frozenset[int]:
        value = self.values.get("weekdays", list(range(1, 8)))
        if not isinstance(value, list) or not all(type(day) is int and 1 <= day <= 7 for day in value):
            raise self.fail("'weekdays' must be a list of numbers from 1 (Monday) to 7.")
        return frozenset(value)

    def except_days(self) -> frozenset[date]:
        value = self.values.get("except_days", [])
        if not isinstance(value, list) or not all(type(day) is date for day in value):
            raise self.fail("'except_days' must be a list of dates such as [2026-05-28].")
        return frozenset(value)

    def day(self, key: str, *, required: bool = False) -> date | None:
        value = self.values.get(key)
        if value is None and not required:
            return None
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self.fail(f"'{key}' must be a date such as 2026-05-28.")
        return value

    def days(self, key: str) -> Mapping[str, date]:
        values = self.values.get(key, {})
        if not isinstance(values, dict) or not all(type(day) is date for day in values.values()):
            raise self.fail(f"'{key}' must be a table of dates by model.")
        return values

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
            # A bool is an int to Python, but not an amount.
            amount = Decimal(str(value)) if type(value) in (str, int, Decimal) else Decimal("NaN")
        except ArithmeticError:
            amount = Decimal("NaN")
        if not is_amount(amount, most_decimals=MOST_DECIMALS):
            raise self.fail(
                f"'{key}' must be a non-negative amount of at most {MOST_DECIMALS} decimals, "
                f"but it is {shown(value)}."
            )
        return amount

    def when(self) -> dict[str, str]:
        value = self.values.get("when", {})
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise self.fail("'when' must be a table of texts such as {service_tier = \"flex\"}.")
        if reason := why_never_met(value):
            raise self.fail(f"'when' is never met: {reason}")
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

    def flag(self, key: str) -> bool:
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self.fail(f"'{key}' must be true or false.")
        return value

    def note(self) -> str | None:
        return self.text("note") if "note" in self.values else None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the tables of one file into rows."""

    name: str
    tables: Mapping[str, Any]

    def rows(self, table: str) -> Iterator[_Row]:
        rows = self.tables.get(table, [])
        if not isinstance(rows, list) or not all(isinstance(values, dict) for values in rows):
            raise OverlayError(
                f"The price overlay {self.name}: write each row as a table of its own, [[{table}]]."
            )
        for number, values in enumerate(rows, 1):
            row = _Row(f"The price overlay {self.name}, [[{table}]] number {number}", values)
            for key in values:
                if key not in KEYS[table]:
                    raise row.fail(f"there is no key '{key}'; known are {', '.join(KEYS[table])}.")
            yield row

    def provider_aliases(self) -> Mapping[str, str]:
        names = self.tables.get("provider_alias", {})
        if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
            raise OverlayError(
                f"The price overlay {self.name}: [provider_alias] must be a table of texts "
                'such as bedrock = "aws".'
            )
        return names

    def launches(self) -> Iterator[Launch]:
        for row in self.rows("launch"):
            retired = row.days("retired")
            for model, day in row.days("dates").items():
                yield Launch(
                    row.text("provider"), model, day, retired.get(model), row.text("source"), row.checked()
                )

    def prices(self) -> Iterator[PriceRow]:
        for row in self.rows("price"):
            yield PriceRow(
                provider=row.text("provider"),
                model=row.text("model"),
                start=row.moment("from"),
                until=row.moment("until"),
                when=row.when(),
                hours_utc=row.hours(),
                weekdays=row.weekdays(),
                except_days=row.except_days(),
                band=Band(
                    above_tokens=row.whole("above_tokens"),
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
                if classes is not None and not classes:
                    raise row.fail("'classes' names no class; leave it out to mean all of them.")
                if classes and (unknown := set(classes) - set(TOKEN_CLASSES)):
                    raise row.fail(f"'{min(unknown)}' is not one of {', '.join(TOKEN_CLASSES)}.")
                yield Multiplier(
                    provider=row.text("provider"),
                    models=frozenset(row.texts("models")),
                    start=row.day("from"),
                    until=row.day("until"),
                    when=when,
                    factor=row.amount("factor"),
                    classes=frozenset(classes) if classes else None,
                    only_classes=row.flag("only_classes"),
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
    values = row.table("usd_per_mtok")
    if unknown := set(values) - set(TOKEN_CLASSES):
        raise row.fail(f"usd_per_mtok: '{min(unknown)}' is not one of {', '.join(TOKEN_CLASSES)}.")
    rates = {cls: per_piece(row.amount(cls, values), 6) for cls in values}
    if TokenClass.OUTPUT in rates:
        rates.setdefault(TokenClass.REASONING, rates[TokenClass.OUTPUT])
    for write in (TokenClass.CACHE_WRITE_5M, TokenClass.CACHE_WRITE_30M):
        if write in rates:
            rates.setdefault(TokenClass.CACHE_WRITE, rates[write])
    return rates


def _fee_rates(row: _Row) -> Rates:
    values = row.table("fees")
    return {name: row.amount(name, values) for name in values}

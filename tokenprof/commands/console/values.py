"""The values of options: numbers in their range, and one of several names. Each is a `type` for argparse."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean
from tokenprof.reading.log_bytes import require_plain_file

MOST_USD: Final = 1_000_000_000
"""More than anybody pays at once; beyond, an amount is a slip of the keyboard."""


def file_path(text: str) -> Path:
    """Parse the name of a file or folder; an empty one, as an unset shell variable leaves it, is refused."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name is empty; name a file")
    return Path(text)


def require_plain_inputs(options: argparse.Namespace) -> None:
    """Raise InputError if an option names a pipe or a device to be read; output may go to one."""
    for name, value in vars(options).items():
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, Path) and name != "output":
                require_plain_file(each)


def store_address(text: str) -> Path | str:
    """Parse the place of a store: a folder, or an address such as `s3://bucket/store`, which stays a text."""
    return text if "://" in text else file_path(text)


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a type for whole numbers from `least` up to `most`."""
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {limits}")
        return number

    return parse


def tool_argument(text: str) -> tuple[str, str]:
    """Parse `TOOL=ARGUMENT` into the two names."""
    tool, _, argument = text.partition("=")
    if not tool or not argument:
        raise argparse.ArgumentTypeError(f"{text!r} is not TOOL=ARGUMENT, such as lookup_order=order_id")
    return tool, argument


def positive_number(text: str) -> float:
    """Parse a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def share(text: str) -> float:
    """Parse a share, above 0 and at most 1."""
    number = positive_number(text)
    if number > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share above 0 and at most 1")
    return number


def usd(text: str) -> Decimal:
    """Parse an amount of dollars from 0 up."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount <= MOST_USD:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount of dollars such as 12.50")
    return amount


def moment(text: str) -> datetime:
    """Parse a day or a time; without a time zone it is UTC."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day or time such as 2026-05-28") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """Return a type for one of several names; give the argument `metavar=choice(names)` beside it."""

    def parse(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not one of {', '.join(names)}.{did_you_mean(text, names)}"
            )
        return text

    return parse


def choice(names: Sequence[str]) -> str:
    """Return how the help shows a choice: `{text,json}`."""
    return f"{{{','.join(names)}}}"


def require_known(what: str, name: str, known: Iterable[str], way_out: str) -> None:
    """Raise InputError with the near name if a name is not among the known ones."""
    names = sorted(known)
    if name not in names:
        listed = ", ".join(each if each.replace("-", "").isalnum() else repr(each) for each in names)
        raise InputError(
            f"No {what} is named {name!r}.{did_you_mean(name, names)} "
            f"Known are: {listed or 'none'}. {way_out}"
        )

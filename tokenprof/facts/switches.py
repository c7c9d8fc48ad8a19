"""Variables of the environment that switch something on or off, all read by one rule."""

from __future__ import annotations

from typing import Final

_OFF: Final = ("", "0", "off", "no", "false")


def is_switched_on(value: str | None) -> bool:
    """Return whether the value of a variable switches on: any but empty, 0, off, no, false."""
    return value is not None and value.strip().lower() not in _OFF

"""Figures from a fraction to trillions, as a person reads them."""

from __future__ import annotations

from typing import Final

_SCALES: Final = ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"))


def quantity(value: float) -> str:
    """Return a figure of any size to three digits, with separators or a word for what is very large."""
    if isinstance(value, bool) or value == 0:
        return str(value)
    for scale, word in _SCALES:
        if abs(value) >= scale:
            return f"{value / scale:.3g}{word}"
    if abs(value) >= 1000:
        return f"{round(value, 3 - len(str(int(abs(value))))):,.0f}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)

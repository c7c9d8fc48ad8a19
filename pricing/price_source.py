"""Where prices come from, as a report says it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PriceSource:
    """A price book: its name, its version, the day its prices were current, and the files laid over it."""

    book: str
    version: str | None
    as_of: str | None
    overlays: tuple[str, ...]

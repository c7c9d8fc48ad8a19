"""How far a reading of many files has come, for whoever wants to show it."""

from __future__ import annotations

from collections.abc import Callable

from tokenprof.data_classes.frozen import frozen


@frozen
class Progress:
    """Files and bytes that are read, of all that will be, and the seconds since the first one."""

    files: int
    all_files: int
    bytes: int
    all_bytes: int
    seconds: float

    @property
    def bytes_per_s(self) -> float | None:
        """The rate so far; None before anything is read."""
        return self.bytes / self.seconds if self.seconds > 0 and self.bytes else None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the rate so far; None before anything is read."""
        rate = self.bytes_per_s
        return None if rate is None else (self.all_bytes - self.bytes) / rate


Watcher = Callable[[Progress], None]
"""Is told about each file that was read."""


def unwatched(_: Progress) -> None:
    """Show nothing."""

"""What an ordinary user may not do, also where the tests run as root."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

NOBODY: Final = 65_534


@contextlib.contextmanager
def not_root() -> Iterator[None]:
    """Let the block run as a user without privileges. An ordinary user stays who it is."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)

"""Clients that tests connect are closed with the test: a forgotten socket would warn in some later one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from recordings import CONNECTED


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    while CONNECTED:
        CONNECTED.pop().close()

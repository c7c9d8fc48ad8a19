"""What holds for every test."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tokenprof.record.background.counting_process import COUNTING_PROCESS

# No test writes into the user's cache folder.
os.environ["TOKENPROF_CACHE"] = "off"

# No test asserts a time: the first example of a test may load vocabularies, and machines are shared.
settings.register_profile("tokenprof", deadline=None)
settings.load_profile("tokenprof")


@pytest.fixture(scope="session", autouse=True)
def _vocabularies() -> None:
    """Load the vocabularies once: a recording that ends before they are has its counts later."""
    COUNTING_PROCESS.count(["a"])

"""Folders of small logs, made from those of real tools, and stores of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from stores import LOGS, five_sessions

from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.pricing.book import PriceBook
from tokenprof.store.ingest.ingest import ingest


@pytest.fixture(scope="session")
def book() -> PriceBook:
    return price_book(Assumptions())


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Logs of many formats, of which some hold the same responses."""
    folder = tmp_path / "logs"
    shutil.copytree(LOGS, folder)
    return folder


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """Five Claude Code sessions whose responses are all different, in two projects."""
    return five_sessions(tmp_path / "sessions")


@pytest.fixture
def store(logs: Path, tmp_path: Path) -> Path:
    """A store of logs of many formats."""
    ingest([logs], tmp_path / "store")
    return tmp_path / "store"

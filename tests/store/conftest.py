"""Folders of small logs, made from those of real tools, and stores of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.pricing.book import PriceBook
from tokenprof.store.ingest.ingest import ingest

LOGS = Path(__file__).parents[1] / "data" / "logs"


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


def five_sessions(folder: Path) -> Path:
    for number in range(5):
        session_file(folder / f"project{number % 2}", number)
    return folder


def session_file(folder: Path, number: int) -> Path:
    """Write a session of four responses whose ids nobody else has."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"session{number}.jsonl"
    text = (LOGS / "session_log" / "session_2.1.330.jsonl").read_text("utf-8")
    path.write_text(text.replace("msg_", f"msg_{number}_").replace("req_", f"req_{number}_"), "utf-8")
    return path


@pytest.fixture
def store(logs: Path, tmp_path: Path) -> Path:
    """A store of logs of many formats."""
    ingest([logs], tmp_path / "store")
    return tmp_path / "store"

"""The examples are importable: what a user copies is what is tested."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent.parent / "examples" / "frameworks"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The frameworks leave their HTTP clients to the garbage collector; that is theirs to settle."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(autouse=True, scope="module")
def _collect_their_clients() -> Iterator[None]:
    """Collected with the file that made them: their warnings belong to no file of another folder."""
    yield
    gc.collect()


@pytest.fixture
def run_path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"

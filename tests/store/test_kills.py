"""A writer that is killed leaves what it had committed; the next one completes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kill_points import kill_at_random
from stores import everything, five_sessions

from tokenprof.store.ingest.ingest import ingest
from tokenprof.store.writing import store_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The totals of the sessions, ingested at once."""
    folder = tmp_path_factory.mktemp("undisturbed")
    ingest([five_sessions(folder / "sessions")], folder / "store")
    return everything(folder / "store")


def test_killed_at_random_moments(sessions: Path, tmp_path: Path) -> None:
    hit, whole = kill_at_random(sessions, tmp_path, points=6, seed=1, longest_s=0.25)
    assert hit >= 1
    assert whole >= 1


@pytest.mark.parametrize("write", range(1, 8))
def test_stopped_before_any_of_its_writes(
    sessions: Path,
    undisturbed: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: int,
) -> None:
    """Every file that a commit writes may be the last one that it gets to write."""
    store = tmp_path / "store"
    first = sessions / "project0"
    ingest([first], store)
    before = everything(store)
    with monkeypatch.context() as stopped:
        written = 0

        def write_some(*arguments: object) -> None:
            nonlocal written
            written += 1
            if written >= write:
                raise KeyboardInterrupt
            durable(*arguments)  # type: ignore[arg-type]

        durable = store_folder.write_durably
        stopped.setattr(store_folder, "write_durably", write_some)
        with pytest.raises(KeyboardInterrupt):
            ingest([sessions], store)
    assert everything(store) == before
    ingest([sessions], store)
    assert everything(store) == undisturbed


def test_two_ingests_at_once_leave_one_whole_store(
    sessions: Path, undisturbed: dict[str, object], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    command = [sys.executable, "-m", "tokenprof", "ingest", str(sessions), "--store", str(store)]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ})
        for _ in range(2)
    ]
    ends = [(process.communicate(), process.returncode) for process in both]
    for (_, error), code in ends:
        assert code == 0 or b"is being written by process" in error
    assert any(code == 0 for _, code in ends)
    assert everything(store) == undisturbed

"""What a folder holds beside logs: what cannot be looked into is named, and no pipe is waited for."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

import pytest
from privileges import not_root

from tokenprof.reading.files import read
from tokenprof.store.ingest.ingest import ingest

LOG = Path(__file__).parents[1] / "data" / "logs" / "codex" / "rollout.jsonl"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have other permissions")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that everybody may use, with one log."""
    common = Path(tempfile.gettempdir())
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to(common) and folder != common:
            folder.chmod(0o755)
    folder = tmp_path / "logs"
    folder.mkdir()
    shutil.copy(LOG, folder / "one.jsonl")
    return folder


@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_folder_that_may_not_be_looked_into_is_named(mode: int, folder: Path, tmp_path: Path) -> None:
    hidden = folder / "hidden"
    hidden.mkdir()
    shutil.copy(LOG, hidden / "two.jsonl")
    hidden.chmod(mode)
    store = tmp_path / "store"
    store.mkdir(mode=0o777)
    store.chmod(0o777)
    # What a user without privileges could not load from the folders of others.
    ingest([folder / "one.jsonl"], tmp_path / "other_store")
    read([folder / "one.jsonl"])
    with not_root():
        warnings = read([folder]).warnings
        told = ingest([folder], store).warnings
        told_again = ingest([folder], store).warnings
    hidden.chmod(0o755)
    for said in (warnings, told, told_again):
        assert sum(f"{hidden}" in each and "Permission denied" in each for each in said) == 1
    assert ingest([folder], store).warnings == []


def test_pipes_and_sockets_and_links_in_circles_are_passed_over(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "loop.jsonl").symlink_to(folder / "loop.jsonl")
    (folder / "again").symlink_to(folder)
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(folder)
        bound.bind("socket.jsonl")
        os.chdir(here)
        assert len(read([folder]).turns) == 3
        assert ingest([folder], tmp_path / "store").turns == 3

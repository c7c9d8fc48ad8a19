"""The secret that keys the digests: made whole, readable by its owner only, and never a constant."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from privileges import not_root

from tokenprof.record import digest
from tokenprof.record.digest import project_key, secret_file

ROOT = Path(__file__).parents[2]

CONSTANTS = [b"", b"x", b"short", bytes(31), bytes(32), b"a" * 64, bytes(range(31))]
"""What a crash, a full disk or an editor may leave in the file."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("TOKENPROF_KEY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def fresh_key() -> bytes:
    """The key as a new process would derive it."""
    digest._user_secret.cache_clear()
    return project_key.__wrapped__()


def stored() -> Path:
    path = secret_file()
    assert path is not None
    return path


def test_it_is_made_once_for_its_owner_only() -> None:
    first = fresh_key()
    assert (fresh_key(), len(stored().read_bytes())) == (first, 32)
    assert stat.S_IMODE(stored().stat().st_mode) == 0o600
    assert [path.name for path in stored().parent.iterdir()] == ["secret"]


@pytest.mark.parametrize("held", CONSTANTS)
def test_a_file_without_a_secret_is_replaced_and_that_is_logged(
    held: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    stored().parent.mkdir(parents=True)
    stored().write_bytes(held)
    key = fresh_key()
    assert len(stored().read_bytes()) == 32
    assert stored().read_bytes() != held
    assert "held no usable secret" in caplog.text
    assert fresh_key() == key


def test_keys_from_damaged_files_are_not_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for number, held in enumerate(CONSTANTS):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / str(number)))
        stored().parent.mkdir(parents=True)
        stored().write_bytes(held)
        keys.add(fresh_key())
    assert len(keys) == len(CONSTANTS)


def test_a_file_that_others_can_read_is_closed_to_them() -> None:
    fresh_key()
    stored().chmod(0o644)
    fresh_key()
    assert stat.S_IMODE(stored().stat().st_mode) == 0o600


@pytest.mark.parametrize("place", ["a folder", "a pipe", "a folder that is a file", "no home"])
def test_without_a_usable_place_each_process_has_a_secret_of_its_own(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if place == "a folder":
        stored().mkdir(parents=True)
    elif place == "a pipe":
        stored().parent.mkdir(parents=True)
        os.mkfifo(stored())
    elif place == "a folder that is a file":
        (tmp_path / "tokenprof").write_bytes(b"")
    else:
        monkeypatch.setattr(digest, "secret_file", lambda: None)
    assert fresh_key() != fresh_key()
    assert "match no other recording" in caplog.text


def test_a_user_without_a_home_folder_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(_: object = None) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    assert secret_file() is None
    assert fresh_key() != fresh_key()


def test_a_read_only_home_is_survived(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with not_root():
            assert fresh_key() != fresh_key()
    finally:
        tmp_path.chmod(0o700)


def test_processes_that_start_together_agree_on_one_secret() -> None:
    program = "from tokenprof.record.digest import project_key; print(project_key().hex())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def ask(_: int) -> str:
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(ask, range(6)))) == 1
    assert [path.name for path in stored().parent.iterdir()] == ["secret"]


def test_a_given_key_replaces_the_file_and_a_short_one_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TOKENPROF_KEY", "correct horse battery staple")
    assert fresh_key() == fresh_key()
    assert not stored().exists()
    assert caplog.text == ""
    monkeypatch.setenv("TOKENPROF_KEY", "abc")
    fresh_key()
    assert "has 3 characters" in caplog.text
    assert "abc" not in caplog.text


def test_projects_have_different_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for name in ("one", "two"):
        (tmp_path / name / ".git").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / name)
        keys.add(fresh_key())
    assert len(keys) == 2


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_system_without_links_has_the_secret_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", full)
    key = fresh_key()
    assert fresh_key() == key
    assert [path.name for path in stored().parent.iterdir()] == ["secret"]
    assert stat.S_IMODE(stored().stat().st_mode) == 0o600


def test_the_secret_of_the_process_that_was_faster_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = bytes(range(100, 132))

    def link(_: object, path: Path) -> None:
        path.write_bytes(theirs)
        raise FileExistsError

    monkeypatch.setattr(os, "link", link)
    first = fresh_key()
    assert stored().read_bytes() == theirs
    assert fresh_key() == first
    assert [path.name for path in stored().parent.iterdir()] == ["secret"]


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_disk_that_keeps_nothing_leaves_each_process_a_secret_of_its_own_and_no_other_file(
    step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = full if step == "fsync" else lambda _, path: path.write_bytes(b"")
    monkeypatch.setattr(os, step, kept)
    assert fresh_key() != fresh_key()
    assert ("No space left" if step == "fsync" else "it holds 0 bytes after it was written") in caplog.text
    assert [path.name for path in stored().parent.iterdir()] == ([] if step == "fsync" else ["secret"])


def test_a_host_whose_folder_is_gone_has_a_key_without_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert fresh_key() == fresh_key()


def test_a_folder_that_this_user_may_not_look_into_is_not_a_project(monkeypatch: pytest.MonkeyPatch) -> None:
    outer = Path(tempfile.mkdtemp())
    closed = outer / "closed"
    (closed / "work").mkdir(parents=True)
    (closed / ".git").mkdir()
    outer.chmod(0o777)
    monkeypatch.chdir(closed / "work")
    monkeypatch.setenv("XDG_STATE_HOME", str(outer / "state"))
    try:
        with not_root():
            of_project = fresh_key()
        closed.chmod(0o000)
        with not_root():
            assert fresh_key() == fresh_key() != of_project
    finally:
        closed.chmod(0o700)
        shutil.rmtree(outer)

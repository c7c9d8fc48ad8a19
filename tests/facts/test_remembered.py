"""What is kept between processes is never needed: whatever is wrong with it, the answer is the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tokenprof.facts import remembered as kept
from tokenprof.facts.remembered import cache_folder, remembered


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("TOKENPROF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tokenprof"


def refuse() -> bytes:
    raise AssertionError("this was made again")


def the_file(folder: Path) -> Path:
    (found,) = folder.glob("*.result")
    return found


def test_the_same_question_is_answered_from_memory_and_another_one_is_not(folder: Path) -> None:
    assert remembered("sums", "1 + 1", lambda: b"2") == b"2"
    assert remembered("sums", "1 + 1", refuse) == b"2"
    assert remembered("sums", "1 + 2", lambda: b"3") == b"3"
    assert remembered("products", "1 + 1", lambda: b"1") == b"1"
    assert the_file_modes(folder) == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def the_file_modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.iterdir()}


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 40])
def test_a_damaged_result_is_made_again(folder: Path, damage: bytes) -> None:
    remembered("sums", "1 + 1", lambda: b"2")
    the_file(folder).write_bytes(damage)
    assert remembered("sums", "1 + 1", lambda: b"two") == b"two"
    assert remembered("sums", "1 + 1", refuse) == b"two"


def test_every_changed_bit_is_seen(folder: Path) -> None:
    remembered("sums", "1 + 1", lambda: b"2")
    whole = the_file(folder).read_bytes()
    for bit in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        the_file(folder).write_bytes(changed)
        assert remembered("sums", "1 + 1", lambda: b"made") == b"made"


def test_a_result_in_the_place_of_another_one_is_not_taken_for_it(folder: Path) -> None:
    remembered("sums", "1 + 1", lambda: b"2")
    first = the_file(folder).read_bytes()
    the_file(folder).unlink()
    remembered("sums", "1 + 2", lambda: b"3")
    the_file(folder).write_bytes(first)
    assert remembered("sums", "1 + 2", lambda: b"made") == b"made"


def test_a_file_that_others_may_write_to_is_not_believed(folder: Path) -> None:
    remembered("sums", "1 + 1", lambda: b"2")
    the_file(folder).chmod(0o666)
    assert remembered("sums", "1 + 1", lambda: b"made") == b"made"


def test_neither_a_link_nor_a_pipe_is_followed(folder: Path, tmp_path: Path) -> None:
    remembered("sums", "1 + 1", lambda: b"2")
    place = the_file(folder)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    assert remembered("sums", "1 + 1", lambda: b"made") == b"made"
    place.unlink()
    os.mkfifo(place)
    assert remembered("sums", "1 + 1", lambda: b"again") == b"again"


def test_a_folder_that_cannot_be_written_to_changes_nothing(folder: Path) -> None:
    folder.write_text("a file in its place")
    assert remembered("sums", "1 + 1", lambda: b"2") == b"2"
    assert folder.read_text() == "a file in its place"


def test_off_keeps_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENPROF_CACHE", "off")
    assert cache_folder() is None
    assert remembered("sums", "1 + 1", lambda: b"2") == b"2"
    assert not folder.exists()


def test_the_oldest_results_make_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", 4000)
    for number in range(8):
        remembered("sums", str(number), lambda: bytes(900))
        for path in folder.iterdir():
            status = path.stat()
            os.utime(path, (status.st_atime, status.st_mtime - 10))
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 4000 + 64
    assert remembered("sums", "7", refuse) == bytes(900)
    assert remembered("sums", "0", lambda: b"made") == b"made"


def test_what_is_too_large_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", 4000)
    assert remembered("sums", "large", lambda: bytes(1001)) == bytes(1001)
    assert not folder.exists()


def test_an_error_of_what_makes_it_is_raised(folder: Path) -> None:
    with pytest.raises(AssertionError, match="made again"):
        remembered("sums", "1 + 1", refuse)

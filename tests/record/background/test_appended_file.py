"""Whole records at the end of a file that others write to as well."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from privileges import NOBODY, not_root
from waiting import WATCHDOG_S

from tokenprof.record.background.appended_file import AppendedFile


def test_a_half_record_of_another_process_between_two_of_ours_gets_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    ours, theirs = AppendedFile(path), AppendedFile(path)
    ours.append(b"one\n")
    ours.append(b"two\n")
    theirs.append(b"three\n")
    with path.open("ab") as killed:
        killed.write(b"hal")
    ours.append(b"four\n")
    theirs.append(b"five\n")
    assert path.read_bytes() == b"one\ntwo\nthree\nhal\nfour\nfive\n"


def test_a_file_that_was_emptied_or_replaced_is_written_to_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    ours = AppendedFile(path)
    ours.append(b"one\n")
    path.write_bytes(b"")
    ours.append(b"two\n")
    assert (path.read_bytes(), ours.replaced) == (b"two\n", 1)
    path.rename(tmp_path / "moved.jsonl")
    path.write_bytes(b"hal!")
    ours.append(b"three\n")
    assert (path.read_bytes(), ours.replaced) == (b"hal!\nthree\n", 2)
    assert (tmp_path / "moved.jsonl").read_bytes() == b"two\n"


def test_a_file_that_may_be_written_but_not_read_is_appended_to() -> None:
    folder = Path(tempfile.mkdtemp())
    path = folder / "run.jsonl"
    path.write_bytes(b"one\nhal")
    if os.geteuid() == 0:
        for owned in (folder, path):
            os.chown(owned, NOBODY, -1)
    path.chmod(0o200)
    try:
        with not_root():
            ours = AppendedFile(path)
            # Nobody can say whether it ends with half a line.
            ours.append(b"two\n")
            ours.append(b"three\n")
            ours.close()
        path.chmod(0o600)
        assert path.read_bytes() == b"one\nhaltwo\nthree\n"
    finally:
        shutil.rmtree(folder)


def test_a_device_and_a_file_at_their_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = AppendedFile(Path(os.devnull))
    device.append(b"one\n")
    device.append(b"two\n")
    device.close()
    path = tmp_path / "run.jsonl"
    ours = AppendedFile(path)
    ours.append(b"one\n")
    monkeypatch.setattr("resource.getrlimit", lambda _: (7, 7))
    with pytest.raises(OSError, match=os.strerror(errno.EFBIG)) as refused:
        ours.append(b"two\n")
    assert (refused.value.errno, path.read_bytes()) == (errno.EFBIG, b"one\n")
    monkeypatch.setattr("resource.getrlimit", lambda _: (8, 8))
    ours.append(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_file_is_closed_once_and_opened_again_by_the_next_record(tmp_path: Path) -> None:
    ours = AppendedFile(tmp_path / "run.jsonl")
    ours.append(b"one\n")
    ours.close()
    ours.close()
    ours.append(b"two\n")
    assert (ours.path.read_bytes(), ours.replaced) == (b"one\ntwo\n", 0)


ANOTHER_SYSTEM = """
import os, sys
for name in ("fork", "forkpty", "register_at_fork", "pread", "waitid"):
    delattr(os, name)
sys.modules["resource"] = None
sys.path[:0] = sys.argv[2:]
import httpx
import tokenprof
from hosts import URL, Provider, body_of
from waiting import wait_for_the_recorder
with httpx.Client(transport=httpx.MockTransport(Provider())) as client, tokenprof.profile(sys.argv[1]):
    client.post(URL, json=body_of("first"))
    wait_for_the_recorder()
    with open(sys.argv[1], "ab") as killed:
        killed.write(b"hal")
    client.post(URL, json=body_of("second"))
"""


def test_a_system_without_forks_limits_and_reading_at_a_place_records_the_same(tmp_path: Path) -> None:
    path, tests = tmp_path / "run.jsonl", Path(__file__).parents[2]
    words = [str(path), str(tests), str(tests / "fault_injection")]
    subprocess.run([sys.executable, "-c", ANOTHER_SYSTEM, *words], check=True, timeout=WATCHDOG_S)
    lines = path.read_bytes().splitlines()
    assert [b'"stringValue":"turn"' in line for line in lines] == [True, False, True, False]
    assert lines[1] == b"hal"
    assert b'"stringValue":"counts"' in lines[3]

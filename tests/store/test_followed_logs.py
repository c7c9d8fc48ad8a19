"""An ingest that watches reads on where a log stopped, and the store says what a fresh one would say."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import pytest
from stores import everything

from tokenprof.store.ingest.followed_logs import FollowedLogs
from tokenprof.store.ingest.ingest import Ingested, ingest


class Watched:
    """A store whose ingests share the logs in hand, compared each time with a fresh one."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder, self.store, self._fresh = folder, work / "store", work / "fresh"
        self._followed = FollowedLogs()

    def ingest(self) -> Ingested:
        return ingest([self.folder], self.store, followed=self._followed)

    def look(self) -> Ingested:
        done = self.ingest()
        shutil.rmtree(self._fresh, ignore_errors=True)
        ingest([self.folder], self._fresh)
        assert everything(self.store) == everything(self._fresh)
        return done


@pytest.fixture
def watched(sessions: Path, tmp_path: Path) -> Watched:
    """Five sessions, of which one ends after its first rows, looked at until that one is in hand."""
    file = sessions / "project0" / "session0.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.with_suffix(".rest").write_bytes(b"".join(lines[len(lines) // 3 :]))
    file.write_bytes(b"".join(lines[: len(lines) // 3]))
    found = Watched(sessions, tmp_path)
    found.ingest()
    return found


def rest_of(watched: Watched) -> tuple[Path, bytes]:
    file = watched.folder / "project0" / "session0.jsonl"
    return file, file.with_suffix(".rest").read_bytes()


def append(file: Path, data: bytes) -> None:
    with file.open("ab") as log:
        log.write(data)


def test_only_what_was_appended_is_read(watched: Watched) -> None:
    file, rest = rest_of(watched)
    begun, middle, end = len(rest) // 3, len(rest) // 2, len(rest)
    append(file, rest[:begun])
    first = watched.look()
    # A line that is being written is read once it has ended.
    unread = begun - (rest.rfind(b"\n", 0, begun) + 1)
    assert (first.read, first.bytes) == ({"grown": 1}, begun - unread)
    append(file, rest[begun:middle])
    second = watched.look()
    assert second.read == {"grown": 1}
    assert second.bytes <= unread + middle - begun
    append(file, rest[middle:end])
    third = watched.look()
    assert third.bytes <= end - begun
    assert first.bytes + second.bytes + third.bytes == len(rest)
    assert watched.look().read == {}


@pytest.mark.parametrize("change", ["cut short", "rewritten", "rotated", "another line inserted"])
def test_what_is_not_a_growth_is_read_from_its_beginning(watched: Watched, change: str) -> None:
    file, rest = rest_of(watched)
    append(file, rest[: len(rest) // 2])
    watched.look()
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    if change == "cut short":
        os.truncate(file, len(whole) // 2)
    elif change == "rewritten":
        file.write_bytes(whole.replace(b"msg_0_", b"msg_7_") + rest[len(rest) // 2 :])
    elif change == "rotated":
        file.rename(file.with_suffix(".1.jsonl"))
        file.write_bytes(whole.replace(b"msg_0_", b"msg_8_"))
    else:
        file.write_bytes(b"".join([*lines[:2], lines[1].replace(b"msg_0_", b"msg_9_"), *lines[2:]]))
    assert sum(watched.look().read.values()) >= 1
    append(file, b"\n")
    watched.look()


def test_a_compressed_log_that_grew_by_a_member_is_read_whole(watched: Watched) -> None:
    file, rest = rest_of(watched)
    packed = file.with_name("packed.jsonl.gz")
    lines = rest.replace(b"msg_0_", b"msg_6_").splitlines(keepends=True)
    packed.write_bytes(gzip.compress(b"".join(lines[:10])))
    watched.look()
    append(packed, gzip.compress(b"".join(lines[10:])))
    done = watched.look()
    assert (done.read, done.bytes) == ({"grown": 1}, packed.stat().st_size)


def test_a_log_in_hand_whose_session_gets_a_subagent(watched: Watched) -> None:
    file, rest = rest_of(watched)
    append(file, rest[: len(rest) // 2])
    watched.look()
    agents = file.with_suffix("") / "subagents"
    agents.mkdir(parents=True)
    (agents / "agent-1.jsonl").write_bytes(file.read_bytes().replace(b"msg_0_", b"msg_5_"))
    append(file, rest[len(rest) // 2 :])
    assert watched.look().read == {"grown": 1}


def test_only_a_few_logs_are_in_hand(tmp_path: Path, sessions: Path) -> None:
    from tokenprof.reading.formats import reader_of

    followed = FollowedLogs(most=1)
    first, second = sorted(sessions.rglob("*.jsonl"))[:2]
    for _ in range(2):
        for path in (first, second):
            assert followed.read(path, reader_of(path)) == reader_of(path).read(path)
            assert followed.read_bytes == path.stat().st_size, "the other one took its place"
    followed.read(second, reader_of(second))
    assert followed.read_bytes == 0

"""Notes about calls that a disk has refused: by name, for one recording, wherever it stands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tokenprof.record.background.unwritten_calls import forget_unwritten, note_unwritten, unwritten_calls


def test_notes_are_counted_for_their_own_recording_and_forgotten_with_it(tmp_path: Path) -> None:
    run, other = tmp_path / "run.jsonl", tmp_path / "run.jsonl.2"
    for path, calls, run_id in ((run, 3, "a1"), (run, 4, "b2"), (other, 9, "c3")):
        note_unwritten(path, calls, run_id)
    assert [calls for calls, _ in unwritten_calls(run)] == [3, 4]
    assert [calls for calls, _ in unwritten_calls(other)] == [9]
    forget_unwritten(run)
    assert unwritten_calls(run) == []
    assert [calls for calls, _ in unwritten_calls(other)] == [9]


def test_a_folder_that_cannot_be_listed_has_no_notes(tmp_path: Path) -> None:
    archive = tmp_path / "logs.zip"
    archive.write_bytes(b"")
    assert unwritten_calls(archive / "run.jsonl") == []
    assert unwritten_calls(tmp_path / "gone" / "run.jsonl") == []


def test_a_folder_of_many_recordings_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note_unwritten(tmp_path / "7.jsonl", 2, "a1")
    listed, listing = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: listed.append(folder) or listing(folder))
    found = [len(unwritten_calls(tmp_path / f"{number}.jsonl")) for number in range(50)]
    assert sum(found) == found[7] == 1
    assert listed == [tmp_path]

"""A recording in which a line stands twice bills each turn once, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokenprof.reading.files import read

RECORDING = Path(__file__).parents[1] / "data" / "release_0_1" / "run.jsonl"


@pytest.mark.parametrize("twice", range(3))
def test_each_turn_is_counted_once(twice: int, tmp_path: Path) -> None:
    lines = RECORDING.read_bytes().splitlines(keepends=True)
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join([*lines, lines[twice]]))
    found = read([path])
    assert found.turns == read([RECORDING]).turns
    assert any("1 of its lines repeat a turn of an earlier line" in warning for warning in found.warnings)


def test_a_failed_attempt_is_counted_once(tmp_path: Path) -> None:
    turns, path = RECORDING.read_bytes(), tmp_path / "run.jsonl"
    attempt = turns.splitlines(keepends=True)[0].replace(b'"stringValue":"turn"', b'"stringValue":"attempt"')
    attempt = attempt.replace(b"tokenprof.call", b"tokenprof.other")
    path.write_bytes(turns + attempt)
    once = read([path]).warnings
    path.write_bytes(turns + attempt + attempt)
    assert any("1 failed attempt led to no response" in warning for warning in once)
    assert read([path]).warnings == once

"""A log is read whatever its name is made of: on Linux the name of a file need not be UTF-8."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tokenprof.commands.main import main
from tokenprof.reading.files import read

LOGS = Path(__file__).parents[1] / "data" / "logs"
NOT_UTF8 = os.fsdecode(b"caf\xe9")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")


@pytest.mark.parametrize("log", sorted(LOGS.glob("*/*.bill.json")), ids=lambda log: log.name)
def test_a_log_with_such_a_name_holds_what_it_holds_by_another(log: Path, tmp_path: Path) -> None:
    original = log.with_name(log.name.removesuffix(".bill.json"))
    (tmp_path / NOT_UTF8).mkdir()
    copy = shutil.copy(original, tmp_path / NOT_UTF8 / f"{NOT_UTF8}{''.join(original.suffixes)}")
    run, expected = read([copy]), read([original])
    assert [turn.usage for turn in run.turns] == [turn.usage for turn in expected.turns]
    assert [turn.model for turn in run.turns] == [turn.model for turn in expected.turns]
    (source,) = run.sources
    assert "caf�" in source.file


@pytest.mark.parametrize("words", [["report", "--format", "json"], ["totals"]])
def test_a_folder_with_such_a_name_in_it_is_reported_and_added_up(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(LOGS / "codex" / "rollout.jsonl", tmp_path / f"{NOT_UTF8}.jsonl")
    assert main([*words, str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    shown.out.encode()

"""`-o` never overwrites what is read: not by its name, a link, its folder, nor another recording."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tokenprof.commands.main import main

LOG = Path(__file__).parents[1] / "data" / "logs" / "stream_json" / "stream.jsonl"


def same(folder: Path) -> Path:
    return folder / "run.jsonl"


def dotted(folder: Path) -> Path:
    (folder / "sub").mkdir()
    return folder / "sub" / ".." / "run.jsonl"


def symbolic(folder: Path) -> Path:
    (folder / "link.json").symlink_to(folder / "run.jsonl")
    return folder / "link.json"


def hard(folder: Path) -> Path:
    os.link(folder / "run.jsonl", folder / "hard.json")
    return folder / "hard.json"


def another_log(folder: Path) -> Path:
    shutil.copy(LOG, folder / "other.jsonl")
    return folder / "other.jsonl"


@pytest.mark.parametrize("output_of", [same, dotted, symbolic, hard, another_log])
@pytest.mark.parametrize("command", ["report", "chain", "disclosure", "check"])
@pytest.mark.parametrize("is_folder", [False, True])
def test_a_log_is_not_overwritten(
    output_of: Callable[[Path], Path],
    command: str,
    is_folder: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run.jsonl"
    shutil.copy(LOG, run)
    output = output_of(tmp_path)
    words = [command, str(tmp_path if is_folder and command != "check" else run), "--format", "json"]
    assert main([*words, "-o", str(output), *(["--budget", "turns=99"] if command == "check" else [])]) == 2
    assert run.read_bytes() == LOG.read_bytes()
    assert "would overwrite" in capsys.readouterr().err


def test_an_earlier_report_in_the_folder_is_written_again(tmp_path: Path) -> None:
    shutil.copy(LOG, tmp_path / "run.jsonl")
    for _ in range(2):
        assert main(["report", str(tmp_path), "-o", str(tmp_path / "report.json")]) == 0

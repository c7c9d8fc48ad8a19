"""What is named to be read and is not a file: a sentence at once; opening it would wait or never end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tokenprof.commands.main import main
from tokenprof.facts.errors import InputError
from tokenprof.reading.files import read

LOG = Path(__file__).parents[1] / "data" / "logs" / "codex" / "rollout.jsonl"


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(path := tmp_path / "pipe.jsonl")
    return path


@pytest.mark.parametrize(
    "words",
    [
        ["report", "PIPE"],
        ["totals", "PIPE"],
        ["check", "PIPE"],
        ["diff", str(LOG), "PIPE"],
        ["report", str(LOG), "--prices", "PIPE"],
        ["report", str(LOG), "--counts", "PIPE"],
        ["check", str(LOG), "--baseline", "PIPE"],
        ["chain", str(LOG), "--chain", "PIPE"],
    ],
    ids=" ".join,
)
def test_a_pipe_is_refused_at_once(words: list[str], pipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word.replace("PIPE", str(pipe)) for word in words]) == 2
    assert capsys.readouterr().err == (
        f"tokenprof: {pipe} is a pipe, and not a file. Save what it gives to a file, and name that.\n"
    )


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full"])
def test_a_device_is_refused_at_once(device: str) -> None:
    with pytest.raises(InputError, match=f"{device} is a device, and not a file"):
        read([device])


def test_a_folder_with_a_pipe_is_read_without_it(pipe: Path) -> None:
    (pipe.parent / "rollout.jsonl").write_bytes(LOG.read_bytes())
    assert len(read([pipe.parent]).turns) == 3

"""`tokenprof … | head`: a reader that has gone changes no exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CODES = {
    "--help": 0,
    "--version": 0,
    "report --help": 0,
    "report run.jsonl": 0,
    "report run.jsonl --format json": 0,
    "report run.jsonl --format svg": 0,
    "chain run.jsonl": 0,
    "chain --examples": 0,
    "disclosure run.jsonl": 0,
    "reconcile run.jsonl --report export.json": 1,
    "check run.jsonl --budget usd=1": 0,
    "check run.jsonl --budget usd=0.0001": 1,
    "check run.jsonl --budget usd=0.0001 --format json": 1,
    "prices show claude-opus-4-8": 0,
    "prices show claude-opus-4-9": 1,
    "prices diff --since 2026-08-20 --at 2026-08-21": 1,
    "prices check": 0,
    "hw show": 0,
    "hw sweep deepseek-v3@8xh200": 0,
    "demo -o demo.jsonl": 0,
    "run -- false": 1,
}
"""A command line, and its exit code whether or not its output is read."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, recording: Path) -> Path:
    folder = tmp_path_factory.mktemp("pipes")
    (folder / "run.jsonl").write_bytes(recording.read_bytes())
    (folder / "export.json").write_text('{"data": [], "has_more": false, "next_page": null}')
    return folder


@pytest.mark.parametrize("command", CODES)
def test_a_reader_that_has_gone_changes_nothing(command: str, folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tokenprof", *command.split()],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.returncode == CODES[command]
    told = done.stderr.decode()
    assert "Traceback" not in told
    assert "BrokenPipe" not in told
    assert told == "" or command.startswith("run ")


def test_a_full_disk_is_said_in_a_sentence(folder: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full on this system")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tokenprof", "prices", "show", "claude-opus-4-8"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == b"tokenprof: Standard output cannot be written (no space left on device).\n"

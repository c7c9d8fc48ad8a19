"""Recordings and logs that are read while they are still written, by this program or by another one."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from waiting import WATCHDOG_S

import tokenprof
from tokenprof.reading.json_lines import read_json_lines, read_strict_lines
from tokenprof.reading.log_bytes import open_log, read_whole
from tokenprof.record.background.end_waits import EndWaits
from tokenprof.record.background.ended_blocks import add_ended_block, wait_for_recordings
from tokenprof.testing import LoopbackProvider, Reply
from tokenprof.testing.billing import toktok_count

SYSTEM = "A careful clerk. " * 300


def record(path: Path) -> Path:
    with (
        LoopbackProvider([Reply.text("Done.")]) as provider,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="x", base_url=provider.url) as client,
    ):
        question = {"role": "user", "content": "hi"}
        client.messages.create(model="claude-opus-4-8", max_tokens=9, system=SYSTEM, messages=[question])
    return path


@pytest.fixture
def leaves_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a block before anything of it is written or counted, as a busy machine does."""
    waits = EndWaits(block_s=0, full_reading_s=WATCHDOG_S, counts_s=0, reading_s=WATCHDOG_S)
    monkeypatch.setattr("tokenprof.record.recorder.end_waits", lambda: waits)


@pytest.mark.usefixtures("leaves_at_once")
@pytest.mark.parametrize("named", ["run.jsonl", "."])
def test_turns_and_counts_are_waited_for(named: str, tmp_path: Path) -> None:
    record(tmp_path / "run.jsonl")
    (turn,) = tokenprof.load(tmp_path / named).turns
    system = next(block for block in turn.added if block.section == "system")
    assert system.features.tokens["o200k_base"] == toktok_count()(SYSTEM)


class LeftBlock:
    """A block whose recording is complete as soon as somebody waits for it."""

    waits_for_counts = True
    waits = EndWaits()

    def __init__(self, path: Path) -> None:
        self.path: Path | None = path
        self.is_waited_for = False

    def wait_to_the_end(self, until: float) -> None:
        self.is_waited_for = True

    def is_complete(self) -> bool:
        return self.is_waited_for


def test_only_what_is_read_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    here, elsewhere = LeftBlock(tmp_path / "real/run.jsonl"), LeftBlock(tmp_path / "other.jsonl")
    add_ended_block(here)
    add_ended_block(elsewhere)
    wait_for_recordings([tmp_path / "real/another.jsonl"])
    assert not here.is_waited_for
    wait_for_recordings([tmp_path / "link"])
    assert here.is_waited_for
    assert not elsewhere.is_waited_for
    wait_for_recordings([tmp_path / "other.jsonl"])
    assert elsewhere.is_waited_for


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_is_read_as_far_as_it_went_when_it_was_opened(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(pack(b'{"n": 1}\n{"n": 2}\n{"n"'))
    with open_log(path) as file:
        assert file.readline() == b'{"n": 1}\n'
        with path.open("ab") as growing:
            growing.write(pack(b': 3}\n{"n": 4}\n'))
        assert file.read() == b'{"n": 2}\n{"n"'


@pytest.mark.parametrize("read_lines", [read_strict_lines, read_json_lines])
def test_a_line_that_is_being_written_does_not_end_in_its_middle(
    read_lines: Callable[[Path, list[str]], Iterator[tuple[int, dict[str, Any]]]], tmp_path: Path
) -> None:
    path, warnings = tmp_path / "log.jsonl", []
    path.write_bytes(b'{"n": 1}\n{"n"')
    lines = read_lines(path, warnings)
    assert next(lines) == (1, {"n": 1})
    with path.open("ab") as growing:
        growing.write(b': 2}\n{"n": 3}\n')
    assert list(lines) == []
    assert warnings == [f"{path}:2: this line is cut short and was left out."]


def test_a_large_document_and_an_empty_one_are_read_whole(tmp_path: Path) -> None:
    (tmp_path / "large.json").write_bytes(b"x" * 1_000_000)
    (tmp_path / "empty.json").touch()
    assert len(read_whole(tmp_path / "large.json")) == 1_000_000
    assert read_whole(tmp_path / "empty.json") == b""

"""A recording that is read in the program that made it, as soon as its block is left."""

from __future__ import annotations

from pathlib import Path

import anthropic
import pytest
from waiting import WATCHDOG_S

import tokenprof
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

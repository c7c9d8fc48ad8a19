"""How long the end of a block waits for its recording, and how its owner has it wait longer."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import anthropic
import pytest
from waiting import WATCHDOG_S, wait_until

import tokenprof
from tokenprof.reading.files import read
from tokenprof.record.background.end_waits import VARIABLE, EndWaits, end_waits, whole_within
from tokenprof.record.session import active_recorder
from tokenprof.record.turn_log import TurnLog
from tokenprof.testing import LoopbackProvider, Reply


@pytest.mark.parametrize(
    ("given", "waits"),
    [
        ("60", EndWaits(block_s=60, full_reading_s=60, counts_s=60, program_s=60, reading_s=60, budget_s=60)),
        (" 2.5 ", EndWaits(block_s=2.5, full_reading_s=2.5, counts_s=2.5, program_s=10, reading_s=30)),
        ("0", EndWaits(block_s=0, full_reading_s=0, counts_s=0, program_s=10, reading_s=30)),
        ("", EndWaits(block_s=1.8, full_reading_s=0.7, counts_s=1.3, program_s=10, reading_s=30)),
    ],
)
def test_the_owner_says_how_long(given: str, waits: EndWaits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, given)
    assert end_waits() == waits


@pytest.mark.parametrize("given", ["soon", "-1", "nan", "inf", "1e9"])
def test_what_is_not_a_time_is_ignored_and_that_is_logged(
    given: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(VARIABLE, given)
    assert end_waits() == EndWaits()
    assert caplog.messages == [
        f"{VARIABLE} is {given!r}; give a number of seconds, at most a day. It is ignored"
    ]


def test_a_reader_with_time_asks_for_a_whole_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    with whole_within(30):
        assert end_waits() == EndWaits(30, 30, 30, program_s=30, reading_s=30, budget_s=30)
        monkeypatch.setenv(VARIABLE, "5")
        assert end_waits().block_s == 5
        monkeypatch.delenv(VARIABLE)
    assert end_waits() == EndWaits()


def test_a_block_waits_for_what_is_not_read_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorder is held up until the block has begun to end; its prompt and its counts are whole."""
    path, release, record = tmp_path / "run.jsonl", threading.Event(), TurnLog.record

    def held_up(self: TurnLog, exchange: Any) -> Any:
        assert release.wait(WATCHDOG_S)
        return record(self, exchange)

    def release_at_the_end(share: Any) -> None:
        wait_until(lambda: share.is_closed, "the block ends")
        release.set()

    monkeypatch.setattr(TurnLog, "record", held_up)
    with (
        LoopbackProvider([Reply.text("hi")]) as server,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="x", base_url=server.url) as client,
    ):
        client.messages.create(
            model="claude-opus-4-8", max_tokens=9, messages=[{"role": "user", "content": "hello"}]
        )
        recorder = active_recorder()
        assert recorder is not None
        threading.Thread(target=release_at_the_end, args=[recorder._share]).start()
    run = read([path])
    assert run.problems == ()
    found = [block.features.tokens for turn in run.turns for block in turn.added]
    assert found == [{"o200k_base": 1, "cl100k_base": 1}]

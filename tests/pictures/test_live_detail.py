"""The live view's blocks and compute, and what it watches: a proxy, and whichever session is newest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import pytest
from long_runs import long_run
from waiting import WATCHDOG_S

import tokenprof
from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.commands.viewing.live import newest_session
from tokenprof.facts.types import Run
from tokenprof.pictures.live.following import Follower
from tokenprof.pictures.live.live_detail import SHARE_OF_A_CORE, DetailReader, live_detail
from tokenprof.report import numbers
from tokenprof.testing import LoopbackProvider, Reply

BOOK = price_book(Assumptions())
SESSION = Path(__file__).parents[1] / "data" / "logs" / "session_log" / "session_2.1.330.jsonl"


def test_the_most_expensive_blocks_by_hand() -> None:
    detail = live_detail(long_run(3), Assumptions())
    # 100 tokens are written once at $6.25 per million and read twice at $0.50: $0.000725 of $0.00255.
    assert detail.blocks[0] == ("user", "0", "3", "100", "$0.000725", "28%")
    assert detail.compute.startswith("compute, estimated: $0.0")
    assert detail.compute.endswith(" · after 3 turns")
    assert "; the bill is " in detail.compute


def test_a_model_that_nobody_describes_has_no_compute() -> None:
    run = long_run(1)
    unknown = Run(tuple(replace(turn, model="no-such") for turn in run.turns))
    assert live_detail(unknown, Assumptions()).compute == "compute: unknown, since a model is not described"


class WorkLater:
    """Keeps what is to be done, and a clock that stands still."""

    def __init__(self) -> None:
        self.now_s = self.spent_s = 0.0
        self.waiting: list[Callable[[], None]] = []

    def processor(self) -> float:
        self.spent_s += 1.0
        return self.spent_s


def test_details_are_worked_out_one_at_a_time_and_with_rests(demo_run: Path) -> None:
    later = WorkLater()
    reader = DetailReader(
        Assumptions(), clock=lambda: later.now_s, cpu_clock=later.processor, start=later.waiting.append
    )
    follower = Follower([demo_run], BOOK, reader)
    follower.poll()
    reader.poll([demo_run], "changed meanwhile")
    assert len(later.waiting) == 1
    assert not follower.detail.blocks
    later.waiting.pop()()
    assert [row[0] for row in follower.detail.blocks][:1] == ["system[0]"]
    later.now_s = 1 / SHARE_OF_A_CORE - 0.1
    reader.poll([demo_run], "changed")
    assert later.waiting == []
    later.now_s += 0.2
    reader.poll([demo_run], "changed")
    assert len(later.waiting) == 1


def test_a_file_that_cannot_be_read_leaves_no_details(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("{", "utf-8")
    reader = DetailReader(Assumptions(), start=lambda work: work())
    follower = Follower([path], BOOK, reader)
    follower.poll()
    assert follower.problem is not None
    assert follower.detail.compute == ""


def test_the_newest_session_is_followed_when_another_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "projects" / "p"
    folder.mkdir(parents=True)
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    lines = SESSION.read_bytes().splitlines(keepends=True)
    first, second = folder / "one.jsonl", folder / "two.jsonl"
    first.write_bytes(b"".join(lines[: len(lines) // 2]))
    now_s = 0.0
    follower = Follower(lambda: [newest_session()], BOOK, clock=lambda: now_s)
    for step, content in enumerate((lines[: len(lines) // 2], lines)):
        first.write_bytes(b"".join(content))
        os.utime(first, (step + 1, step + 1))
        now_s += 1000
        assert follower.poll()
        assert follower.state is not None
        assert follower.state.billed_usd == bill_of(first)
    shutil.copy(SESSION, second)
    second.write_bytes(SESSION.read_bytes().replace(b"msg_", b"msg_other_"))
    os.utime(second, (9, 9))
    now_s += 1000
    assert follower.poll()
    newest = follower.state
    assert newest is not None
    assert newest.billed_usd == bill_of(second)


def bill_of(path: Path) -> Decimal:
    return Decimal(tokenprof.load(path).analyze().totals.billed_usd or 0)


@pytest.mark.slow
def test_a_proxy_is_started_and_watched_to_the_cent(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    program = [sys.executable, "-m", "tokenprof", "live", "--proxy", str(path), "--page", "--no-browser"]
    with LoopbackProvider([Reply.text("one"), Reply.text("two")]) as provider:
        environment = {**os.environ, "ANTHROPIC_BASE_URL": provider.url, "PYTHONUNBUFFERED": "1"}
        pipe = subprocess.PIPE
        with subprocess.Popen(program, env=environment, stdout=pipe, stderr=pipe, text=True) as watching:
            try:
                shown = headline_after_two_calls(watching)
            finally:
                watching.terminate()
    assert shown.startswith(f"{numbers.usd(bill_of(path))} billed in 2 turns")


def headline_after_two_calls(watching: subprocess.Popen[str]) -> str:
    assert watching.stdout is not None
    assert watching.stderr is not None
    exports = {}
    for _ in range(3):
        name, _, url = watching.stderr.readline().strip().rpartition("export ")[2].partition("=")
        exports[name] = url
    page = watching.stdout.readline().strip()
    assert page.startswith("http://127.0.0.1:")
    with anthropic.Anthropic(api_key="x", base_url=exports["ANTHROPIC_BASE_URL"]) as client:
        for text in ("a", "b"):
            message: Any = [{"role": "user", "content": text}]
            client.messages.create(model="claude-opus-4-8", max_tokens=9, messages=message)
    return headline_with(page, "in 2 turns")


def headline_with(page: str, words: str) -> str:
    """Return the first headline that a live page is sent with some words in it."""
    with urllib.request.urlopen(f"{page}events", timeout=WATCHDOG_S) as events:
        for line in events:
            if line.startswith(b"data: "):
                headline = str(json.loads(line.removeprefix(b"data: "))["headline"])
                if words in headline:
                    return headline
    raise AssertionError(f"no event says {words!r}")

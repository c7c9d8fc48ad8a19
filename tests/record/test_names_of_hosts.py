"""Names that a host gives: whatever is in them, its calls are recorded and the recording can be read."""

from __future__ import annotations

import contextlib
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from uuid import UUID

import anthropic
import pytest

import tokenprof
from tokenprof.facts.types import Turn
from tokenprof.facts.whole_characters import with_whole_characters
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider, Reply

NOT_UTF8 = os.fsdecode(b"caf\xe9.txt")
"""The name of a file as Python reads it."""


def recorded_turn(path: Path, around: AbstractContextManager[Any], **options: Any) -> Turn:
    with (
        LoopbackProvider([Reply.text("hi")]) as server,
        tokenprof.profile(path, **options),
        around,
        anthropic.Anthropic(api_key="x", base_url=server.url) as client,
    ):
        client.messages.create(
            model="claude-opus-4-8", max_tokens=9, messages=[{"role": "user", "content": "hello"}]
        )
    (turn,) = read([path]).turns
    return turn


def test_tags_agents_and_services_named_by_a_file_that_is_not_utf_8_cost_no_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", NOT_UTF8)
    with contextlib.ExitStack() as names:
        names.enter_context(tokenprof.agent(NOT_UTF8))
        names.enter_context(tokenprof.tag(file=NOT_UTF8))
        turn = recorded_turn(tmp_path / "run.jsonl", names, tags={NOT_UTF8: NOT_UTF8}, seller=NOT_UTF8)
    shown = "caf�.txt"
    assert (turn.agent, turn.tags, turn.seller) == (shown, {shown: shown, "file": shown}, shown)
    assert turn.usage is not None


@pytest.mark.parametrize(
    ("name", "agent"), [(7, "7"), (UUID(int=1), "00000000-0000-0000-0000-000000000001"), (None, None)]
)
def test_an_agent_that_a_framework_does_not_name_by_a_text_leaves_the_recording_readable(
    name: Any, agent: str | None, tmp_path: Path
) -> None:
    assert recorded_turn(tmp_path / "run.jsonl", tokenprof.agent(name)).agent == agent


def test_half_a_character_is_replaced_and_two_halves_are_one() -> None:
    assert with_whole_characters("plain") == "plain"
    assert with_whole_characters("zwölf 🙂") == "zwölf 🙂"
    assert with_whole_characters("x\ud83d") == "x�"
    assert with_whole_characters("\ud83d\ude42\udcff") == "🙂�"

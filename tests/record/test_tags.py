"""Tags on single calls, beside those of the run."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

import tokenprof
from tokenprof.facts.errors import InputError
from tokenprof.reading.files import read
from tokenprof.reading.tag_filter import with_tags
from tokenprof.record.session import current_tags
from tokenprof.testing import LoopbackProvider, OpenAILoopback, Reply

MESSAGES: Any = [{"role": "user", "content": "hello"}]


def test_a_calls_own_tags_prevail_over_the_runs_and_end_with_their_block(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    provider = LoopbackProvider([Reply.text("yes")] * 3)
    profile = tokenprof.profile(path, tags={"tenant": "all", "app": "mail"})
    with provider, profile, anthropic.Anthropic(api_key="x", base_url=provider.url) as client:

        def ask() -> None:
            client.messages.create(model="claude-opus-4-8", max_tokens=9, messages=MESSAGES)

        with tokenprof.tag(tenant="a", step="plan"), tokenprof.tag(step="act", number=7):
            ask()
            # A thread does not inherit the context that it was started in.
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()
        assert current_tags() == {}
        ask()
    run = read([path])
    assert [dict(turn.tags) for turn in run.turns] == [
        {"tenant": "a", "app": "mail", "step": "act", "number": "7"},
        {"tenant": "all", "app": "mail"},
        {"tenant": "all", "app": "mail"},
    ]
    assert len(with_tags(run, ["step=act"]).turns) == 1
    with pytest.raises(InputError, match="step=act, tenant=a"):
        with_tags(run, ["step=plan"])


def test_calls_seen_at_the_http_library_are_tagged_alike(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    provider = OpenAILoopback([Reply.text("yes")])
    with provider, tokenprof.profile(path), tokenprof.tag(step="plan"):
        client = openai.OpenAI(api_key="x", base_url=provider.url)
        client.chat.completions.create(model="gpt-5.4", messages=MESSAGES)
        client.close()
    assert [dict(turn.tags) for turn in read([path]).turns] == [{"step": "plan"}]

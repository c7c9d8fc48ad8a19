"""A tool loop recorded through the real client and the loopback provider, with one thing changed at a time.

The provider counts, caches and bills by itself, so a second recording is the truth that a prediction from
the first one can be compared with. The provider's clock is ours, and the recorded times are set to it.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anthropic

import tokenprof
from tokenprof.analysis.analysis import Analysis
from tokenprof.facts.types import Run
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider, Overheads, Reply, texts
from tokenprof.testing.billing import toktok_count

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
OPUS, SAME_TOKENIZER, OLDER_TOKENIZER = "claude-opus-4-8", "claude-sonnet-5", "claude-sonnet-4-6"

GAPS_S = (20, 20, 400, 20, 900, 20, 20, 2000)
"""The seconds before each call after the first: three of them outlast a time to live of 5 minutes."""


@dataclass(frozen=True)
class LoopSettings:
    """What can differ between two recordings of the loop.

    `marks` names the places of breakpoints: `sections` (tools, system, last block), `last`, or `none`.
    `cap` cuts results to so many tokens, `rereads_once` repeated ones to a note. `deferred` leaves out the
    schemas of tools that are never called, as a tool search does. `usage` is laid over every usage that the
    provider reports.
    """

    model: str = OPUS
    ttl: str = "5m"
    marks: str = "sections"
    cap: int | None = None
    deferred: bool = False
    rereads_once: bool = False
    usage: dict[str, Any] = field(default_factory=dict)
    overheads: Overheads = field(default_factory=Overheads)


CALLED = ("read_file", "search", "read_file", "read_file", "search", "read_file", "list_files", "read_file")
TOOLS = ("read_file", "search", "list_files", "send_mail", "calendar", "run_query")
COUNT = toktok_count()
NOTE_TOKENS = 20


def results() -> list[str]:
    """Return the results of the loop's calls; the fourth is the first again."""
    rng = random.Random(7)
    found = [texts.prose(rng, rng.randint(5, 60)) for _ in CALLED]
    found[3] = found[0]
    return found


def record(path: Path, given: LoopSettings) -> Analysis:
    """Return the analysis of a recording of the loop, at the times of the provider's clock."""
    at_s = [0.0]
    for gap in GAPS_S:
        at_s.append(at_s[-1] + gap)
    clock = [0.0]
    rng = random.Random(3)
    replies = [
        Reply.calls((tool, {"path": f"{n}.txt"}), text=texts.prose(rng, 2)) for n, tool in enumerate(CALLED)
    ]
    script = [replace(each, usage=given.usage) for each in (*replies, Reply.text(texts.prose(rng, 5)))]
    with (
        LoopbackProvider(script, overheads=given.overheads, clock=lambda: clock[0]) as server,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="unused", base_url=server.url) as client,
    ):
        _run(client, given, at_s, clock)
    return Analysis(_at(read([path]), at_s))


def _at(run: Run, at_s: list[float]) -> Run:
    turns = tuple(
        replace(turn, started_at=START + timedelta(seconds=at), duration_s=1.0, ttft_s=0.5)
        for turn, at in zip(run.turns, at_s, strict=True)
    )
    return replace(run, turns=turns)


def _run(client: anthropic.Anthropic, given: LoopSettings, at_s: list[float], clock: list[float]) -> None:
    rng = random.Random(5)
    tools = [
        {
            "name": name,
            "description": texts.prose(rng, 8),
            "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
        }
        for name in TOOLS
    ]
    if given.deferred:
        tools = [tool for tool in tools if tool["name"] in CALLED]
    system = [{"type": "text", "text": texts.prose(rng, 120)}]
    mark = {"type": "ephemeral", "ttl": given.ttl}
    if given.marks == "sections":
        tools[-1]["cache_control"] = mark
        system[-1]["cache_control"] = mark
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": texts.prose(rng, 4)}]}
    ]
    for now_s, body in zip(at_s, [*results(), ""], strict=True):
        clock[0] = now_s
        sent = copy.deepcopy(messages)
        if given.marks in ("sections", "last"):
            sent[-1]["content"][-1]["cache_control"] = mark
        answer = client.messages.create(  # type: ignore[call-overload]
            model=given.model, max_tokens=900, tools=tools, system=system, messages=sent
        )
        content = [block.model_dump(mode="json", exclude_none=True) for block in answer.content]
        calls = [block for block in content if block["type"] == "tool_use"]
        if not calls:
            return
        messages.append({"role": "assistant", "content": content})
        again = given.rereads_once and len(messages) > 2 and body in results()[: len(messages) // 2 - 1]
        text = _cut(body, NOTE_TOKENS if again else given.cap)
        result = {"type": "tool_result", "tool_use_id": calls[0]["id"], "content": text}
        messages.append({"role": "user", "content": [result]})


def _cut(text: str, limit: int | None) -> str:
    """Return the beginning of a text that has exactly `limit` tokens, or the whole of a shorter one."""
    if limit is None or COUNT(text) <= limit:
        return text
    return next(text[:end] for end in range(len(text), 0, -1) if COUNT(text[:end]) == limit)

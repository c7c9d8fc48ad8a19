"""A tool loop recorded through the real client and the loopback provider, with one thing changed at a time.

The provider counts, caches and bills by itself, so a second recording is the truth that a prediction from
the first one can be compared with. The provider's clock is ours, and the recorded times are set to it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anthropic

import tokenprof
from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.facts.types import Run
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider, Overheads, Reply, texts
from tokenprof.testing.billing import toktok_count

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
OPUS, SAME_TOKENIZER, OLDER_TOKENIZER = "claude-opus-4-8", "claude-sonnet-5", "claude-sonnet-4-6"

GAPS_S = (20, 20, 400, 20, 900, 20, 20, 2000)
"""The seconds before each call after the first: three of them outlast a time to live of 5 minutes."""

CALLED = ("read_file", "search", "read_file", "read_file", "search", "read_file", "list_files", "read_file")
TOOLS = ("read_file", "search", "list_files", "send_mail", "calendar", "run_query")
SEARCHED_FOR, SEARCHES = "run_query", "find_tools"
COUNT = toktok_count()
NOTE_TOKENS, ANSWER_TOKENS = 20, 900


@dataclass(frozen=True)
class LoopSettings:
    """What can differ between two recordings of the loop.

    `marks` names the places of breakpoints: `sections` (tools, system, last block), `last`, or `none`.
    `cap` cuts results to so many tokens, `rereads_once` repeated ones to a note. `deferred` leaves out the
    schemas of tools that are never called, as a tool search does. `searched` is where the schema of a tool
    stands that the first turn searches for: in its `result`, or among the `tools`. `merged` makes consecutive
    calls of one tool in one turn. A context of more than `compact_at` tokens is replaced by a summary, which
    has `summary_share` of the tokens that it replaces. `tokens_per_text` multiplies what the provider counts,
    text by text. `usage` is laid over every usage that the provider reports.
    """

    model: str = OPUS
    ttl: str = "5m"
    marks: str = "sections"
    cap: int | None = None
    deferred: bool = False
    searched: str | None = None
    rereads_once: bool = False
    merged: bool = False
    compact_at: int | None = None
    summary_share: float = 0.08
    tokens_per_text: float = 1.0
    usage: dict[str, Any] = field(default_factory=dict)
    overheads: Overheads = field(default_factory=Overheads)


@dataclass(frozen=True)
class LoopTurn:
    """One turn of the model: when it is asked, what it writes, and the tools it calls with their results."""

    at_s: float
    writes: tuple[str, ...]
    calls: tuple[tuple[str, str], ...] = ()


def steps(given: LoopSettings) -> list[LoopTurn]:
    """Return the turns of the loop; the result of the fourth call is that of the first again."""
    sizes, words = random.Random(7), random.Random(3)
    results = [texts.prose(sizes, sizes.randint(5, 60)) for _ in CALLED]
    results[3] = results[0]
    at_s, found = 0.0, list[LoopTurn]()
    for tool, result, gap in zip(CALLED, results, GAPS_S, strict=True):
        step = LoopTurn(at_s, (texts.prose(words, 2),), ((tool, result),))
        if given.merged and found and found[-1].calls[-1][0] == tool:
            step = LoopTurn(found[-1].at_s, found[-1].writes + step.writes, found.pop().calls + step.calls)
        found.append(step)
        at_s += gap
    if given.searched:
        found[0] = replace(found[0], calls=((SEARCHES, SEARCHED_FOR),))
    return [*found, LoopTurn(at_s, (texts.prose(words, 5),))]


def record(path: Path, given: LoopSettings, assumptions: Assumptions | None = None) -> Analysis:
    """Return the analysis of a recording of the loop, at the times of the provider's clock."""
    turns = steps(given)
    clock = [0.0]
    asked_at_s: list[float] = []

    def answer(body: Mapping[str, Any], number: int) -> Reply:
        asked_at_s.append(clock[0])
        if body["max_tokens"] != ANSWER_TOKENS:
            summary = texts.prose(random.Random(11), 200)
            return replace(Reply.text(_cut(summary, body["max_tokens"])), usage=given.usage)
        step = next(each for each in turns if each.at_s == clock[0])
        calls = Reply.calls(*((tool, {"path": f"{at}.txt"}) for at, (tool, _) in enumerate(step.calls)))
        written = [{"type": "text", "text": text} for text in step.writes]
        return replace(calls, content=[*written, *calls.content], usage=given.usage)

    with (
        LoopbackProvider(
            answer,
            tokenizer=lambda text: round(COUNT(text) * given.tokens_per_text),
            overheads=given.overheads,
            clock=lambda: clock[0],
        ) as server,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="unused", base_url=server.url) as client,
    ):
        _run(server, client, given, turns, clock)
    return Analysis(_at(read([path]), asked_at_s), assumptions or Assumptions())


def _at(run: Run, at_s: list[float]) -> Run:
    turns = tuple(
        replace(turn, started_at=START + timedelta(seconds=at), duration_s=1.0, ttft_s=0.5)
        for turn, at in zip(run.turns, at_s, strict=True)
    )
    return replace(run, turns=turns)


def _run(
    server: LoopbackProvider,
    client: anthropic.Anthropic,
    given: LoopSettings,
    turns: list[LoopTurn],
    clock: list[float],
) -> None:
    rng = random.Random(5)
    tools = _tools(given, rng)
    system = [{"type": "text", "text": texts.prose(rng, 120)}]
    if given.marks == "sections":
        next(tool for tool in reversed(tools) if "defer_loading" not in tool)["cache_control"] = _mark(given)
        system[-1]["cache_control"] = _mark(given)  # type: ignore[assignment]
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": texts.prose(rng, 4)}]}
    ]

    def ask(max_tokens: int) -> list[dict[str, Any]]:
        sent = copy.deepcopy(messages)
        if given.marks in ("sections", "last"):
            sent[-1]["content"][-1]["cache_control"] = _mark(given)
        answer = client.messages.create(  # type: ignore[call-overload]
            model=given.model, max_tokens=max_tokens, tools=tools, system=system, messages=sent
        )
        return [block.model_dump(mode="json", exclude_none=True) for block in answer.content]

    def size(of: list[dict[str, Any]]) -> int:
        return server.count_tokens({"tools": tools, "system": system, "messages": of})

    seen: list[str] = []
    for step in turns:
        clock[0] = step.at_s
        if given.compact_at is not None and size(messages) > given.compact_at:
            newest = messages[-1]["content"][-1]
            removed = size(messages) - size([{"role": "user", "content": [newest]}])
            summary = ask(round(removed * given.summary_share))
            messages = [{"role": "user", "content": [*summary, newest]}]
        content = ask(ANSWER_TOKENS)
        messages.append({"role": "assistant", "content": content})
        calls = [block for block in content if block["type"] == "tool_use"]
        found = [_result(given, text, seen) for _, text in step.calls]
        messages.append(
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": call["id"], "content": result}
                    for call, result in zip(calls, found, strict=True)
                ],
            }
        )


def _tools(given: LoopSettings, rng: random.Random) -> list[dict[str, Any]]:
    tools = [
        {
            "name": name,
            "description": texts.prose(rng, 8),
            "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
        }
        for name in TOOLS
    ]
    if given.deferred:
        return [tool for tool in tools if tool["name"] in CALLED]
    if given.searched == "result":
        return [{**tool, "defer_loading": True} if tool["name"] == SEARCHED_FOR else tool for tool in tools]
    return tools


def _mark(given: LoopSettings) -> dict[str, str]:
    return {"type": "ephemeral", "ttl": given.ttl}


def _result(given: LoopSettings, text: str, seen: list[str]) -> Any:
    if text in TOOLS:
        return [{"type": "tool_reference", "tool_name": text}]
    again = text in seen
    seen.append(text)
    return _cut(text, NOTE_TOKENS if given.rereads_once and again else given.cap)


def _cut(text: str, limit: int | None) -> str:
    """Return the beginning of a text that has exactly `limit` tokens, or the whole of a shorter one."""
    if limit is None or COUNT(text) <= limit:
        return text
    return next(text[:end] for end in range(len(text), 0, -1) if COUNT(text[:end]) == limit)

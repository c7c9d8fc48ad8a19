"""Files in which a test provider has given every call one id and one usage, and files that tell no counts."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from logged_calls import as_lines, span

import tokenprof
from tokenprof.analysis.load import load
from tokenprof.facts.types import Run, Source
from tokenprof.harness_adapters.transcripts import call_layers
from tokenprof.pricing.usage import Usage
from tokenprof.reading import merge
from tokenprof.reading.files import read
from tokenprof.report.report_json import json_report

RECORDING = Path(__file__).parents[1] / "data" / "release_0_1" / "run.jsonl"
CALLS = 500


def calls_a_second_apart(later: timedelta = timedelta(0)) -> Run:
    run = read([RECORDING])
    first = replace(run.turns[0], duration_s=0.4)
    turns = (replace(first, started_at=first.started_at + later + timedelta(seconds=n)) for n in range(CALLS))
    return replace(run, turns=tuple(turns))


@pytest.mark.parametrize(
    ("later", "calls"),
    [(timedelta(0), CALLS), (timedelta(seconds=0.3), CALLS), (timedelta(seconds=0.5), 2 * CALLS)],
    ids=["copied", "seen by the proxy", "run again"],
)
def test_each_call_is_compared_with_those_near_in_time(
    later: timedelta, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    is_same = merge._is_same
    monkeypatch.setattr(merge, "_is_same", lambda *them: compared.append(them) or is_same(*them))
    runs = [calls_a_second_apart(), calls_a_second_apart(later)]
    assert len(merge.merge(runs).turns) == calls
    assert len(compared) <= 2 * CALLS


def test_a_call_without_input_stays_apart_from_a_call_of_unknown_usage() -> None:
    run = read([RECORDING])
    unmeasured = replace(run, turns=(replace(run.turns[0], usage=None),))
    drawn = replace(run.turns[0], id="another", usage=Usage(output_tokens=9), notes=())
    log = replace(run, turns=(drawn,), sources=(Source("log.jsonl", "LiteLLM log", 1),))
    assert [turn.usage for turn in merge.merge([unmeasured, log]).turns] == [None, drawn.usage]


@pytest.mark.parametrize(("later_s", "calls"), [(None, CALLS), (3600, 2 * CALLS)], ids=["at once", "later"])
def test_spans_of_two_instrumentations_are_compared_with_those_near_in_time(
    later_s: int | None, calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    is_one = call_layers._is_one_response
    monkeypatch.setattr(call_layers, "_is_one_response", lambda *them: compared.append(them) or is_one(*them))
    spans = [span(n, "resp_x", f"{n + 1:016x}", scope="openai") for n in range(CALLS)]
    spans += [
        span(n, "resp_x", f"{n + CALLS + 1:016x}", scope="traceloop", began_s=later_s and later_s + 100 * n)
        for n in range(CALLS)
    ]
    log = tmp_path / "spans.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in spans))
    assert len(read([log]).turns) == calls
    assert len(compared) <= 2 * call_layers.COMPARED * CALLS


@pytest.mark.parametrize(
    ("scope", "later_s", "calls", "warnings"),
    [("traceloop", 61, 1, 0), ("traceloop", 62, 2, 0), ("openai", 0, 1, 1), ("openai", 2, 2, 0)],
)
def test_spans_of_one_response_are_one_call_within_a_minute_and_of_one_instrumentation_at_once(
    scope: str, later_s: int, calls: int, warnings: int, tmp_path: Path
) -> None:
    # The first one lasts a second.
    spans = [span(0, "resp_x", "a" * 16), span(0, "resp_x", "b" * 16, scope=scope, began_s=later_s)]
    log = tmp_path / "spans.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in spans))
    run = read([log])
    assert len(run.turns) == calls
    assert sum("share response id" in warning for warning in run.warnings) == warnings


PRODUCT = str(Path(tokenprof.__file__).parent)
REPORTED = 48
MOST_GROWTH = 2.7
"""Twice the calls add this many times what as many calls added before: 2 if in proportion, 4 if squared."""

FEW_LINES = 50
"""Functions that execute fewer lines a call are not looked at: some of them are only reached by long logs."""


def lines_executed(function: Callable[[], object]) -> Counter[str]:
    """Return how many lines of Python each function of ours executes in this thread."""
    executed: Counter[CodeType] = Counter()

    def traced(frame: FrameType, event: str, argument: object) -> Any:
        executed[frame.f_code] += 1
        return traced

    before = sys.gettrace()
    sys.settrace(traced)
    try:
        function()
    finally:
        sys.settrace(before)
    by_name: Counter[str] = Counter()
    for code, lines in executed.items():
        if PRODUCT in code.co_filename:
            by_name[f"{Path(code.co_filename).name}: {code.co_qualname}"] += lines
    return by_name


def with_attributes(line: dict[str, Any], parent: str = "", **told: str) -> dict[str, Any]:
    one = line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    one["attributes"] += [
        {"key": f"gen_ai.{name.replace('_', '.')}", "value": {"stringValue": value}}
        for name, value in told.items()
    ]
    if parent:
        one["parentSpanId"] = parent
    return line


def spans_of_many_agents(calls: int) -> list[Any]:
    return [
        with_attributes(
            span(n, f"r{n}", f"{n + 1:016x}"), conversation_id=f"conversation {n}", agent_name=f"agent {n}"
        )
        for n in range(calls)
    ]


def spans_of_many_instrumentations(calls: int) -> list[Any]:
    return [span(n, "r", f"{n + 1:016x}", scope=f"scope {n}", began_s=0) for n in range(calls)]


def instrumentations_hours_apart(calls: int) -> list[Any]:
    return [span(n, "r", f"{n + 1:016x}", scope=f"scope {n}", began_s=4000 * n) for n in range(calls)]


def rollout_without_news(calls: int) -> list[Any]:
    """A Codex session in which every count repeats the first one, so that no later answer is counted."""
    count = {"input_tokens": 100, "cached_input_tokens": 50, "output_tokens": 10, "total_tokens": 110}
    info = {"total_token_usage": count, "last_token_usage": count}
    meta = {"id": "s", "timestamp": "2026-10-01T00:00:00Z", "cwd": "/p", "cli_version": "0.50.0"}
    lines: list[tuple[str, Any]] = [("session_meta", meta), ("turn_context", {"model": "gpt-5-codex"})]
    for n in range(calls):
        asked = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"ask {n}"}]}
        called = {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": f"c{n}"}
        lines += [("response_item", asked), ("response_item", called)]
        lines += [("event_msg", {"type": "token_count", "info": info})]
    return [
        {"timestamp": f"2026-10-01T{n // 60:02d}:{n % 60:02d}:00Z", "type": type_, "payload": payload}
        for n, (type_, payload) in enumerate(lines)
    ]


@pytest.mark.parametrize(
    "log",
    [
        spans_of_many_agents,
        spans_of_many_instrumentations,
        instrumentations_hours_apart,
        rollout_without_news,
    ],
)
def test_a_report_takes_work_in_proportion_to_the_calls(
    log: Callable[[int], list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(path: Path) -> None:
        json.dumps(json_report(load(path).analyze()))

    monkeypatch.setattr(call_layers, "COMPARED", 4)
    executed = []
    for calls in (1, REPORTED, 2 * REPORTED, 4 * REPORTED):
        path = tmp_path / f"{calls}.jsonl"
        path.write_bytes(as_lines(log(calls)))
        executed.append(lines_executed(lambda path=path: report(path)))
    _, once, twice, four_times = executed
    grown = {
        name: (once[name], twice[name], lines)
        for name, lines in four_times.items()
        if lines > FEW_LINES * 4 * REPORTED and lines - twice[name] > MOST_GROWTH * (twice[name] - once[name])
    }
    assert grown == {}

"""Which calls of a log are one: two billed calls never become one, and a copy is never billed, in silence.

A call has two identities, that of its response and the log's own for its record (a span, a row, a request).
Relays give all answers one response id, and damaged logs may lack either.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logged_calls import as_lines, batch_line, litellm_row, observation, session_rows, span

from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run
from tokenprof.reading.files import read
from tokenprof.reading.usage_only import read_usage

CALLS = 20
WRITERS: dict[str, Callable[[int, str, str], Any]] = {
    "spans": span,
    "LiteLLM": litellm_row,
    "batch": batch_line,
    "Langfuse": observation,
    "Claude Code": session_rows,
}
DATA = Path(__file__).parents[1] / "data"
SAMPLES = {
    "recording": DATA / "release_0_1" / "run.jsonl",
    "session": DATA / "logs" / "session_log" / "session_2.1.330.jsonl",
    **{
        path.parent.name: path
        for path in sorted((DATA / "logs").glob("*/*.jsonl"))
        if path.parent.name not in ("session_log", "stream_json")
    },
}


def _tokens(run: Run) -> tuple[int, int]:
    usages = [turn.usage for turn in run.turns if turn.usage is not None]
    return len(run.turns), sum(usage.input_tokens + usage.all_output_tokens for usage in usages)


def _read(folder: Path, *contents: bytes) -> Run:
    paths = []
    for number, content in enumerate(contents):
        (folder / str(number)).mkdir(exist_ok=True, parents=True)
        paths.append(folder / str(number) / "log.jsonl")
        paths[-1].write_bytes(content)
    run = read(paths)
    assert _tokens(read_usage(paths)) == _tokens(run)
    return run


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("has_response", [True, False])
def test_calls_with_records_of_their_own_are_calls_of_their_own(
    form: str, has_response: bool, tmp_path: Path
) -> None:
    """A relay's one id for all answers, or none: what the log itself calls them tells them apart."""
    response = "chatcmpl-relay" if has_response else ""
    lines = [WRITERS[form](number, response, f"{number + 1:016x}") for number in range(CALLS)]
    run = _read(tmp_path, as_lines(lines))
    assert _tokens(run) == (CALLS, CALLS * 110)


@pytest.mark.parametrize("form", ["spans", "LiteLLM", "Langfuse", "Claude Code"])
def test_calls_without_records_are_told_apart_by_their_times_and_questions(form: str, tmp_path: Path) -> None:
    lines = [WRITERS[form](number, "chatcmpl-relay", "") for number in range(CALLS)]
    assert _tokens(_read(tmp_path, as_lines(lines))) == (CALLS, CALLS * 110)


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("record", ["00000000000000aa", ""])
def test_a_line_that_stands_twice_is_one_call(form: str, record: str, tmp_path: Path) -> None:
    lines = [WRITERS[form](3, "chatcmpl-relay", record)] * 3
    assert _tokens(_read(tmp_path, as_lines(lines))) == (1, 110)


def test_spans_at_one_time_in_traces_of_their_own_are_calls_of_their_own(tmp_path: Path) -> None:
    lines = [span(number, "chatcmpl-relay", f"{number + 1:016x}", began_s=0) for number in range(CALLS)]
    assert _tokens(_read(tmp_path, as_lines(lines))) == (CALLS, CALLS * 110)


def test_two_instrumentations_of_calls_with_one_id_count_each_call_once(tmp_path: Path) -> None:
    lines = [
        span(number, "chatcmpl-relay", f"{number + 1:015x}{scope[0]}", scope=scope)
        for number in range(CALLS)
        for scope in ("agents", "framework")
    ]
    assert _tokens(_read(tmp_path, as_lines(lines))) == (CALLS, CALLS * 110)


@pytest.mark.parametrize("form", ["spans", "Langfuse"])
def test_one_record_with_other_times_is_counted_once_and_said(form: str, tmp_path: Path) -> None:
    lines = [WRITERS[form](number, "r", "00000000000000aa") for number in range(2)]
    for line in lines if form == "spans" else ():
        line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] = "1" * 32
    run = _read(tmp_path, as_lines(lines))
    assert _tokens(run) == (1, 110)
    assert "1 of its spans repeat a call with other counts or times" in " ".join(run.warnings)


def test_rows_of_one_response_stay_one_with_and_without_a_request(tmp_path: Path) -> None:
    """A response is spread over rows: a tool is answered while the rest of it is still written."""
    question, answer = session_rows(0, "msg_1", "", stop=None)
    call = {"type": "tool_use", "id": "t1", "name": "ls", "input": {}}
    first = answer | {"message": answer["message"] | {"content": [call]}}
    told = {"type": "tool_result", "tool_use_id": "t1", "content": "a.py"}
    result = question | {
        "uuid": "r",
        "parentUuid": "a0",
        "message": {"role": "user", "content": [told]},
    }
    rest = answer | {"uuid": "b", "parentUuid": "r"}
    for request in ({}, {"requestId": "req_1"}):
        lines = as_lines([question, first | request, result, rest | request])
        assert _tokens(_read(tmp_path, lines)) == (1, 110)


def _times(lines: list[bytes], chance: random.Random) -> list[bytes]:
    """Return lines with some of them again, right there or later."""
    found = list(lines)
    for line in chance.sample(lines, k=min(len(lines), 3)):
        found.insert(chance.randrange(len(found) + 1), line)
    return found


@settings(max_examples=12)
@given(name=st.sampled_from(sorted(SAMPLES)), seed=st.integers(0, 2**32))
def test_copies_of_lines_and_files_give_the_same_total_or_a_sentence(
    name: str, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("copies")
    lines = [line + b"\n" for line in SAMPLES[name].read_bytes().splitlines()]
    sound = _read(folder / "sound", b"".join(lines))
    heard = {warning.rpartition(": ")[2] for warning in sound.warnings}
    at, until = sorted(chance.choices(range(len(lines) + 1), k=2))
    for number, contents in enumerate(
        (
            [_times(lines, chance)],
            [lines + lines],
            [lines, lines],
            [lines[:until], lines[at:]],
            [lines[at:], lines[:until]],
            [lines[:until] + lines[at:]],
        )
    ):
        try:
            run = _read(folder / str(number), *(b"".join(content) for content in contents if content))
        except InputError:
            continue
        said = [warning for warning in run.warnings if warning.rpartition(": ")[2] not in heard]
        assert _tokens(run) == _tokens(sound) or said or any(turn.usage is None for turn in run.turns), number

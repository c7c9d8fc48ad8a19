"""What is damaged inside a file that is still JSON: a lost call is named, and none is counted twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tokenprof.facts.types import Run
from tokenprof.reading.files import read
from tokenprof.reading.usage_only import read_usage

LOGS = Path(__file__).parents[1] / "data" / "logs"
RECORDING = Path(__file__).parents[1] / "data" / "release_0_1" / "run.jsonl"

Damage = Callable[[Any], None]


def damaged(tmp_path: Path, source: Path, line: int | None, damage: Damage) -> Run:
    """Read a copy of a log of which one line, or the whole document, was changed."""
    path = tmp_path / source.name
    if line is None:
        document = json.loads(source.read_bytes())
        damage(document)
        path.write_text(json.dumps(document))
    else:
        lines = [json.loads(text) for text in source.read_text().splitlines()]
        damage(lines[line])
        path.write_text("".join(json.dumps(value) + "\n" for value in lines))
    return read([path])


def rename(*keys: Any) -> Damage:
    """Return what renames the last of some keys, each inside the one before."""

    def change(value: Any) -> None:
        for key in keys[:-1]:
            value = value[key]
        value[f"{keys[-1]}s"] = value.pop(keys[-1])

    return change


@pytest.mark.parametrize(
    "damage",
    [
        rename("resourceSpans"),
        rename("resourceSpans", 0, "scopeSpans"),
        rename("resourceSpans", 0, "scopeSpans", 0, "spans"),
        rename("resourceSpans", 0, "scopeSpans", 0, "spans", 0, "attributes"),
    ],
)
def test_a_line_of_a_recording_that_holds_no_record_is_missed(damage: Damage, tmp_path: Path) -> None:
    sound = read([RECORDING])
    run = damaged(tmp_path, RECORDING, 1, damage)
    assert len(run.turns) == len(sound.turns) - 1
    assert any("1 of its lines hold nothing that this version can read" in said for said in run.warnings)


def test_a_record_of_a_recording_is_known_by_its_attributes_whatever_its_scope(tmp_path: Path) -> None:
    run = damaged(tmp_path, RECORDING, 1, rename("resourceSpans", 0, "scopeSpans", 0, "scope"))
    assert len(run.turns) == len(read([RECORDING]).turns)


@pytest.mark.parametrize("keys", [(), (0, "scopeSpans"), (0, "scopeSpans", 0, "spans")])
def test_a_line_of_spans_without_spans_is_named(keys: tuple[Any, ...], tmp_path: Path) -> None:
    source = LOGS / "otlp_spans" / "traceloop.jsonl"
    run = damaged(tmp_path, source, 0, rename("resourceSpans", *keys))
    assert any("1 of its lines hold no spans" in said for said in run.warnings)


def test_a_count_whose_value_is_lost_is_named(tmp_path: Path) -> None:
    source = LOGS / "otlp_spans" / "traceloop.jsonl"

    def change(line: Any) -> None:
        for span in line["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            for pair in span["attributes"]:
                if pair["key"] == "gen_ai.usage.output_tokens":
                    pair["value"] = {"intValues": "5"}

    numbers = [n for n, text in enumerate(source.read_text().splitlines()) if "usage.output_tokens" in text]
    run = damaged(tmp_path, source, numbers[0], change)
    assert any("gen_ai.usage.output_tokens cannot be read" in said for said in run.warnings)


def test_a_generation_of_another_kind_is_named(tmp_path: Path) -> None:
    source = LOGS / "langfuse_export" / "observations.json"

    def change(page: Any) -> None:
        observations = page["data"] if isinstance(page, dict) else page
        next(item for item in observations if item["type"] == "GENERATION")["type"] = "NOTHING"

    run = damaged(tmp_path, source, None, change)
    assert any("has token counts and no call below" in said for said in run.warnings)


@pytest.mark.parametrize("usage", [None, " ", [1]])
def test_an_answer_of_an_evaluation_without_usage_is_unmeasured(usage: object, tmp_path: Path) -> None:
    source = LOGS / "inspect_log" / "own_form.json"
    sound = read([source])

    def change(log: Any) -> None:
        events = log["samples"][0]["events"]
        event = next(event for event in events if event["event"] == "model" and "call" not in event)
        event["output"]["usage"] = usage

    run = damaged(tmp_path, source, None, change)
    assert len(run.turns) == len(sound.turns)
    assert sum(turn.usage is None for turn in run.turns) == 1


def test_a_record_around_zero_bytes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    data = (LOGS / "batch_results" / "results.jsonl").read_bytes()
    assert b"An order." in data
    path.write_bytes(data.replace(b"An order.", bytes(400)))
    assert any("400 zero bytes stand within it" in said for said in read([path]).warnings)


def test_a_result_that_counts_no_model_says_so(tmp_path: Path) -> None:
    run = damaged(tmp_path, LOGS / "stream_json" / "result.json", None, rename("modelUsage"))
    assert run.turns == ()
    assert any("the result counts no model" in said for said in run.warnings)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (rename("steps"), "`steps` cannot be read"),
        (lambda document: document["steps"].__setitem__(-1, "x"), "`steps` cannot be read"),
        (rename("steps", -1, "metrics"), "1 of its steps of the agent have no metrics"),
        (rename("steps", -1, "source"), "1 of its steps of the agent have no metrics"),
    ],
)
def test_a_lost_step_of_a_trajectory_is_named(damage: Damage, said: str, tmp_path: Path) -> None:
    source = LOGS / "atif_trajectory" / "trajectory.json"
    run = damaged(tmp_path, source, None, damage)
    assert len(run.turns) < len(read([source]).turns)
    assert any(said in warning for warning in run.warnings)


def test_a_total_that_has_lost_a_key_does_not_count_as_another_call(tmp_path: Path) -> None:
    source = LOGS / "codex" / "rollout.jsonl"
    lines = [json.loads(text) for text in source.read_text().splitlines()]
    counted = [n for n, line in enumerate(lines) if '"total_token_usage"' in json.dumps(line)]
    sound = read([source])
    for number in counted:
        keys = ("payload", "info", "total_token_usage", "reasoning_output_tokens")
        run = damaged(tmp_path, source, number, rename(*keys))
        assert len(run.turns) <= len(sound.turns) or run.warnings


@pytest.mark.parametrize("key", [None, 7, float("-inf"), ["gen_ai.usage.cache_read.input_tokens"]])
def test_an_attribute_of_a_span_without_a_name_is_missed(key: Any, tmp_path: Path) -> None:
    source = LOGS / "otlp_spans" / "traceloop.jsonl"

    def unname(line: Any) -> None:
        attributes = line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"]
        attributes[-1]["key"] = key

    run = damaged(tmp_path, source, 0, unname)
    assert any(
        said.endswith("1 of its attributes have no name; counts may be missing.") for said in run.warnings
    )


def test_zero_bytes_within_a_document_are_missed(tmp_path: Path) -> None:
    source = LOGS / "langfuse_export" / "observations.json"
    data = source.read_bytes()
    middle = data.index(b"explains", len(data) // 2)
    path = tmp_path / source.name
    path.write_bytes(data[:middle] + bytes(8) + data[middle + 8 :])
    run = read([path])
    assert any("8 zero bytes stand within it" in said for said in run.warnings)
    assert len(run.turns) == len(read([source]).turns)


@pytest.mark.parametrize("name", ["acme/alias", "", None])
def test_a_result_that_counts_responses_under_another_name_counts_them_once(
    name: str | None, tmp_path: Path
) -> None:
    source = LOGS / "stream_json" / "stream.jsonl"
    answers, result = _answers_and_result(source)
    for answer in answers:
        answer["message"]["model"] = name
    run = read([_written(tmp_path, [*answers, result])])
    assert _tokens(run) == _tokens(read([source]))
    assert not any("a second time" in said for said in run.warnings)


def test_responses_of_two_models_that_a_result_does_not_name_may_be_counted_twice(tmp_path: Path) -> None:
    answers, result = _answers_and_result(LOGS / "stream_json" / "stream.jsonl")
    for number, answer in enumerate(answers):
        answer["message"]["model"] = f"acme/{number % 2}"
    said = read([_written(tmp_path, [*answers, result])]).warnings
    assert sum("may be counted a second time" in each for each in said) == 2


def _answers_and_result(source: Path) -> tuple[list[Any], Any]:
    lines = [json.loads(text) for text in source.read_text().splitlines()]
    return [line for line in lines if line["type"] == "assistant"], lines[-1]


def _written(folder: Path, lines: list[Any]) -> Path:
    path = folder / "stream.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _tokens(run: Run) -> tuple[int, int]:
    usages = [turn.usage for turn in run.turns if turn.usage is not None]
    return sum(each.input_tokens for each in usages), sum(each.all_output_tokens for each in usages)


@pytest.mark.parametrize("damage", [lambda row: row.update(type="answer"), rename("message")])
def test_rows_of_a_session_that_hold_a_response_in_another_form_are_missed(
    damage: Damage, tmp_path: Path
) -> None:
    session = LOGS / "session_log" / "session_2.1.330.jsonl"
    lines = [json.loads(text) for text in session.read_text().splitlines()]
    answers = [line for line in lines if line["type"] == "assistant"]
    for answer in answers:
        damage(answer)
    path = _written(tmp_path, lines)
    assert not read([path]).turns
    for warnings in (read([path]).warnings, read_usage([path]).warnings):
        assert any(f" {len(answers)} of its rows hold a response in a form" in said for said in warnings)

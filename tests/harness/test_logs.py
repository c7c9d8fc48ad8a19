"""Logs of other tools at their edges: what was not billed, what is missing, what contradicts itself."""

from __future__ import annotations

import json
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tokenprof.analysis.analysis import Analysis
from tokenprof.facts.errors import InputError
from tokenprof.reading.files import read
from tokenprof.report.report_json import json_report

LOGS = Path(__file__).parent.parent / "data" / "logs"


def copy_of(path: Path, folder: Path, change: Any) -> Path:
    """Write a changed copy of a log that is one JSON value."""
    value = json.loads(path.read_text())
    change(value)
    copy = folder / path.name
    copy.write_text(json.dumps(value))
    return copy


def test_answers_from_inspect_s_own_cache_and_failed_calls_were_not_billed(tmp_path: Path) -> None:
    def change(log: Any) -> None:
        events = [event for event in log["samples"][0]["events"] if event["event"] == "model"]
        events[0]["cache"] = "read"
        events[1]["error"] = "no answer"
        events[2]["retries"] = 2

    run = read([copy_of(LOGS / "inspect_log" / "own_form.json", tmp_path, change)])
    assert len(run.turns) == 4
    assert run.turns[0].attempts == 3
    assert any("1 answers came from inspect's own cache" in warning for warning in run.warnings)


def test_an_inspect_log_without_samples_says_so(tmp_path: Path) -> None:
    run = read([copy_of(LOGS / "inspect_log" / "own_form.json", tmp_path, lambda log: log.pop("samples"))])
    # The header counts all calls of a model: fresh, read and written input, and output.
    (turn,) = run.turns
    assert turn.usage is not None
    header = json.loads((LOGS / "inspect_log" / "own_form.json").read_text())["stats"]["model_usage"]
    (counted,) = header.values()
    assert turn.usage.all_output_tokens == counted["output_tokens"]
    assert turn.usage.uncached_input_tokens == counted["input_tokens"]
    assert "was the log written without samples?" in run.warnings[0]


def test_a_damaged_archive_is_an_error_with_its_name(tmp_path: Path) -> None:
    whole = (LOGS / "inspect_log" / "raw_calls.eval").read_bytes()
    cut = tmp_path / "cut.eval"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.eval: this archive cannot be read"):
        read([cut])


def test_an_archive_that_is_not_packed_with_zstandard_is_read_alike(tmp_path: Path) -> None:
    from tokenprof.harness_adapters.transcripts.zip_members import members_of

    plain = tmp_path / "plain.eval"
    with zipfile.ZipFile(plain, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members_of(LOGS / "inspect_log" / "raw_calls.eval", ""):
            archive.writestr(name, data)
    assert [turn.usage for turn in read([plain]).turns] == [
        turn.usage for turn in read([LOGS / "inspect_log" / "raw_calls.eval"]).turns
    ]


def test_litellm_s_own_cache_and_its_failures_were_not_billed(tmp_path: Path) -> None:
    lines = (LOGS / "litellm_log" / "standard_logging.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    rows[1]["cache_hit"] = True
    path = tmp_path / "log.json"
    path.write_text(json.dumps(rows))
    run = read([path])
    assert len(rows) == 4
    assert len(run.turns) == 2
    assert any("1 answers came from LiteLLM's own cache" in warning for warning in run.warnings)


def test_a_row_of_litellm_s_spend_logs_has_its_columns_as_text(tmp_path: Path) -> None:
    row = {
        "request_id": "chatcmpl-1",
        "call_type": "acompletion",
        "spend": 0.01,
        "startTime": "2026-11-20T10:00:00+00:00",
        "endTime": "2026-11-20T10:00:02+00:00",
        "model": "anthropic/claude-opus-4-8",
        "custom_llm_provider": "anthropic",
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "metadata": json.dumps({"additional_usage_values": {"cache_read_input_tokens": 60}}),
        "messages": "{}",
        "response": "{}",
        "cache_hit": "False",
        "proxy_server_request": json.dumps({"messages": [{"role": "user", "content": "hello"}]}),
    }
    path = tmp_path / "spend.json"
    path.write_text(json.dumps([row]))
    (turn,) = read([path]).turns
    assert turn.usage is not None
    assert (turn.usage.uncached_input_tokens, turn.usage.cache_read_tokens) == (40, 60)
    assert (turn.provider, turn.model, turn.duration_s) == ("anthropic", "claude-opus-4-8", 2.0)
    assert [block.kind for block in turn.added] == ["user"]


def test_a_langfuse_generation_above_another_repeats_it_and_a_damaged_count_is_unmeasured(
    tmp_path: Path,
) -> None:
    def change(page: Any) -> None:
        first, second = (row for row in page["data"][1:3])
        second["parentObservationId"] = first["id"]
        second["usageDetails"]["total"] = 1

    run = read([copy_of(LOGS / "langfuse_export" / "observations.json", tmp_path, change)])
    assert [turn.usage is None for turn in run.turns] == [True, False]
    assert any("neither input + output nor the sum" in warning for warning in run.warnings)


def test_a_trajectory_without_responses_is_an_error(tmp_path: Path) -> None:
    def change(trajectory: Any) -> None:
        for message in trajectory["messages"]:
            message.get("extra", {}).pop("response", None)

    path = copy_of(LOGS / "mini_swe_trajectory" / "words.traj.json", tmp_path, change)
    with pytest.raises(InputError, match="no message of this trajectory holds a response"):
        read([path])


def test_an_answer_of_a_trajectory_without_its_response_is_said_to_be_missing(tmp_path: Path) -> None:
    def change(trajectory: Any) -> None:
        answer = next(each for each in trajectory["messages"] if each["role"] == "assistant")
        answer["extra"]["answer"] = answer["extra"].pop("response")

    run = read([copy_of(LOGS / "mini_swe_trajectory" / "words.traj.json", tmp_path, change)])
    assert len(run.turns) == 1
    assert any("message 3 is an answer without its response" in warning for warning in run.warnings)


def test_a_stream_s_rest_is_a_turn_and_the_sum_is_no_lower_bound() -> None:
    path = LOGS / "stream_json" / "stream.jsonl"
    report = json_report(Analysis(read([path])))
    rest = report["turns"][-1]
    assert [turn["output_rest_in"] for turn in report["turns"]] == [rest["id"]] * 3 + [None]
    assert report["totals"]["incomplete_output_turns"] == 0
    assert "output-incomplete" not in {finding["code"] for finding in report["findings"]}
    assert (rest["usage"]["output"], rest["context_tokens"]) == (32, 0)


def test_a_stream_that_was_cut_has_no_result_and_its_output_is_a_lower_bound(tmp_path: Path) -> None:
    lines = (LOGS / "stream_json" / "stream.jsonl").read_text().splitlines(keepends=True)
    cut = tmp_path / "cut.jsonl"
    cut.write_text("".join(lines[:-1]))
    run = read([cut])
    assert len(run.turns) == 3
    assert any("has no result" in warning for warning in run.warnings)
    assert json_report(Analysis(run))["totals"]["incomplete_output_turns"] == 3


def test_a_result_that_counts_less_than_its_responses_is_told(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (LOGS / "stream_json" / "stream.jsonl").read_text().splitlines()]
    lines[-1]["modelUsage"]["claude-opus-4-8"]["cacheReadInputTokens"] = 1
    path = tmp_path / "less.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert any("counts less than its responses" in warning for warning in read([path]).warnings)


def test_a_result_as_the_python_sdk_has_it_is_read_too(tmp_path: Path) -> None:
    result = json.loads((LOGS / "stream_json" / "result.json").read_text())
    for name in ("type", "uuid"):
        result.pop(name)
    result["model_usage"] = result.pop("modelUsage")
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result, indent=2))
    (turn,) = read([path]).turns
    assert turn.usage is not None
    assert (turn.usage.cache_read_tokens, turn.usage.cache_write_5m_tokens) == (21_700, 11_058)


def test_an_export_request_without_a_length_is_read_alike(tmp_path: Path) -> None:
    data = (LOGS / "otlp_protobuf" / "pydantic_ai.binpb").read_bytes()
    messages, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        messages.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    # Protobuf messages of one type, one after the other, are one message.
    single = tmp_path / "request.pb"
    single.write_bytes(b"".join(messages))
    assert [turn.usage for turn in read([single]).turns] == [
        turn.usage for turn in read([LOGS / "otlp_protobuf" / "pydantic_ai.binpb"]).turns
    ]


def test_protobuf_without_its_package_and_a_cut_file_are_errors_that_tell_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = LOGS / "otlp_protobuf" / "pydantic_ai.binpb"
    cut = tmp_path / "cut.binpb"
    cut.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match="cut short"):
        read([cut])
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.collector.trace.v1.trace_service_pb2", None)
    with pytest.raises(InputError, match="pip install opentelemetry-proto"):
        read([path])


def test_unknown_json_is_an_error_by_itself_and_left_out_of_a_folder_in_silence(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{\n "name": "something"\n}\n')
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "notes.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(InputError, match=r"package\.json:1: tokenprof does not know this format"):
        read([tmp_path / "package.json"])
    copy = tmp_path / "result.json"
    copy.write_bytes((LOGS / "stream_json" / "result.json").read_bytes())
    run = read([tmp_path])
    assert (len(run.turns), run.warnings) == (1, ())

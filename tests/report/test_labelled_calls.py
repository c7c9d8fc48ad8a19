"""Labels in recordings and reports, and the findings about work done again."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import pytest

import tokenprof
from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.findings.finding_figures import RepeatedCalls, RepeatedResults
from tokenprof.commands.main import main
from tokenprof.report.finding_wording import written
from tokenprof.testing import LoopbackProvider, Reply

SESSION = "8463c716-a2ea-4c14-9efa-87158ebd9f20"
FILE = "The quick brown fox jumps over the lazy dog. " * 40
CALLS = (
    ("Read", {"path": "src/app.ts"}, FILE),
    ("Read", {"path": "src/app.ts"}, FILE),
    ("Read", {"path": "src/app.ts", "limit": 900}, FILE),
    ("Bash", {"command": "npm test -- --token=hunter2canary"}, "3 failed. " * 30),
    ("Bash", {"command": "npm test -- --token=hunter2canary"}, "All passed. " * 30),
    ("Read", {"path": "src/other.ts"}, "Something else. " * 40),
)


def record(path: Path, calls: Sequence[tuple[str, dict[str, Any], str]] = CALLS, **settings: Any) -> Path:
    """Record a loop that makes these calls, one a turn, and a last turn."""
    script = [*(Reply.calls((tool, given)) for tool, given, _ in calls), Reply.text("done")]
    tools = [{"name": n, "description": n, "input_schema": {"type": "object"}} for n in ("Read", "Bash")]
    messages: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
    with (
        LoopbackProvider(script) as server,
        tokenprof.profile(path, **settings),
        anthropic.Anthropic(api_key="unused", base_url=server.url) as client,
    ):
        for text in [*(result for _, _, result in calls), ""]:
            answer = client.messages.create(  # type: ignore[call-overload]
                model="claude-opus-4-8", max_tokens=900, tools=tools, messages=copy.deepcopy(messages)
            )
            messages.append({"role": "assistant", "content": [part.to_dict() for part in answer.content]})
            results = [
                {"type": "tool_result", "tool_use_id": part.id, "content": text}
                for part in answer.content
                if part.type == "tool_use"
            ]
            messages.append({"role": "user", "content": results})
    return path


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("labelled") / "run.jsonl", labels=True)


def test_a_recording_holds_labels_only_if_its_owner_asked(tmp_path: Path, labelled: Path) -> None:
    plain = record(tmp_path / "plain.jsonl").read_text()
    assert "app.ts" not in plain
    assert "npm" not in plain
    kept = labelled.read_text()
    assert "src/app.ts" in kept
    assert "npm test" in kept
    assert "hunter2canary" not in kept


def test_the_environment_asks_for_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENPROF_LABELS", "1")
    assert "src/app.ts" in record(tmp_path / "run.jsonl", CALLS[:1]).read_text()


def test_a_rule_of_your_own_names_the_calls(tmp_path: Path) -> None:
    path = record(tmp_path / "run.jsonl", CALLS[:1], labels=lambda tool, given: f"file {given['path'][-6:]}")
    rows = tokenprof.load(path, labels=True).analyze().rows.blocks
    assert {block.label for block in rows if block.kind in ("tool_call", "tool_result")} == {"file app.ts"}


def test_spans_never_hold_a_label(tmp_path: Path) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    try:
        record(tmp_path / "run.jsonl", CALLS[:1], labels=True)
    finally:
        trace._TRACER_PROVIDER = before
    spans = exporter.get_finished_spans()
    assert len(spans) >= 2
    assert not [span for span in spans if "app.ts" in span.to_json()]


def test_a_written_file_holds_labels_only_with_labels(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix in ("txt", "json", "html", "md"):
        out = tmp_path / f"report.{suffix}"
        assert main(["report", str(labelled), "-o", str(out)]) == 0
        assert "app.ts" not in out.read_text()
        assert main(["report", str(labelled), "-o", str(out), "--labels"]) == 0
        assert "src/app.ts" in out.read_text()
    capsys.readouterr()
    assert main(["report", str(labelled), "--format", "json"]) == 0
    assert "app.ts" not in capsys.readouterr().out
    assert main(["report", str(labelled), "--full"]) == 0
    assert "Read src/app.ts (3 times, 2 unchanged)" in " ".join(capsys.readouterr().out.split())


def test_output_that_the_shell_puts_into_a_file_is_a_written_file(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for options, is_shown in (([], False), (["--labels"], True)):
        with (tmp_path / "report.txt").open("w+") as file:
            monkeypatch.setattr("sys.stdout", file)
            assert main(["report", str(labelled), "--full", *options]) == 0
            file.seek(0)
            assert ("src/app.ts" in file.read()) is is_shown


def test_the_argument_that_the_user_names_is_the_label(
    labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Path(__file__).parents[1] / "data" / "logs" / "session_log" / f"{SESSION}.jsonl"
    assert main(["report", str(session), "--format", "json", "--label", "Bash=description"]) == 0
    blocks = json.loads(capsys.readouterr().out)["blocks"]
    labels = {block["label"] for block in blocks if block["name"] == "Bash" and "label" in block}
    assert "Claim spotter-fum.1" in labels
    assert main(["report", str(labelled), "--label", "Bash"]) == 2
    assert "TOOL=ARGUMENT" in capsys.readouterr().err


def findings(analysis: Analysis) -> dict[str, Any]:
    return {found.code: found for found in analysis.findings}


def test_repeated_results_cost_what_they_and_their_calls_were_billed(labelled: Path) -> None:
    analysis = tokenprof.load(labelled, labels=True).analyze()
    found = findings(analysis)["repeated-results"]
    figures = found.figures
    assert isinstance(figures, RepeatedResults)
    # The second and third read of the file; each is carried with its call to the end of the run.
    assert figures.results == 2
    again = analysis.rows.block_by_id()
    blocks = [again[block_id] for block_id in found.blocks]
    assert [(block.kind, block.name, block.label) for block in blocks] == [
        ("tool_call", "Read", "src/app.ts"),
        ("tool_result", "Read", "src/app.ts"),
    ] * 2
    assert [block.born_turn for block in blocks] == [2, 2, 3, 3]
    assert found.saves_usd == sum((block.billed_usd or Decimal(0) for block in blocks), Decimal(0))
    (call,) = figures.calls
    assert (call.tool, call.label, call.calls, call.unchanged) == ("Read", "src/app.ts", 3, 2)
    assert "Read src/app.ts (3 times, 2 unchanged)" in written(found).detail


def test_the_same_command_with_another_result_is_a_fact_and_not_a_saving(labelled: Path) -> None:
    found = findings(tokenprof.load(labelled, labels=True).analyze())["repeated-calls"]
    assert isinstance(found.figures, RepeatedCalls)
    (call,) = found.figures.calls
    assert (call.tool, call.label, call.calls, call.unchanged) == ("Bash", "npm test", 2, 0)
    assert (found.severity, found.saves_usd) == ("info", None)


def test_without_labels_the_findings_are_the_same_except_for_names(labelled: Path) -> None:
    named, plain = (findings(tokenprof.load(labelled, labels=labels).analyze()) for labels in (True, False))
    assert plain["repeated-results"].saves_usd == named["repeated-results"].saves_usd
    assert plain["repeated-results"].blocks == named["repeated-results"].blocks
    assert all(call.label is None for call in plain["repeated-results"].figures.calls)


def test_short_stock_phrases_do_not_count_as_repeated_work(tmp_path: Path) -> None:
    calls = [("Bash", {"command": f"touch {name}.txt"}, "The file was made. " * 12) for name in "abc"]
    found = findings(tokenprof.load(record(tmp_path / "run.jsonl", calls)).analyze())
    assert not found.keys() & {"repeated-results", "repeated-calls"}


def test_labels_are_refused_where_there_are_none(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A store keeps no labels, so asking for them would change nothing."""
    assert main(["report", str(labelled), "--store", str(tmp_path / "store"), "--labels"]) == 2
    assert "--labels has no effect on a report from a store; leave it out." in capsys.readouterr().err

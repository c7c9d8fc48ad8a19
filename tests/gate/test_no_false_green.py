"""Situations in which a gate could stay green by mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import anthropic
import pytest

import tokenprof
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.commands.main import main
from tokenprof.facts.errors import InputError
from tokenprof.gate.baseline import read_baseline
from tokenprof.gate.runs import samples_of_file
from tokenprof.gate.settings import fraction, is_strict
from tokenprof.record.background.end_waits import EndWaits
from tokenprof.testing import LoopbackProvider, Reply
from tokenprof.testing.billing import toktok_count

if TYPE_CHECKING:
    from conftest import Project


def record(path: Path, *, words: int = 300, model: str = "claude-opus-4-8", result: int = 0) -> Path:
    """Record a run of two calls; recording to the same path again adds a run to it."""
    with (
        LoopbackProvider([Reply.calls(("look", {})), Reply.text("Done.")]) as provider,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="x", base_url=provider.url) as client,
    ):
        question = {"role": "user", "content": "hi"}
        arguments = {"model": model, "max_tokens": 9, "system": "A careful clerk. " * words}
        asked = client.messages.create(messages=[question], **arguments)  # type: ignore[call-overload]
        call = asked.content[0]
        answer = {"role": "assistant", "content": [call.model_dump(mode="json", exclude_none=True)]}
        found = {"type": "tool_result", "tool_use_id": call.id, "content": "A row. " * result or "Nothing."}
        messages = [question, answer, {"role": "user", "content": [found]}]
        client.messages.create(messages=messages, **arguments)  # type: ignore[call-overload]
    return path


@pytest.fixture
def lean(tmp_path: Path) -> Path:
    return record(tmp_path / "inbox.jsonl")


@pytest.fixture
def baseline(lean: Path, tmp_path: Path) -> Path:
    path = tmp_path / "baseline.json"
    assert main(["check", str(lean), "--baseline", str(path), "--update"]) == 0
    return path


@pytest.mark.parametrize(
    ("given", "expected"), [("5%", 0.05), ("0.05", 0.05), (0.05, 0.05), ("150%", 1.5), ("0", 0.0)]
)
def test_a_tolerance_is_a_share(given: str | float, expected: float) -> None:
    assert fraction(given) == pytest.approx(expected)


@pytest.mark.parametrize("given", ["5", 5, "1", "20"])
def test_a_tolerance_of_5_is_refused_since_it_could_mean_five_times(given: str | int) -> None:
    with pytest.raises(InputError, match=f"write {given}%"):
        fraction(given)


def test_a_scenario_without_a_baseline_fails(
    lean: Path, baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["check", str(lean), "--baseline", str(baseline), "--scenario", "inbax"]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out.startswith("FAIL inbax: there is no baseline for it, so nothing was compared")
    assert "Did you mean inbox?" in err
    assert main([*arguments, "--allow-missing"]) == 0


def test_a_baseline_that_does_not_exist_is_an_error_unless_allowed(lean: Path, tmp_path: Path) -> None:
    arguments = ["check", str(lean), "--baseline", str(tmp_path / "none.json")]
    assert main(arguments) == 2
    assert main([*arguments, "--allow-missing"]) == 0


def test_two_runs_in_one_recording_are_two_samples(lean: Path, baseline: Path, tmp_path: Path) -> None:
    """Appended to one file, they are not one run of twice the cost."""
    twice = record(record(tmp_path / "twice.jsonl"))
    path = tmp_path / "twice.json"
    assert main(["check", str(twice), "--baseline", str(path), "--update"]) == 0
    samples = read_baseline(path)["twice"].samples
    assert [sample.measures["turns"] for sample in samples] == [2, 2]
    assert main(["check", str(twice), "--baseline", str(baseline), "--scenario", "inbox"]) == 0


def test_what_has_no_price_is_shown_and_fails_when_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = record(tmp_path / "odd.jsonl", model="claude-opus-99")
    arguments = ["check", str(unknown), "--budget", "turns=9"]
    assert main(arguments) == 0
    assert "turns without a price: 2" in capsys.readouterr().out
    assert main([*arguments, "--strict"]) == 1
    monkeypatch.setenv("CI", "true")
    assert main(arguments) == 1
    assert main([*arguments, "--no-strict"]) == 0


@pytest.mark.parametrize(
    ("given", "ci", "expected"),
    [(None, "true", True), (None, "1", True), (None, "", False), (None, "false", False), (False, "1", False)],
)
def test_a_build_is_strict(given: bool | None, ci: str, expected: bool) -> None:
    assert is_strict(given, {"CI": ci}) is expected


def test_the_headline_is_the_most_expensive_cause_not_the_surest(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The system prompt has certainly grown, a little; the result costs more."""
    heavy = record(tmp_path / "heavy.jsonl", words=330, result=3000)
    arguments = ["check", str(heavy), "--baseline", str(baseline), "--scenario", "inbox"]
    assert main([*arguments, "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)["scenarios"][0]
    assert found["headline"].startswith("inbox: +$0.045 a run: result of look grew 2 → 9.0k tokens")
    assert [cause["block"] for cause in found["causes"]][:2] == ["tool_result look", "system system[0]"]
    assert found["regressions"][0]["subject"] == "system system[0]"


def test_a_more_expensive_model_fails_although_the_tokens_are_the_same(
    lean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Opus costs five thirds of Sonnet for the same tokens, which no count of tokens shows."""
    sonnet = record(tmp_path / "sonnet.jsonl", model="claude-sonnet-4-6")
    path = tmp_path / "sonnet.json"
    assert main(["check", str(sonnet), "--baseline", str(path), "--scenario", "inbox", "--update"]) == 0
    capsys.readouterr()
    assert main(["check", str(lean), "--baseline", str(path)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("FAIL inbox: +$0.00486 a run: claude-opus-4-8 instead of claude-sonnet-4-6\n")
    grew = "grew: model claude-opus-4-8 instead of claude-sonnet-4-6 $0.0073 → $0.0121 a run (+66.7%)"
    assert grew in out


def test_a_cheaper_model_passes_and_is_named(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sonnet = record(tmp_path / "sonnet.jsonl", model="claude-sonnet-4-6")
    assert main(["check", str(sonnet), "--baseline", str(baseline), "--scenario", "inbox"]) == 0
    assert "Another model: claude-sonnet-4-6 instead of claude-opus-4-8." in capsys.readouterr().out


def test_a_run_that_grew_for_another_reason_is_not_the_model_s_doing(
    lean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sonnet costs less than Opus, but reads far more: what grew is named, and the model is not."""
    baseline = tmp_path / "opus.json"
    assert main(["check", str(lean), "--baseline", str(baseline), "--update"]) == 0
    fat = record(tmp_path / "inbox2.jsonl", model="claude-sonnet-4-6", result=3000)
    capsys.readouterr()
    assert main(["check", str(fat), "--baseline", str(baseline), "--scenario", "inbox"]) == 1
    out = capsys.readouterr().out
    assert "a run: result of look grew 2 → 9.0k tokens" in out.splitlines()[0]
    assert "grew: model" not in out
    assert "note: Another model: claude-sonnet-4-6 instead of claude-opus-4-8." in out


def test_dollars_are_compared_with_another_model_too(
    lean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The baseline has no price of the new model, so the run's own is taken."""
    sonnet = record(tmp_path / "sonnet.jsonl", model="claude-sonnet-4-6")
    path = tmp_path / "sonnet.json"
    assert main(["check", str(sonnet), "--baseline", str(path), "--scenario", "inbox", "--update"]) == 0
    assert main(["check", str(lean), "--baseline", str(path), "--measures", "usd"]) == 1
    assert "grew: usd $0.0073 → $0.0121 (+66.7%)" in capsys.readouterr().out


def test_what_cannot_be_compared_is_shown_and_fails_when_strict(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = record(tmp_path / "inbox2.jsonl", model="claude-opus-99")
    arguments = [
        "check",
        str(unknown),
        "--baseline",
        str(baseline),
        "--scenario",
        "inbox",
        "--measures",
        "usd",
    ]
    assert main(arguments) == 0
    assert "not compared, since one side does not know it: usd; --strict fails on this." in (
        capsys.readouterr().out
    )
    assert main([*arguments, "--strict"]) == 1


def test_a_scenario_that_no_run_was_given_for_is_named_and_fails_when_strict(
    lean: Path, baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An agent that did not run, or whose recording has another name, leaves nothing to compare."""
    other = record(tmp_path / "outbox.jsonl")
    assert main(["check", str(other), "--baseline", str(baseline), "--update"]) == 0
    capsys.readouterr()
    arguments = ["check", str(lean), "--baseline", str(baseline)]
    assert main(arguments) == 0
    assert "has 1 that no run was given for: outbox. (--strict fails)" in capsys.readouterr().err
    assert main([*arguments, "--strict"]) == 1
    assert main([*arguments, "--strict", "--allow-missing"]) == 0
    assert main([*arguments, "--strict", "--scenario", "inbox"]) == 0


def test_a_recording_is_compared_by_its_counts_however_late_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block is left before its texts are counted; by bytes the system prompt would have 1,275 tokens."""
    monkeypatch.setattr("tokenprof.record.recorder.end_waits", lambda: EndWaits(counts_s=0.0))
    path = record(tmp_path / "late.jsonl")
    (sample,) = samples_of_file(path, Assumptions())
    assert sample.blocks["system system[0]"].local_tokens == toktok_count()("A careful clerk. " * 300) == 1201


BUDGET = """
@pytest.mark.token_budget(turns=1)
def test_inbox():
    agent(turns=3)
"""

BASELINE = """
@pytest.mark.token_baseline
def test_inbox():
    agent(turns=3)
"""


def test_pytest_s_summary_line_carries_the_message(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = project.run(BUDGET).outlines
    assert "FAILED test_agent.py::test_inbox - Failed: turns is 3, budget at most 1" in lines


def test_in_a_build_a_test_without_a_baseline_fails(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run(BASELINE).assert_outcomes(passed=1)
    monkeypatch.setenv("CI", "true")
    project.run(BASELINE).assert_outcomes(failed=1)
    project.run(BASELINE, "--tokenprof-allow-missing").assert_outcomes(passed=1)
    project.run(BASELINE, "--tokenprof-update").assert_outcomes(passed=1)
    project.run(BASELINE).assert_outcomes(passed=1)


def test_the_comment_on_a_pull_request_is_as_kept(baseline: Path, tmp_path: Path) -> None:
    """It is shown in examples/ci; after a change that is meant, copy the comment that this test wrote."""
    heavy = record(tmp_path / "heavy.jsonl", words=330, result=3000)
    comment = tmp_path / "comment.md"
    arguments = ["check", str(heavy), "--baseline", str(baseline), "--scenario", "inbox", "-o", str(comment)]
    assert main(arguments) == 1
    kept = Path(__file__).parents[2] / "examples" / "ci" / "pull_request_comment.md"
    assert comment.read_text("utf-8") == kept.read_text("utf-8")

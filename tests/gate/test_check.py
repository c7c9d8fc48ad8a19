"""`tokenprof check`: recorded runs against budgets and a baseline, in every format, with its exit codes."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import anthropic
import pytest
from anthropic.types import MessageParam
from made_samples import sample

import tokenprof
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.commands.main import main
from tokenprof.gate.budget import LEAST, breaches, number
from tokenprof.gate.formats import FORMATS, STICKY_TAG
from tokenprof.gate.outcome import judge
from tokenprof.gate.runs import sample_of_file
from tokenprof.gate.sample import MEASURES, RunSample
from tokenprof.testing import LoopbackProvider, Reply


def record(path: Path, words: int = 300, turns: int = 2) -> Path:
    with (
        LoopbackProvider([Reply.text("Hello there.")] * turns) as provider,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="x", base_url=provider.url) as client,
    ):
        for number in range(turns):
            client.messages.create(
                model="claude-opus-4-8",
                max_tokens=9,
                system="A careful clerk. " * words,
                messages=[{"role": "user", "content": f"hi {number}"}],
            )
    return path


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path, Path]:
    lean, heavy = record(tmp_path / "lean.jsonl"), record(tmp_path / "heavy.jsonl", 360)
    baseline = tmp_path / "baseline.json"
    arguments = ["check", str(lean), "--scenario", "inbox", "--baseline", str(baseline), "--update"]
    assert main(arguments) == 0
    return lean, heavy, baseline


def test_exit_codes_of_a_run_that_costs_the_same_and_one_that_costs_more(
    runs: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    lean, heavy, baseline = runs
    common = ["--scenario", "inbox", "--baseline", str(baseline)]
    assert main(["check", str(lean), *common]) == 0
    assert main(["check", str(heavy), *common]) == 1
    out = capsys.readouterr().out
    assert "grew: system system[0]" in out
    assert "(+20.0%)" in out
    assert "cause: +$0.0024 a run: system[0] grew 1.2k → 1.4k tokens\n" in out
    assert main(["check", str(heavy), *common, "--tolerance", "30%"]) == 0
    assert main(["check", str(lean), "--budget", "usd=0.00001"]) == 1
    assert main(["check", str(lean), "--budget", "usd=1", "--budget", "turns=2"]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["{lean}", "--budget", "dollars=1"],
        ["{lean}", "--budget", "usd"],
        ["{lean}", "--tolerance", "much"],
        ["{lean}", "--update"],
        ["{lean}", "--measures", "beauty", "--baseline", "{baseline}"],
        ["{lean}", "--baseline", "{baseline}", "-o", "{baseline}"],
        ["missing.jsonl"],
        ["{lean}", "--baseline", "{lean}"],
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    runs: tuple[Path, Path, Path], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lean, _, baseline = runs
    given = [a.format(lean=lean, baseline=baseline) for a in arguments]
    assert main(["check", *given]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith("tokenprof: ")


def outcome_of(runs: tuple[Path, Path, Path], form: str) -> str:
    _, heavy, baseline = runs
    output = baseline.with_name(f"out.{form}")
    common = ["--scenario", "inbox", "--baseline", str(baseline), "--format", form, "-o", str(output)]
    assert main(["check", str(heavy), *common]) == 1
    return output.read_text("utf-8")


def test_the_comment_on_a_pull_request(runs: tuple[Path, Path, Path]) -> None:
    lines = outcome_of(runs, "markdown").splitlines()
    assert lines[0] == STICKY_TAG
    assert lines[1].startswith("**Cost gate: 1 of 1 failed.** inbox: +$0.0024 a run: system[0] grew")
    assert "| scenario | measure | baseline | now | change |" in lines
    assert any(line.startswith("| `inbox` | usd | $0.0") and "+19." in line for line in lines)
    assert any(line.startswith("- +$0.0024 a run: ") for line in lines)
    assert "<details><summary>Every scenario</summary>" in lines


def test_json_junit_and_sarif_hold_the_same_failure(runs: tuple[Path, Path, Path]) -> None:
    scenario = json.loads(outcome_of(runs, "json"))["scenarios"][0]
    assert (scenario["status"], scenario["failed"]) == ("regression", True)
    assert scenario["causes"][0]["block"] == "system system[0]"
    suite = ElementTree.fromstring(outcome_of(runs, "junit"))
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == scenario["headline"]
    log = json.loads(outcome_of(runs, "sarif"))
    assert log["version"] == "2.1.0"
    assert scenario["headline"] in log["runs"][0]["results"][0]["message"]["text"]


def test_every_format_can_say_that_all_is_well(runs: tuple[Path, Path, Path]) -> None:
    outcome = judge("inbox", [sample()], budget={"turns": Decimal(10)})
    for name, to in FORMATS.items():
        told = to([outcome], "")
        assert "inbox" in told or json.loads(told)["runs"][0]["results"] == [], name


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_holds_at_its_budget_and_not_one_step_beyond(measure: str) -> None:
    limit, step = Decimal("0.5"), Decimal("0.000001")
    beyond = limit - step if measure in LEAST else limit + step
    assert breaches(RunSample({measure: limit}), {measure: limit}) == []
    [breach] = breaches(RunSample({measure: beyond}), {measure: limit})
    assert (breach.measure, breach.actual) == (measure, beyond)


def test_dollars_are_written_so_that_none_reads_as_nothing() -> None:
    values = ("0", "0.0000001", "0.00012345", "0.0125", "3.5", "1234.5")
    written = [number("usd", Decimal(value)) for value in values]
    assert written == ["$0.0000", "$0.0000001", "$0.00012", "$0.0125", "$3.50", "$1,234.50"]


def test_carry_is_what_blocks_cost_after_the_turn_they_came_in(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with (
        LoopbackProvider([Reply.text("Hello there.")] * 2) as provider,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="x", base_url=provider.url) as client,
    ):
        first: MessageParam = {"role": "user", "content": "hi " * 100}
        answer: MessageParam = {"role": "assistant", "content": [{"type": "text", "text": "Hello there."}]}
        again: MessageParam = {"role": "user", "content": "go on"}
        for messages in ([first], [first, answer, again]):
            client.messages.create(model="claude-opus-4-8", max_tokens=9, messages=messages)
    taken = sample_of_file(path, Assumptions())
    # The first message (101 tokens at $5 a million) came in turn 0 and was carried in turn 1; "go on" is 2.
    billed = {
        k.passage: each
        for k, cell in taken.profile.cells.items()
        if k.kind == "user"
        for each in cell.values()
    }
    assert {passage: each.tokens for passage, each in billed.items()} == {"entered": 103, "carried": 101}
    assert taken.measures["carry_usd"] == Decimal("0.000505")


def test_a_measure_that_is_not_known_breaks_its_budget() -> None:
    outcome = judge("x", [sample()], budget={"hardware_usd": Decimal(1)})
    assert outcome.failed
    assert "is not known" in outcome.headline

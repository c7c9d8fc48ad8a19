"""`tokenprof check`: recorded runs against budgets and a baseline, in every format, with its exit codes."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import anthropic
import pytest
from anthropic.types import MessageParam

import tokenprof
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.commands.main import main
from tokenprof.facts.errors import InputError
from tokenprof.gate.baseline import read_baseline, scenario_of, write_baseline
from tokenprof.gate.bootstrap import difference, outlier, student_cdf
from tokenprof.gate.budget import LEAST, breaches, number
from tokenprof.gate.compare import Settings, compare
from tokenprof.gate.formats import FORMATS, STICKY_TAG
from tokenprof.gate.outcome import judge
from tokenprof.gate.runs import sample_of_file
from tokenprof.gate.sample import MEASURES, BlockGroup, RunSample
from tokenprof.testing import LoopbackProvider, Reply

RATES = {"m": {"uncached_input": Decimal("0.000005"), "output": Decimal("0.000025")}}


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
    assert "cause: system system[0] grew from" in out
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
    assert lines[1].startswith("**Cost gate: 1 of 1 failed.** inbox: system system[0]")
    assert "| scenario | measure | baseline | now | change |" in lines
    assert any(line.startswith("| `inbox` | usd | $0.0") and "+19." in line for line in lines)
    assert any(line.startswith("- system system[0] grew from") for line in lines)
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


def sample(turns: float = 10, result: float = 400, system: int = 2000, rates: object = RATES) -> RunSample:
    tokens = round(turns * (system + result))
    return RunSample(
        {
            "turns": Decimal(round(turns)),
            "input_tokens": Decimal(tokens),
            "output_tokens": Decimal(round(turns) * 100),
        },
        {"m": {"uncached_input": tokens, "output": round(turns) * 100}},
        rates,  # type: ignore[arg-type]
        {
            "system main": BlockGroup("system", "main", 1, system, round(turns * system), Decimal(1)),
            "tool_result read": BlockGroup(
                "tool_result", "read", round(turns), round(turns * result), round(turns * result), Decimal(1)
            ),
        },
    )


def noisy(rng: random.Random, **change: float) -> RunSample:
    result = change.get("result", 400.0) * rng.lognormvariate(0, 0.1)
    return sample(rng.gauss(12, 2), result, int(change.get("system", 2000)))


def test_a_price_that_rose_is_told_apart_and_fails_only_when_asked() -> None:
    dearer = {"m": {cls: rate * 2 for cls, rate in RATES["m"].items()}}
    before, now = scenario_of([sample()]), [sample(rates=dearer)]
    settings = Settings(measures=("turns", "input_tokens", "usd"))
    verdict = compare(before, now, settings)
    assert verdict.status == "ok"
    assert any("List prices moved" in note and "+100.0%" in note for note in verdict.notes)
    assert compare(before, now, replace(settings, fail_on_price_rise=True)).status == "regression"


def test_noise_is_not_a_regression_but_a_text_that_grew_is() -> None:
    rng = random.Random(4)
    before = scenario_of([noisy(rng) for _ in range(10)])
    assert compare(before, [noisy(rng) for _ in range(10)]).status != "regression"
    verdict = compare(before, [noisy(rng, system=2200) for _ in range(10)])
    assert verdict.status == "regression"
    assert verdict.causes[0].subject == "system main"
    verdict = compare(before, [noisy(rng, result=600) for _ in range(10)])
    assert verdict.regressions[0].subject == verdict.causes[0].subject == "tool_result read"


def test_a_text_that_grew_under_replayed_bills_is_costed_by_its_size() -> None:
    longer = BlockGroup("system", "main", 1, 2200, 20_000, Decimal(1))
    replayed = replace(sample(), blocks={**sample().blocks, "system main": longer})
    verdict = compare(scenario_of([sample()]), [replayed])
    assert [change.subject for change in verdict.regressions] == ["system main"]
    [cause] = verdict.causes
    assert (cause.billed_tokens, cause.billed_usd) == (pytest.approx(2000), pytest.approx(0.1))
    assert "judged by its size" in cause.text
    billed = compare(scenario_of([sample()]), [sample(system=2200)])
    assert billed.causes[0].billed_tokens == 2000
    assert "judged by its size" not in billed.causes[0].text


def test_one_run_is_compared_with_the_spread_of_many() -> None:
    rng = random.Random(5)
    before = scenario_of([noisy(rng) for _ in range(10)])
    assert compare(before, [noisy(rng)]).status != "regression"
    assert compare(before, [sample(turns=40)]).status == "regression"


def test_too_few_runs_to_tell_are_said_to_be_too_few() -> None:
    rng = random.Random(6)
    runs = [sample(rng.gauss(12, 4)) for _ in range(6)]
    verdict = compare(scenario_of(runs[:3]), runs[3:])
    assert verdict.status == "insufficient data"
    assert verdict.power is not None
    assert verdict.power < 0.8


def test_what_went_or_shrank_is_a_note_and_what_is_new_is_not() -> None:
    lean = replace(sample(), blocks={})
    gone = compare(scenario_of([sample()]), [lean])
    assert any("system main (2,000 tokens) is gone" in note for note in gone.notes)
    new = compare(scenario_of([lean]), [sample()])
    assert new.regressions[0].text == "system main 0 → 2,000 tokens (new)"


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
    assert taken.blocks["user"].billed_tokens == 2 * 101 + 2
    assert taken.measures["carry_usd"] == Decimal("0.000505")


def test_a_measure_that_is_not_known_breaks_its_budget() -> None:
    outcome = judge("x", [sample()], budget={"hardware_usd": Decimal(1)})
    assert outcome.failed
    assert "is not known" in outcome.headline


def test_a_baseline_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    write_baseline(path, {"b": scenario_of([sample()]), "a ü": scenario_of([sample(), sample(turns=11)])})
    text = path.read_text("utf-8")
    known = read_baseline(path)
    assert list(known) == ["a ü", "b"]
    assert known["b"].samples[0].blocks == sample().blocks
    assert known["b"].rates == RATES
    write_baseline(path, known)
    assert path.read_text("utf-8") == text
    assert read_baseline(tmp_path / "none.json") == {}
    path.write_text('{"schema": "tokenprof.baseline/1"}')
    with pytest.raises(InputError, match="is not a baseline"):
        read_baseline(path)


def test_student_s_t_is_that_of_the_tables() -> None:
    for t, degrees, chance in ((0.0, 5, 0.5), (1.0, 1, 0.75), (2.015, 5, 0.95), (-2.764, 10, 0.01)):
        assert student_cdf(t, degrees) == pytest.approx(chance, abs=1e-4)


def test_equal_runs_do_not_differ_and_a_difference_of_constants_is_certain() -> None:
    rng = random.Random(1)
    side = [(rng.lognormvariate(5, 0.2), 1.0) for _ in range(10)]
    same = difference(side, side)
    assert same is not None
    assert same.change == pytest.approx(0)
    assert same.p == pytest.approx(0.5, abs=0.01)
    grown = difference([(100.0, 1.0)] * 3, [(110.0, 1.0)] * 3)
    assert grown is not None
    assert (grown.p, round(grown.change, 3)) == (0.0, 0.1)
    assert difference(side[:2], side) is None
    assert outlier(side[:2], side) is None

"""Reports of long runs leave out the pairs of turn and block, and say so."""

import json

import pytest
from long_runs import long_run

from tokenprof.analysis.analysis import Analysis
from tokenprof.commands.main import main
from tokenprof.report.check import check
from tokenprof.report.document import MOST_TURNS_WITH_ENTRIES, report_of
from tokenprof.report.report_json import json_report
from tokenprof.report.report_reader import load_report


@pytest.fixture(scope="module")
def analysis():
    return Analysis(long_run(MOST_TURNS_WITH_ENTRIES + 1))


def test_a_run_of_the_longest_listed_length_keeps_its_entries():
    report = report_of(Analysis(long_run(MOST_TURNS_WITH_ENTRIES)))
    assert report.entries_omitted is None


def test_a_longer_run_leaves_them_out_and_says_how_many_there_are(analysis):
    made = json_report(analysis)
    assert all(turn["entries"] is None for turn in made["turns"])
    # Turn n sends n blocks, each in one class, and writes one: n entries, and one for the output.
    turns = MOST_TURNS_WITH_ENTRIES + 1
    assert made["entries_omitted"]["entries"] == turns * (turns + 1) // 2 + turns
    reason = made["entries_omitted"]["reason"]
    assert reason.startswith("The run has 501 turns; above 500, the tokens of each block in each turn")
    check(made)


def test_only_the_entries_are_missing(analysis):
    short, whole = json_report(analysis), json_report(analysis, with_entries=True)
    assert "entries_omitted" not in whole
    check(whole)
    assert sum(len(turn["entries"]) for turn in whole["turns"]) == short.pop("entries_omitted")["entries"]
    for turn in (*short["turns"], *whole["turns"]):
        del turn["entries"]
    assert short == whole


@pytest.mark.parametrize("with_entries", [False, True])
def test_both_are_loaded_with_the_same_figures(analysis, tmp_path, with_entries):
    report = load_report(analysis.save(tmp_path / "report.json", with_entries=with_entries))
    assert report.rows.totals.billed_usd == analysis.totals.billed_usd
    assert report.rows.totals.usage == analysis.totals.usage
    assert [row.turns_carried for row in report.rows.blocks] == [row.turns_carried for row in analysis.blocks]
    assert (report.entries_omitted is None) is with_entries
    assert bool(report.rows.turns[0].entries) is with_entries


def test_the_option_belongs_to_json(tmp_path, capsys):
    run = tmp_path / "run.jsonl"
    run.write_text(json.dumps({}))
    assert main(["report", str(run), "--entries"]) == 2
    assert "--entries adds to JSON; add --format json, or leave it out." in capsys.readouterr().err

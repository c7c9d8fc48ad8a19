"""`tokenprof whatif`: suggestions, predictions, JSON and mistakes."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from loopback_loops import LoopSettings, record

from tokenprof.analysis.analysis import Analysis
from tokenprof.commands.main import main
from tokenprof.report.comparisons.what_if_text import as_text, render_prediction, render_suggestions
from tokenprof.report.next_steps.what_if_wording import change_of, suggestion_sentence


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run") / "run.jsonl"


@pytest.fixture(scope="module")
def recorded(path: Path) -> Analysis:
    return record(path, LoopSettings())


def test_suggestions_are_ranked_by_what_they_save(recorded: Analysis) -> None:
    found = recorded.suggestions
    levers = [each.lever for each in found]
    # The loop pauses for longer than 5 minutes three times, so an hour of cache saves most.
    assert levers[0] == "ttl=1h"
    assert levers[-1] == "tier=batch"
    assert {"tools=deferred", "rereads=once"} <= set(levers)
    assert [each.saves_usd for each in found[:-1]] == sorted(
        (each.saves_usd for each in found[:-1]), reverse=True
    )
    for each in found:
        assert each.low_usd <= each.saves_usd <= each.high_usd
        assert each.share == each.saves_usd / each.prediction.before_usd
        assert recorded.what_if(each.lever).saves_usd == each.saves_usd


def test_a_suggestion_says_what_to_do_and_what_it_saves(recorded: Analysis) -> None:
    first = recorded.suggestions[0]
    assert suggestion_sentence(first).startswith("Cache for an hour instead of 5 minutes: saves $0.0")
    assert suggestion_sentence(first).endswith("of the bill (real: compute falls too)")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_text_fits_the_terminal(recorded: Analysis, width: int) -> None:
    billed = recorded.totals.billed_usd or Decimal(0)
    suggested = as_text(lambda console: render_suggestions(recorded.suggestions, billed, console), width)
    predicted = as_text(
        lambda console: render_prediction(recorded.what_if("ttl=1h", "cap=*:300"), console), width
    )
    for text in (suggested, predicted):
        assert max(map(len, text.splitlines())) <= width
    assert "  1. Cache for an hour instead of 5 minutes" in suggested
    assert "tokenprof whatif … --if ttl=1h" in suggested


def test_the_command_prints_a_prediction(
    path: Path, recorded: Analysis, capsys: pytest.CaptureFixture[str]
) -> None:
    # The file holds the times of the machine, a few milliseconds apart, so nothing expires in it.
    assert main(["whatif", str(path), "--if", "tier=batch"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Send the calls as a batch, if answers can wait up to a day: $0.")
    assert "The saving is of the list price only: the work costs as much to compute as" in out


def test_the_json_holds_both_bills(
    path: Path, recorded: Analysis, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["whatif", str(path), "--if", "tier=batch", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "tokenprof.whatif/1"
    assert Decimal(found["after_usd"]) * 2 == Decimal(found["before_usd"])
    assert found["after_low_usd"] == found["after_high_usd"] == found["after_usd"]
    assert found["hardware_after_usd"] == found["hardware_before_usd"]
    assert found["saving"] == "list-price only"
    assert main(["whatif", str(path), "--suggest", "--format", "json"]) == 0
    suggested = json.loads(capsys.readouterr().out)["suggestions"]
    assert suggested[-1]["lever"] == "tier=batch"
    assert Decimal(suggested[-1]["saves_usd"]) == Decimal(found["before_usd"]) - Decimal(found["after_usd"])


def test_merged_calls_keep_their_output(recorded: Analysis) -> None:
    """Turns 3 and 4 read a file each, one after the other, so 9 calls become 8."""
    found = recorded.what_if("parallel=same-tool")
    assert found.calls == (9, 8)
    assert found.high_usd == found.before_usd
    assert found.after_usd is not None
    assert found.after_usd < found.before_usd


def test_compaction_adds_a_call_and_shortens_the_rest(recorded: Analysis) -> None:
    longest = max(turn.context_tokens or 0 for turn in recorded.turns)
    found = recorded.what_if(f"compaction={longest - 200}")
    assert found.calls == (9, 10)
    assert recorded.what_if(f"compaction={longest}").after_usd == found.before_usd


def test_own_hardware_has_no_list_price(recorded: Analysis) -> None:
    cheap, dear = (
        recorded.what_if(f"hardware=deepseek-v3@8xh200:{hour}").compute_after_usd for hour in (1, 4)
    )
    assert cheap is not None
    assert dear is not None
    assert dear.mid == pytest.approx(4 * cheap.mid, rel=0.2)
    assert recorded.what_if("hardware=deepseek-v3@8xh200").after_usd is None


def test_calls_without_known_rules_keep_their_classes(recorded: Analysis) -> None:
    """A transcript that hides its system prompt: nothing is replayed, and a pause still expires a cache."""
    turns = tuple(replace(turn, hidden_prefix=True) for turn in recorded.run.turns)
    hidden = Analysis(replace(recorded.run, turns=turns))
    found = hidden.what_if("ttl=1h")
    assert found.explained == 0
    assert found.after_usd == pytest.approx(recorded.what_if("ttl=1h").after_usd)
    assert hidden.what_if("ttl=5m").after_usd == hidden.totals.billed_usd


ONE_OF_THREE = "Give --if LEVER=VALUE, --suggest or --break-even MODEL, one of the three."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--if", "tll=1h"], "There is no lever 'tll'. Did you mean ttl?"),
        (["--if", "ttl"], "'ttl' has no value; write ttl=VALUE."),
        (["--if", "ttl=2h"], "ttl=2h: give ttl= one of 5m, 1h."),
        (["--if", "cap=2000"], "cap=2000: write TOOL:N, such as cap=read_file:2000."),
        (["--if", "cap=read_flie:9"], "the run has no result of 'read_flie'. Did you mean read_file?"),
        (["--if", "cap=read_file:none"], "'none' is not a number of tokens above 0."),
        (["--if", "hardware=deepseek-v3@8xh900"], "`tokenprof hw show` lists the models and chips."),
        (["--if", "hardware=deepseek-v3@8xh200:free"], "'free' is not dollars per GPU-hour"),
        (["--if", "ttl=1h", "--suggest"], ONE_OF_THREE),
        ([], ONE_OF_THREE),
    ],
)
def test_mistakes_name_the_way_out(
    arguments: list[str], sentence: str, path: Path, recorded: Analysis, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["whatif", str(path), *arguments]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("width", ["60", "80", "200"])
def test_every_lever_is_listed(
    width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    assert main(["whatif", "--levers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= int(width)
    names = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert names[1:] == [
        *("model", "ttl", "prefix", "breakpoints", "tools", "cap"),
        *("rereads", "compaction", "parallel", "tier", "plan", "at-cost", "hardware"),
    ]


@pytest.mark.parametrize(
    ("lever", "words"),
    [
        ("cap=read_file:2000", "cut results of read_file to 2,000 tokens"),
        ("cap=*:500", "cut results of every tool to 500 tokens"),
        ("compaction=100000", "compact a context when it grows beyond 100,000 tokens"),
        ("model=claude-sonnet-5", "use claude-sonnet-5"),
        ("plan=claude-max:40", "pay with claude-max, at 40 such runs a month"),
        ("plan=own:1,500x20", "pay with own, at 1,500 such runs a month, on 20 seats"),
    ],
)
def test_levers_in_words(lever: str, words: str) -> None:
    assert change_of(lever) == words

"""`import tokenprof`: what a person in a notebook types, and what comes back."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import tokenprof
from tokenprof.facts.errors import InputError

SESSION = Path(__file__).parents[1] / "data" / "logs" / "session_log" / "session_2.1.330.jsonl"


def in_a_fresh_interpreter(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_dir_and_tab_completion_show_the_public_names_and_no_others() -> None:
    shown = in_a_fresh_interpreter("import tokenprof; print(*dir(tokenprof))").split()
    assert shown == sorted([*tokenprof.__all__, "__version__"])


def test_every_public_name_is_there_and_says_what_it_is_for() -> None:
    for name in tokenprof.__all__:
        assert getattr(tokenprof, name).__doc__, name


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'analyse'"):
        tokenprof.analyse  # type: ignore[attr-defined]  # noqa: B018


def test_importing_loads_no_sdk_no_numpy_and_no_data() -> None:
    heavy = "{'anthropic', 'openai', 'numpy', 'opentelemetry', 'toktok', 'genai_prices', 'rich', 'orjson'}"
    program = f"import sys, tokenprof; print(sorted({heavy} & set(sys.modules)))"
    assert in_a_fresh_interpreter(program).strip() == "[]"


@pytest.mark.parametrize("source", [str(SESSION), SESSION, [SESSION], [str(SESSION)]])
def test_a_run_is_loaded_from_a_string_a_path_or_several(source: object) -> None:
    run = tokenprof.load(source)  # type: ignore[arg-type]
    assert len(run) == len(run.turns) > 0
    assert [item.file for item in run.sources] == [str(SESSION)]


def test_a_folder_is_loaded_and_a_file_named_twice_is_counted_once(tmp_path: Path) -> None:
    (tmp_path / SESSION.name).write_bytes(SESSION.read_bytes())
    once = tokenprof.load(SESSION)
    assert len(tokenprof.load(tmp_path)) == len(once)
    assert len(tokenprof.load(SESSION, str(SESSION))) == len(once)


def test_a_missing_file_is_an_input_error_that_names_it() -> None:
    with pytest.raises(InputError, match=r"no-such-run\.jsonl"):
        tokenprof.load("no-such-run.jsonl")


def test_an_analysis_computes_each_part_once_and_only_when_asked() -> None:
    analysis = tokenprof.load(SESSION).analyze()
    assert vars(analysis).keys() == {"run", "assumptions", "_counts"}
    assert analysis.totals is analysis.totals
    assert analysis.ledger is analysis.ledger
    assert "chain" not in vars(analysis)


def test_totals_are_the_sum_of_turns_and_of_entries_to_the_last_decimal() -> None:
    analysis = tokenprof.load(SESSION).analyze()
    billed = analysis.totals.billed_usd
    assert isinstance(billed, Decimal)
    assert sum((turn.billed_usd for turn in analysis.turns if turn.billed_usd), Decimal(0)) == billed
    assert sum((entry.billed_usd for entry in analysis.entries if entry.billed_usd), Decimal(0)) == billed
    assert sum((block.billed_usd for block in analysis.blocks if block.billed_usd), Decimal(0)) == billed


def test_entries_are_computed_at_each_access_and_not_kept() -> None:
    analysis = tokenprof.load(SESSION).analyze()
    assert next(analysis.entries) == next(analysis.entries)
    assert next(analysis.entries) is not next(analysis.entries)
    assert not any(isinstance(turn.entries, tuple | list) for turn in analysis.turns)


def test_my_prices_and_my_hardware_are_used(tmp_path: Path) -> None:
    analysis = tokenprof.load(SESSION).analyze()
    model = analysis.turns[0].model
    prices = tmp_path / "mine.toml"
    prices.write_text(
        f"""
[[price]]
provider = "anthropic"
model = "{model}"
from = 2020-01-01
source = "my contract"
checked = 2026-11-01
[price.usd_per_mtok]
uncached_input = "1"
cache_read = "1"
cache_write_5m = "1"
cache_write_1h = "1"
output = "1"
"""
    )
    mine = tokenprof.load(SESSION).analyze(prices=prices)
    of_model = [turn for turn in mine.turns if turn.model == model and turn.usage is not None]
    for turn in of_model:
        assert turn.usage is not None
        tokens = turn.usage.input_tokens + turn.usage.all_output_tokens
        assert turn.billed_usd == Decimal(tokens) / 1_000_000
    cheap = tokenprof.load(SESSION).analyze(deployment="deepseek-v3@8xh200", usd_per_gpu_hour=1.0)
    costly = tokenprof.load(SESSION).analyze(deployment="deepseek-v3@8xh200", usd_per_gpu_hour=4.0)
    assert cheap.totals.hardware_usd is not None
    assert costly.totals.hardware_usd is not None
    assert costly.totals.hardware_usd.mid == pytest.approx(4 * cheap.totals.hardware_usd.mid)


def test_a_report_is_saved_by_suffix_and_read_again_with_the_same_rows(tmp_path: Path) -> None:
    analysis = tokenprof.load(SESSION).analyze()
    report = tokenprof.load_report(analysis.save(tmp_path / "report.json"))
    assert report.rows.totals.billed_usd == analysis.totals.billed_usd
    assert report.rows.totals.usage == analysis.totals.usage
    assert [turn.id for turn in report.rows.turns] == [turn.id for turn in analysis.turns]
    assert [block.turns_carried for block in report.rows.blocks] == [b.turns_carried for b in analysis.blocks]
    assert analysis.save(str(tmp_path / "report.txt")).read_text().startswith(str(len(analysis.turns)))
    assert analysis.save(tmp_path / "report.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("name", "said"),
    [("report.docx", r"no format has the suffix '\.docx'"), ("missing/report.json", "cannot be written")],
)
def test_a_report_that_cannot_be_saved_says_why(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        tokenprof.load(SESSION).analyze().save(tmp_path / name)


def test_print_shows_the_report_and_repr_is_one_line() -> None:
    analysis = tokenprof.load(SESSION).analyze()
    assert "billed" in str(analysis).splitlines()[0]
    assert "\n" not in repr(analysis)
    assert analysis._repr_html_().startswith("<iframe")


@pytest.mark.parametrize(
    ("written", "said"),
    [(b"{", "not JSON"), (b"[]", "not a report"), (b'{"schema": "tokenprof.report/1"}', "damaged")],
)
def test_what_is_not_a_report_is_refused_in_a_sentence(tmp_path: Path, written: bytes, said: str) -> None:
    (tmp_path / "report.json").write_bytes(written)
    with pytest.raises(InputError, match=said):
        tokenprof.load_report(tmp_path / "report.json")


@pytest.mark.parametrize("list_of", ["classes", "entries"])
def test_a_report_with_a_price_class_that_does_not_exist_is_damaged(tmp_path: Path, list_of: str) -> None:
    path = tokenprof.load(SESSION).analyze().save(tmp_path / "report.json")
    report = json.loads(path.read_text())
    rows = report["classes"] if list_of == "classes" else report["turns"][0]["entries"]
    rows[0]["class"] = "0.40"
    path.write_text(json.dumps(report))
    with pytest.raises(InputError, match=r"the report is damaged .*'0\.40' is not a price class"):
        tokenprof.load_report(path)

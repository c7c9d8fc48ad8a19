"""The terminal report: golden output, and what must hold at any width and in any terminal."""

import io
import re

import contracts
import goldens
import pytest
from contracts import block, report, turn
from rich.cells import cell_len
from rich.console import Console

from tokenprof.report.findings import find
from tokenprof.report.terminal.text import render, to_text


@pytest.mark.parametrize(("name", "width"), goldens.CASES)
def test_golden(name, width):
    assert goldens.rendered(name, width) == goldens.path(name, width).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", contracts.ALL)
@pytest.mark.parametrize("width", [80, 97, 100, 140, 200])
def test_no_line_is_wider_than_the_terminal(name, width):
    widest = max(goldens.rendered(name, width).splitlines(), key=cell_len)
    assert cell_len(widest) <= width, widest


def test_the_first_line_answers_the_question():
    first = to_text(contracts.email_agent(), 120).splitlines()[0]
    assert first == (
        "6 turns billed at least $0.3495; compute est. $0.013–0.062 ($0.027): billed 13× compute (5.7–28×)"
    )
    first = to_text(contracts.fixed_deployment(), 120).splitlines()[0]
    assert first == "2 turns billed $0.18; compute est. $0.0188: billed 9.6× compute"


def test_the_unknown_is_said_and_never_a_zero():
    text = to_text(contracts.unknowns(), 120)
    assert text.startswith("4 turns: 2 billed $0.0145, 1 unpriced, 1 unmeasured; compute est. ")
    assert "$0.00 " not in text
    assert "$0 " not in text
    assert re.search(r"^ +2 +14:03:16 .*— .*unmeasured", text, re.MULTILINE)
    assert re.search(r"^ +1 +14:03:11 .*unpriced", text, re.MULTILINE)


def test_sums_that_leave_something_out_are_lower_bounds():
    text = to_text(contracts.unknowns(), 120)
    assert "≥$0.0145" in text
    assert "≥~$0.0020" in text


def test_a_run_without_any_price_shows_no_dollar_billed():
    made = report(
        [block("s", "system", "s", 10)], [turn(0, fresh=["s"], model="llama-9-preview")], hardware=None
    )
    made["groups"] = [contracts.group(made, "tool", "bash", "s")]
    text = to_text(made)
    assert text.splitlines()[0] == "1 turn: 1 unpriced; compute not estimated"
    assert "$" not in text
    assert text.count("unpriced") == 6  # the headline, the class, the total, the turn, the block, the tool


def test_several_models_have_a_deployment_each():
    made = contracts.fixed_deployment()
    made["deployment"]["others"] = [{"model": "Kimi-K2.6", "chip": "GB200", "chips": 72, "assumptions": []}]
    text = to_text(made)
    assert "DeepSeek-V3 on 32 × H200" in text
    assert "the other models, each on its own: Kimi-K2.6 on 72 × GB200" in text


def test_without_hardware_nothing_is_said_of_compute():
    text = to_text(contracts.without_hardware(), 120)
    assert "compute not estimated" in text
    assert "billed ÷ compute" not in text


def test_exact_and_estimated_sizes_look_different():
    lines = to_text(contracts.email_agent(), 120).splitlines()
    assert next(line for line in lines if "triage-inbox" in line).split()[:4] == [
        "skill",
        "triage-inbox",
        "1,512",
        "=",
    ]
    estimated = next(line for line in lines if line.startswith("  skills index"))
    assert "±61" in estimated
    assert "~$0.0438" in estimated


def test_long_runs_are_abridged_and_say_by_how_much():
    text = to_text(contracts.long_run(), 100, turns=12, blocks=5)
    rows = re.findall(r"^ +\d+ +14:\d\d:\d\d ", text, re.MULTILINE)
    left_out = [int(number) for number in re.findall(r"… (\d+) turns? left out", text)]
    assert len(rows) + sum(left_out) == 60
    assert 12 <= len(rows) <= 15
    assert "… 111 more blocks" in text
    assert "left out" not in to_text(contracts.long_run(), 100, turns=None)


def test_names_can_neither_command_the_terminal_nor_be_read_as_markup():
    names = ["\x1b[2Jgone\x07", "[bold]loud[/bold]", "two\nlines", "rtl\u202etxt"]
    blocks = [block(str(n), "tool_result", name, 100) for n, name in enumerate(names)]
    text = to_text(report(blocks, [turn(0, fresh=[str(n) for n in range(4)])]))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "·[2Jgone·" in text
    assert "[bold]loud[/bold]" in text
    assert "two lines" in text


def test_wide_characters_keep_the_columns_aligned():
    blocks = [block("a", "tool_result", "読み込み結果", 100), block("b", "tool_result", "plain", 100)]
    text = to_text(report(blocks, [turn(0, fresh=["a", "b"])]))
    places = [cell_len(line[: line.index("100 =")]) for line in text.splitlines() if "100 =" in line]
    assert places[0] == places[1]


def test_colour_adds_nothing_but_colour():
    page = io.StringIO()
    report = contracts.email_agent()
    render(report, Console(file=page, width=80, force_terminal=True, color_system="standard"))
    assert "\x1b[" in page.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", page.getvalue()) == to_text(report, 80)


def test_a_terminal_without_unicode_gets_ascii_in_the_same_columns():
    page = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    report = contracts.email_agent()
    render(report, Console(file=page, width=80))
    page.flush()
    plain = page.buffer.getvalue().decode("ascii").splitlines()
    unicode = to_text(report, 80).splitlines()
    assert [len(line) for line in plain] == [len(line) for line in unicode]
    assert "?" not in "".join(plain).replace("±?", "").replace("~?", "")


def test_findings_show_what_they_save_and_whether_it_is_estimated():
    made = contracts.email_agent()
    made["findings"] = find(made)
    text = to_text(made, 120)
    assert "saves $0.1125. " in text
    assert "saves ~$0.0145. " in text


def test_a_report_of_many_days_shows_dates():
    blocks = [block("s", "system", "s", 10)]
    text = to_text(report(blocks, [turn(0, fresh=["s"]), turn(90_000, fresh=["s"])]), 120)
    assert "11-12 14:03" in text
    assert "11-13 15:03" in text

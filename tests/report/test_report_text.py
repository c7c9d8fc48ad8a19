"""The terminal report: golden output, and what must hold at any width and in any terminal."""

import io
import re

import contracts
import goldens
import pytest
from contracts import block, report, turn
from rich.cells import cell_len
from rich.console import Console

from tokenprof.report.formats.svg import render as to_svg
from tokenprof.report.report_reader import read_report
from tokenprof.report.terminal.text import render, to_text


def printed(made, width=80, **shown):
    return to_text(read_report(made), width, **shown)


def unwrapped(text):
    return " ".join(text.split())


@pytest.mark.parametrize(("name", "width"), goldens.CASES)
def test_golden(name, width):
    assert goldens.rendered(name, width) == goldens.path(name, width).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", goldens.FULL)
def test_golden_in_full(name):
    written = goldens.path(name, goldens.NARROW, is_full=True).read_text(encoding="utf-8")
    assert goldens.rendered(name, goldens.NARROW, is_full=True) == written


@pytest.mark.parametrize("name", contracts.ALL)
def test_a_report_is_at_most_110_lines_unless_all_is_asked_for(name):
    assert len(goldens.rendered(name, 80).splitlines()) <= 110


def test_the_answer_stands_in_the_first_24_lines_of_80_columns():
    first = unwrapped("\n".join(goldens.rendered("email_agent", 80).splitlines()[:24]))
    assert "billed at least $0.3495" in first
    assert "Largest part: " in first
    assert "What to change 1. saves $0.1125 (32%): " in first
    assert "Price classes" in first


def test_the_top_changes_are_those_that_save_most_and_are_said_once():
    text = goldens.rendered("email_agent", 120)
    savings = [float(found) for found in re.findall(r"^  \d\. saves ~?\$([\d.]+)", text, re.MULTILINE)]
    assert savings == sorted(savings, reverse=True)
    assert 1 <= len(savings) <= 3
    titles = re.findall(r"^  \d\. saves \S+ \(\S+\): ([^.]+)", text, re.MULTILINE)
    assert all(text.count(title) == 1 for title in titles)


def test_a_note_that_many_turns_share_is_said_once():
    made = contracts.long_run()
    for number, one in enumerate(made["turns"]):
        one["output_incomplete"] = number % 2 == 0
    text = printed(made, 120, is_full=True)
    note = "the source lacks its final output count: the output is at least this"
    assert text.count(note) == 1
    assert f"30 of 60 turns: {note}" in text


def test_a_text_in_several_contexts_is_one_row():
    blocks = [block("a", "system", "rules", 1000), block("b", "system", "rules", 1000)]
    blocks[1] |= {"digest": blocks[0]["digest"], "context": "other"}
    text = printed(report(blocks, [turn(0, fresh=["a"]), turn(5, fresh=["b"], context="other")]), 120)
    (row,) = [line for line in text.splitlines() if line.startswith("  system")]
    assert row.split()[:5] == ["system", "rules", "1,000", "=", "2×"]
    assert "2,000" in row


@pytest.mark.parametrize("name", contracts.ALL)
@pytest.mark.parametrize("width", [60, 80, 97, 100, 140, 200])
def test_no_line_is_wider_than_the_terminal(name, width):
    widest = max(goldens.rendered(name, width).splitlines(), key=cell_len)
    assert cell_len(widest) <= width, widest


def test_the_first_line_answers_the_question():
    first = printed(contracts.email_agent(), 120).splitlines()[0]
    assert first == (
        "6 turns billed at least $0.3495; compute est. $0.013–0.062 ($0.027): billed 13× compute (5.7–28×)"
    )
    first = printed(contracts.fixed_deployment(), 120).splitlines()[0]
    assert first == "2 turns billed $0.18; compute est. $0.0188: billed 9.6× compute"


def test_the_unknown_is_said_and_never_a_zero():
    text = printed(contracts.unknowns(), 120)
    assert text.startswith("4 turns: 2 billed $0.0145, 1 unpriced, 1 unmeasured; compute est. ")
    assert "$0.00 " not in text
    assert "$0 " not in text
    assert re.search(r"^ +2 +14:03:16 .*— .*unmeasured", text, re.MULTILINE)
    assert re.search(r"^ +1 +14:03:11 .*unpriced", text, re.MULTILINE)


def test_sums_that_leave_something_out_are_lower_bounds():
    text = printed(contracts.unknowns(), 120)
    assert "≥$0.0145" in text
    assert "≥~$0.0020" in text


def test_a_run_without_any_price_shows_no_dollar_billed():
    made = report(
        [block("s", "system", "s", 10)], [turn(0, fresh=["s"], model="llama-9-preview")], hardware=None
    )
    made["groups"] = [contracts.group(made, "tool", "bash", "s")]
    text = printed(made)
    assert text.splitlines()[0] == "1 turn: 1 unpriced; compute not estimated"
    assert "$" not in text
    assert text.count("unpriced") == 6  # the headline, the class, the total, the turn, the block, the tool


def test_several_models_have_a_deployment_each():
    made = contracts.fixed_deployment()
    made["deployment"]["others"] = [{"model": "Kimi-K2.6", "chip": "GB200", "chips": 72, "assumptions": []}]
    text = printed(made, is_full=True)
    assert "DeepSeek-V3 on 32 × H200" in text
    assert "the other models, each on its own deployment: Kimi-K2.6 on 72 × GB200" in text


def test_without_hardware_nothing_is_said_of_compute():
    text = printed(contracts.without_hardware(), 120)
    assert "compute not estimated" in text
    assert "billed ÷ compute" not in text


def test_exact_and_estimated_sizes_look_different():
    lines = printed(contracts.email_agent(), 120, blocks=8).splitlines()
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
    text = printed(contracts.long_run(), 100, turns=12, blocks=5)
    rows = re.findall(r"^ +\d+ +14:\d\d:\d\d ", text, re.MULTILINE)
    left_out = [int(number) for number in re.findall(r"… (\d+) turns? left out", text)]
    assert len(rows) + sum(left_out) == 60
    assert 12 <= len(rows) <= 15
    assert "… 111 more blocks" in text
    assert "left out" not in printed(contracts.long_run(), 100, is_full=True)


def test_names_can_neither_command_the_terminal_nor_be_read_as_markup():
    names = ["\x1b[2Jgone\x07", "[bold]loud[/bold]", "two\nlines", "rtl\u202etxt"]
    blocks = [block(str(n), "tool_result", name, 100) for n, name in enumerate(names)]
    text = printed(report(blocks, [turn(0, fresh=[str(n) for n in range(4)])]))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "·[2Jgone·" in text
    assert "[bold]loud[/bold]" in text
    assert "two lines" in text


def test_wide_characters_keep_the_columns_aligned():
    blocks = [block("a", "tool_result", "読み込み結果", 100), block("b", "tool_result", "plain", 100)]
    text = printed(report(blocks, [turn(0, fresh=["a", "b"])]))
    places = [cell_len(line[: line.index("100 =")]) for line in text.splitlines() if "100 =" in line]
    assert places[0] == places[1]


def test_colour_adds_nothing_but_colour():
    page = io.StringIO()
    made = contracts.email_agent()
    render(read_report(made), Console(file=page, width=80, force_terminal=True, color_system="standard"))
    assert "\x1b[" in page.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", page.getvalue()) == printed(made, 80)


def test_a_terminal_without_unicode_gets_ascii_in_the_same_columns():
    page = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    made = contracts.email_agent()
    render(read_report(made), Console(file=page, width=80))
    page.flush()
    plain = page.buffer.getvalue().decode("ascii").splitlines()
    unicode = printed(made, 80).splitlines()
    assert [len(line) for line in plain] == [len(line) for line in unicode]
    assert "?" not in "".join(plain).replace("±?", "").replace("~?", "")


def test_findings_show_what_they_save_and_whether_it_is_estimated():
    text = to_text(goldens.with_findings("email_agent"), 120)
    assert "saves $0.1125 (32%): " in text
    assert "saves ~$0.0145 (4%): " in text


def test_a_report_of_many_days_shows_dates():
    blocks = [block("s", "system", "s", 10)]
    text = printed(report(blocks, [turn(0, fresh=["s"]), turn(90_000, fresh=["s"])]), 120)
    assert "11-12 14:03" in text
    assert "11-13 15:03" in text


def test_a_report_without_turns_can_be_drawn():
    made = read_report(contracts.empty())
    assert "No turn was recorded: nothing was billed." in to_text(made)
    picture = to_svg(made).decode()
    assert picture.startswith("<svg")
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "").replace(
        "https://www.textualize.io", ""
    )


def test_no_block_need_be_shown():
    text = printed(contracts.email_agent(), blocks=0)
    assert "… 22 more blocks, $0.3495 together (100%)" in text


def test_notes_say_what_is_unusual_about_a_turn():
    miss = {"cause": "changed", "block": "t", "field": "description", "tokens": 1204, "usd": None}
    blocks = [block("t", "tool", "bash", 1_500)]
    turns = [
        turn(0, fresh=["t"], cache_miss=miss | {"evidence": "hash"}),
        turn(1, fresh=["t"], output_incomplete=True, output_rest_in="msg_04"),
        turn(2, fresh=["t"], output_incomplete=True),
        turn(3, fresh=["t"], cache_miss=miss | {"cause": "first_use", "evidence": "clock"}),
    ]
    text = printed(report(blocks, turns), 120)
    assert (
        "└ cache miss, changed: starting at bash, its description, 1,204 tokens, cost unknown (by hash)"
        in text
    )
    assert "└ the rest of its output is counted in another turn" in text
    assert "└ the source lacks its final output count: the output is at least this" in text
    assert "first use" not in text


def test_a_class_without_a_price_is_named_in_its_turn_and_leaves_lower_bounds():
    made = report(
        [block("s", "system", "s", 1_000), block("a", "output", "a", 10)], [turn(0, fresh=["s"], out=["a"])]
    )
    for row in (made["turns"][0]["entries"][1], made["turns"][0], made["blocks"][1], made["classes"][1]):
        row["billed_usd"] = None
    made["totals"].update(billed_usd=None, unpriced_turns=1, price_to_cost=None)
    made["groups"] = [contracts.group(made, "tool", "bash", "s a")]
    text = printed(made, 120)
    assert "└ no price known for output of claude-opus-4-8" in text
    assert re.search(r"output +10 +unpriced", text)
    assert re.search(r"tool +bash .*≥\$0.0050", text)


def test_files_overlays_and_models_past_the_first_are_named_or_counted():
    made = contracts.tagged_runs()
    made["sources"].append({"file": "runs/3.jsonl", "format": "tokenprof", "runs": 1})
    made["prices"]["overlays"] = ["ours.toml", {"file": "theirs.toml"}]
    for number, row in enumerate(made["turns"]):
        row["model"] = f"model-{number % 4}"
    text = unwrapped(printed(made, 140))
    assert "runs/2.jsonl (tokenprof), 1 more" in text
    assert "overlaid with ours.toml, theirs.toml; each turn at the list price when it ran" in text
    assert "model-0, model-1, model-2 and 1 more" in text


def test_compute_is_compared_with_the_bill():
    made = contracts.email_agent()
    made["compute"] = {
        "model": "claude-opus-4-8",
        "implied_gross_margin": {"low": 0.82, "mid": 0.92, "high": 0.965},
        "published_gross_margins": [],
        "within_published_range": False,
        "drivers": [{"name": "active parameters", "share_of_variance": 0.62}],
        "ratios": [
            {
                "name": "an output token, against a prompt token computed",
                "compute": {"low": "9.1", "mid": "12", "high": "16"},
                "billed": "4",
            }
        ],
        "kv": {
            "active_token_seconds": 10.0,
            "idle_token_seconds": 40.0,
            "idle_share": 0.8,
            "gap_usd_per_s_at_longest_context": {"low": "0.0001", "mid": "0.0002", "high": "0.0004"},
        },
    }
    text = unwrapped(printed(made, 140, is_full=True))
    assert "ratios an output token, against a prompt token computed: 12× (9.1–16×), billed 4.0×" in text
    assert "margin 92% (82% to 97%) of the bill is left after compute, training not counted" in text
    assert "kv KV sat idle between calls for 80% of the time it was held; a second of gap" in text
    assert "at the longest context costs $0.00010–0.00040 ($0.00020)" in text
    assert "drivers of the estimate's spread: active parameters 62%" in text

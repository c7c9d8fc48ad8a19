"""The files of other viewers: their own schemas accept them, and they add up to the bill."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
from hostile_page import hostile_run
from long_runs import long_run

import tokenprof
from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.renderers import render_as
from tokenprof.commands.main import main
from tokenprof.facts.types import Run
from tokenprof.pictures.exchange.stacks import in_whole_units
from tokenprof.pricing.usage import Usage

SESSION = Path(__file__).parents[1] / "data" / "logs" / "session_log" / "session_2.1.330.jsonl"
SCHEMA = json.loads((Path(__file__).parent / "speedscope_schema.json").read_text("utf-8"))
FORMATS = ("collapsed", "speedscope", "perfetto", "markdown", "html")


@pytest.fixture(scope="module", params=["demo", "hostile"])
def analysis(request: pytest.FixtureRequest, demo: Analysis) -> Analysis:
    return demo if request.param == "demo" else Analysis(hostile_run())


def test_collapsed_stacks_add_up_to_the_bill(analysis: Analysis) -> None:
    lines = render_as(analysis, "collapsed").decode().splitlines()
    stacks = [line.rpartition(" ") for line in lines]
    assert all(stack.split(";")[0] == "run" and 4 <= stack.count(";") + 1 <= 5 for stack, _, _ in stacks)
    total = sum(Decimal(weight) for _, _, weight in stacks) / 1_000_000
    assert analysis.totals.billed_usd is not None
    assert abs(total - analysis.totals.billed_usd) <= Decimal("0.0000005")


def test_whole_units_by_hand() -> None:
    amounts = [Decimal("0.4"), Decimal("0.4"), Decimal("0.4"), Decimal("2.9")]
    assert list(in_whole_units(amounts, Decimal(1))) == [0, 1, 0, 3]


def test_a_speedscope_file_meets_its_schema(analysis: Analysis) -> None:
    found = json.loads(render_as(analysis, "speedscope"))
    jsonschema.validate(found, SCHEMA)
    dollars, tokens, _ = found["profiles"]
    assert dollars["endValue"] == pytest.approx(float(analysis.totals.billed_usd or 0))
    assert tokens["endValue"] == sum(block.billed_tokens or 0 for block in analysis.blocks)
    assert all(len(each["samples"]) == len(each["weights"]) for each in found["profiles"])


def test_trace_events_of_three_calls_by_hand() -> None:
    events = json.loads(render_as(Analysis(long_run(3)), "perfetto"))["traceEvents"]
    calls = [event for event in events if event["ph"] == "X"]
    assert [(call["name"], call["ts"], call["args"]["read_tokens"]) for call in calls] == [
        ("turn 0", 0, 0),
        ("turn 1", 10_000_000, 100),
        ("turn 2", 20_000_000, 200),
    ]
    held = [event["args"]["tokens"] for event in events if event["name"] == "tokens held in the cache"]
    assert held == [100, 0, 200, 0]
    assert {event["ph"] for event in events} == {"M", "X", "C"}


def test_counters_end_at_the_bill(demo: Analysis) -> None:
    events = json.loads(render_as(demo, "perfetto"))["traceEvents"]
    dollars = [event["args"]["usd"] for event in events if event["name"] == "billed USD so far"]
    assert dollars[-1] == pytest.approx(0.06484975)


@pytest.mark.parametrize("form", FORMATS)
def test_no_format_holds_a_character_that_is_obeyed_or_hidden(form: str) -> None:
    text = render_as(Analysis(hostile_run()), form).decode()
    assert {char for char in text if not char.isprintable()} <= {"\n", "\t"}
    assert len(text) < 1_000_000


@pytest.mark.parametrize("form", FORMATS)
def test_no_format_holds_the_folders_of_the_machine_that_wrote_it(form: str, tmp_path: Path) -> None:
    path = tmp_path / "private folder" / "session.jsonl"
    path.parent.mkdir()
    path.write_text(SESSION.read_text("utf-8") + '{"type": "assistant", "message": {\n', "utf-8")
    analysis = tokenprof.load(path).analyze()
    assert any(str(path) in str(warning) for warning in analysis.run.warnings)
    text = render_as(analysis, form).decode()
    assert "private folder" not in text
    assert form not in ("html", "markdown") or "session.jsonl" in text


@pytest.fixture(scope="module")
def run_of_many_blocks() -> Analysis:
    """Twenty calls, each with 1,000 results more than the one before, of tools with hostile names."""
    turns = []
    for number, turn in enumerate(long_run(20).turns):
        (block,) = turn.added
        added = tuple(
            replace(block, kind="tool_result", name=f"</script>{at % 50}", digest=f"{number}.{at}")
            for at in range(1000)
        )
        usage = Usage(cache_read_tokens=100_000 * number, cache_write_5m_tokens=100_000, output_tokens=7)
        turns.append(replace(turn, added=added, kept=1000 * number, breakpoints=(), usage=usage))
    return Analysis(Run(tuple(turns)))


@pytest.mark.parametrize(("form", "most_bytes"), [(form, 1_500_000) for form in FORMATS])
def test_twenty_thousand_blocks_stay_within_bounds(
    run_of_many_blocks: Analysis, form: str, most_bytes: int
) -> None:
    written = render_as(run_of_many_blocks, form)
    assert len(written) < most_bytes
    assert form != "html" or written.count(b"</script") == 3


def test_markdown_runs_nothing_and_links_nowhere() -> None:
    text = render_as(Analysis(hostile_run()), "markdown").decode()
    assert "<script" not in text.replace("\\<", "")
    assert "](" not in text


def test_markdown_of_the_demo(demo: Analysis) -> None:
    text = render_as(demo, "markdown").decode()
    assert text.startswith("# run.jsonl\n")
    assert "| cache write 1h | 3,053 | $0.0305 |" in text
    assert "| tool | search_emails | 903 | $0.00385 |" in text


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.folded", "run;main;"),
        ("a.speedscope.json", '{"$schema"'),
        ("a.trace.json", '{"displayTimeUnit"'),
        ("a.md", "# "),
    ],
)
def test_the_ending_of_a_file_picks_the_format(demo_run: Path, tmp_path: Path, name: str, start: str) -> None:
    assert main(["report", str(demo_run), "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_text("utf-8").startswith(start)


@pytest.mark.parametrize("name", ["a.folded", "a.trace.json", "a.html"])
def test_an_analysis_saves_itself_in_every_format(demo: Analysis, tmp_path: Path, name: str) -> None:
    assert demo.save(tmp_path / name).stat().st_size > 500

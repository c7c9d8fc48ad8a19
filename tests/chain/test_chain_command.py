"""`tokenprof chain` on a recording made for the test, in each of its forms."""

import json
from collections import Counter
from decimal import Decimal
from io import BytesIO, TextIOWrapper
from xml.etree import ElementTree

import anthropic
import pytest
from rich.console import Console

import tokenprof
from tokenprof.commands.main import main
from tokenprof.reading.files import read
from tokenprof.report.chain_detail_json import read_detail
from tokenprof.report.chain_json import read_chain
from tokenprof.report.terminal.chain_text import chain_lines, render_chain
from tokenprof.testing import LoopbackProvider
from tokenprof.testing.loop import run_loop, workload

pytestmark = pytest.mark.slow

START_NS = 1_795_800_000 * 10**9
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run.jsonl"
    work = workload()
    with (
        LoopbackProvider(list(work.replies)) as server,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="unused", base_url=server.url) as client,
    ):
        run_loop(client, work, mode="create")
    set_clock(path)
    return path


def set_clock(path):
    """Let every call of a recording take 2 s, and start 10 s after the one before.

    The speed of answers is evidence on their hardware, and that of a loopback server says how busy this
    machine is.
    """
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for number, line in enumerate(lines):
        (span,) = line["resourceSpans"][0]["scopeSpans"][0]["spans"]
        span["startTimeUnixNano"] = str(START_NS + number * 10 * 10**9)
        span["endTimeUnixNano"] = str(START_NS + (number * 10 + 2) * 10**9)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


@pytest.fixture
def chain(recording, capsysbinary):
    def run(*options: str) -> dict:
        assert main(["chain", str(recording), "--format", "json", *options]) == 0
        return json.loads(capsysbinary.readouterr().out)

    return run


def total(found: dict) -> Decimal:
    return sum((Decimal(step["usd"]["mid"]) for step in found["waterfall"]), Decimal(0))


def test_the_waterfall_is_the_bill_of_the_report(recording, chain, capsysbinary):
    found = chain()
    assert main(["report", str(recording), "--format", "json"]) == 0
    report = json.loads(capsysbinary.readouterr().out)
    assert Decimal(found["billed_usd"]) == Decimal(report["totals"]["billed_usd"]) == total(found)
    assert float(found["compute_usd"]["mid"]) == pytest.approx(
        float(report["totals"]["hardware_usd"]["mid"]), rel=1e-6
    )
    assert [step["name"] for step in found["waterfall"]][4:] == [
        "GPU-hour margin",
        "chips",
        "building",
        "power",
    ]


def test_the_cost_shaped_bill_stands_turn_by_turn_beside_the_real_one(chain):
    found = chain()
    turns = found["cost_shaped"]["turns"]
    assert len(turns) == found["turns"]
    shaped = sum((Decimal(turn["shaped_usd"]["mid"]) for turn in turns), Decimal(0))
    assert shaped == sum((Decimal(turn["billed_usd"]) for turn in turns), Decimal(0))
    assert shaped == Decimal(found["billed_usd"])


@pytest.mark.parametrize("path", ["direct", "aggregator", "plan"])
def test_each_path_has_its_end_price(chain, path):
    found = chain("--path", path, "--sessions", "50")
    price = {"direct": "direct_usd", "aggregator": "aggregator_usd", "plan": "plan_usd"}[path]
    assert Decimal(found["paid_usd"]) == Decimal(found["paths"][price])
    assert abs(total(found) - Decimal(found["paid_usd"])) < Decimal("1e-11")
    assert Decimal(found["paths"]["plan_usd"]) == 2


def test_utilisation_hardware_and_supplier_are_the_user_s_to_choose(chain):
    usual = chain()
    idle = chain("--utilisation", "0.1")
    assert Decimal(idle["compute_usd"]["mid"]) > 2 * Decimal(usual["compute_usd"]["mid"])
    rows = {row["chip"]: row["hardware_usd"]["mid"] for row in usual["generations"]}
    on_gb200 = chain("--chip", "gb200")
    assert float(on_gb200["compute_usd"]["mid"]) == pytest.approx(float(rows["GB200"]), rel=0.1)
    owned = chain("--supplier", "google", "--contract", "contract")
    margin = next(step for step in owned["waterfall"] if step["name"] == "GPU-hour margin")
    assert Decimal(margin["usd"]["high"]) == 0
    assert Decimal(margin["internal_usd"]["mid"]) > 0
    served = chain("--deployment", "kimi-k2.5@8xh200")
    ends = [float(served["compute_usd"][end]) for end in ("low", "mid", "high")]
    # The model's own error, at short contexts within a factor of two either way.
    assert ends[1] / 2 < ends[0] < ends[1] < ends[2] < 2 * ends[1]
    half = next(row for row in served["utilisation"] if row["utilisation"] == 0.5)
    assert float(half["hardware_usd"]["mid"]) == pytest.approx(float(served["compute_usd"]["mid"]), rel=1e-6)


def test_prices_per_tool_call_stand_beside_the_tokens(recording, chain):
    calls = Counter(block.name for turn in read([recording]).turns for block in turn.output if block.link)
    ((tool, times),) = calls.most_common(1)
    found = chain("--tool-price", f"{tool}=0.005", "--tool-price", "never_called=1")
    assert times > 1
    (paid,) = found["tool_payments"]
    assert (paid["tool"], paid["calls"]) == (tool, times)
    assert Decimal(paid["usd"]) == times * Decimal("0.005")
    assert total(found) == Decimal(found["billed_usd"])


def test_text_fits_a_terminal_of_80_columns(recording, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["chain", str(recording)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Where $")
    assert max(map(len, lines)) <= 80
    for part in ("training", "GPU-hour margin", "chips", "building", "power"):
        assert any(line.startswith(f"  {part} ") for line in lines), part


def test_a_terminal_without_unicode_gets_ascii(chain):
    page, found = TextIOWrapper(BytesIO(), encoding="ascii"), chain()
    render_chain(read_chain(found), Console(file=page, width=80, color_system=None), read_detail(found))
    page.flush()
    assert b"####" in page.buffer.getvalue()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("scale", [Decimal(1), Decimal("0.001"), Decimal(10_000)])
def test_the_waterfall_fits_the_terminal_whatever_the_dollars(chain, width, scale):
    told = chain()
    for step in told["waterfall"]:
        for end in ("low", "mid", "high"):
            step["usd"][end] = str(Decimal(step["usd"][end]) * scale)
    lines = chain_lines(read_chain(told), Console(width=width), brief=True)
    assert max(line.cell_len for line in lines) <= width
    drawn = [
        step for key in ("waterfall", "by_accounts") for step in told[key] if Decimal(step["share"]["mid"])
    ]
    assert sum("█" in line.plain or "░" in line.plain for line in lines) == len(drawn)


def test_the_section_of_a_report_is_the_waterfall_and_the_margins(chain):
    console, section = Console(width=80), read_chain(chain())
    brief, whole = (chain_lines(section, console, brief=brief) for brief in (True, False))
    assert [line.plain for line in whole[: len(brief)]] == [line.plain for line in brief]
    assert len(brief) < len(whole)


def test_the_picture_is_svg_whose_bars_follow_one_another_down_the_dollar(recording, tmp_path):
    path = tmp_path / "chain.svg"
    assert main(["chain", str(recording), "--format", "svg", "-o", str(path)]) == 0
    root = ElementTree.parse(path).getroot()
    bars = [rect for rect in root.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    # Six steps from what the hours cost, seven from accounts, and the band of published margins.
    assert len(bars) == 14
    ends = [float(bar.get("x")) + float(bar.get("width")) for bar in bars]
    starts = [float(bar.get("x")) for bar in bars]
    for first, last in ((0, 5), (6, 12)):
        for end, start in zip(ends[first:last], starts[first + 1 : last + 1], strict=True):
            assert abs(end - start) < 1.2
    width = float(root.get("width"))
    for text in root.iter(f"{SVG}text"):
        # No glyph of these faces is wider than 0.62 of its size.
        length = 0.62 * float(text.get("font-size", 13)) * len(text.text)
        at = float(text.get("x"))
        assert (at - length >= 0) if text.get("text-anchor") == "end" else (at + length <= width), text.text
    assert "href" not in path.read_text()


def test_the_examples_are_lines_of_text_and_objects_of_json(capsysbinary):
    assert main(["chain", "--examples"]) == 0
    text = capsysbinary.readouterr().out.decode()
    assert "  floor of an H100-hour, USD [l1-5]\n      published 1.0, ours 0.9971: -0.3 %" in text
    assert max(map(len, text.splitlines())) <= 80
    assert main(["chain", "--examples", "--format", "json"]) == 0
    rows = json.loads(capsysbinary.readouterr().out)["examples"]
    assert {"id", "claim", "published", "ours", "difference", "assumptions", "sources"} == set(rows[0])
    assert next(row["sources"] for row in rows if row["id"] == "dollar-1") == ["one-dollar"]
    assert {row["id"] for row in rows} >= {"bill-1", "ttl-1", "dollar-1", "traj-1"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--plan", "gold"], "No plan is named 'gold'"),
        (["--supplier", "nobody"], "No supplier is named 'nobody'"),
        (["--utilisation", "0"], "--utilisation: '0' is not a number above 0"),
        (["--sessions", "0"], "--sessions: '0' is not a whole number of at least 1"),
        (["--set", "session=3"], "there is no setting 'session'. Did you mean sessions?"),
        (["--set", "hours=mine"], "hours 'mine': give one of own, rent."),
        (["--set", "utilisation"], "--set utilisation: write NAME=VALUE"),
        (["--utilisation", "0.5", "--set", "utilisation=0.4"], "utilisation is set twice"),
        (["--without-evidence", "host"], "published-margins. Did you mean hosts?"),
        (["--chip", "abacus"], "abacus"),
        (["--deployment", "kimi-k2.5@1xh100"], "kimi-k2.5@1xh100"),
        (["--chain", "/no/such/file.toml"], "cannot be read"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_with_exit_2(recording, capsys, options, said):
    assert main(["chain", str(recording), *options]) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1


def test_a_chain_needs_a_recording(capsys):
    assert main(["chain"]) == 2
    assert "Give a recording" in capsys.readouterr().err

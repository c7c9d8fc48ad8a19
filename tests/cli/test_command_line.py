"""The command as a user runs it: output, exit codes, and what it says of bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

import tokenprof
from tokenprof.commands.main import main
from tokenprof.report.check import check
from tokenprof.report.report_json import schema_path

pytestmark = pytest.mark.slow

SAMPLE = Path(__file__).parent.parent / "data" / "logs" / "session_log"


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tokenprof", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_the_demo_records_prints_its_report_and_never_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run("demo", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines()[0].startswith("3 turns billed $")
    assert "skill" in first.stdout
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tokenprof.commands.demo_agent.TOKENS_PER_S", 6_000.0)
    assert main(["demo"]) == 0
    assert "run-2.jsonl" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run-2.jsonl", "run.jsonl"]


def test_json_is_the_contract_and_nothing_else_is_printed(recording: Path) -> None:
    done = run("report", recording, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    jsonschema.validate(report, json.loads(schema_path().read_text()))
    check(report)
    assert report["schema"] == "tokenprof.report/2"
    assert report["totals"]["turns"] == 3


def test_the_demo_s_contexts_grow_and_the_skill_is_there_from_the_third_turn(recording: Path) -> None:
    report = json.loads(run("report", recording, "--format", "json").stdout)
    sent = [
        {e["block"] for e in t["entries"] if e["class"] not in ("output", "reasoning")}
        for t in report["turns"]
    ]
    wire = [{b for b in blocks if not b.endswith("end-of-prompt tokens")} for blocks in sent]
    assert wire[0] < wire[1] < wire[2]
    (skill,) = [block for block in report["blocks"] if block["kind"] == "skill"]
    assert (skill["name"], skill["born_turn"], skill["last_turn"]) == ("triage-inbox", 2, 2)
    assert 1400 <= skill["tokens"] <= 1600
    (index,) = [block for block in report["blocks"] if block["kind"] == "skills_index"]
    assert len(index["children"]) == 103
    assert 2300 <= next(b["tokens"] for b in report["blocks"] if b["kind"] == "system") <= 2700
    assert len([block for block in report["blocks"] if block["kind"] == "tool"]) == 3


def test_a_report_can_be_written_to_a_file(recording: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    done = run("report", recording, "--format", "json", "-o", target)
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads(target.read_text())["totals"]["turns"] == 3


def test_runs_are_chosen_by_tag(recording: Path) -> None:
    chosen = run("report", recording, "--tag", "demo=email", "--format", "json")
    assert json.loads(chosen.stdout)["totals"]["turns"] == 3
    none = run("report", recording, "--tag", "demo=other")
    assert none.returncode == 2
    assert "demo=email" in none.stderr


def test_a_folder_is_many_runs_together(recording: Path, tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(recording.read_bytes().replace(b"msg_", name[:1].encode() + b"sg_"))
    report = json.loads(run("report", tmp_path, "--format", "json").stdout)
    assert report["totals"]["turns"] == 6
    assert len(report["sources"]) == 2


BAD_INPUT = {
    "missing": (None, "cannot be read"),
    "empty": (b"", "empty"),
    "foreign": (b'{"hello": "world"}\n', "format"),
    "malformed": (b'{"resourceSpans": []}\nnot json\n{"resourceSpans": []}\n', ":2:"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line_with_file_and_place_and_exit_code_2(
    case: str, recording: Path, tmp_path: Path
) -> None:
    content, said = BAD_INPUT[case]
    path, target = tmp_path / "bad.jsonl", tmp_path / "out.json"
    target.write_text("mine")
    if content is not None:
        first = recording.read_bytes().splitlines(keepends=True)[0]
        path.write_bytes(content.replace(b'{"resourceSpans": []}\n', first, 1))
    done = run("report", path, "--format", "json", "-o", target)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert str(path) in done.stderr
    assert said in done.stderr
    assert target.read_text() == "mine"


@pytest.mark.parametrize("command", ["report", "totals"])
def test_a_seller_whose_name_is_not_utf_8_is_unknown(
    command: str, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(recording), "--seller", "\udcff"]) == 0
    assert "No price row of \ufffd is named" in "".join(capsys.readouterr()).replace("\n  ", " ")


def test_a_truncated_last_line_is_a_warning(recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    lines = recording.read_bytes().splitlines(keepends=True)
    last = max(at for at, line in enumerate(lines) if b"gen_ai.usage.output_tokens" in line)
    path.write_bytes(b"".join(lines[:last]) + lines[last][:-200])
    done = run("report", path, "--format", "json")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report["totals"]["turns"] == 2
    assert any("cut short" in warning for warning in report["warnings"])


def test_a_claude_code_session_gives_the_same_kind_of_report() -> None:
    session = next(SAMPLE.glob("*2.1.330*.jsonl"))
    done = run("report", session, "--format", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    check(report)
    assert report["sources"][0]["format"].startswith("Claude Code")


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"tokenprof {tokenprof.__version__}\n"

"""Where output goes and in which format, and how plain tables look."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tokenprof.commands.console.tables import cell_text, facts_table, table
from tokenprof.commands.main import main


@pytest.mark.parametrize("name", ["report.json", "REPORT.JSON"])
def test_the_ending_of_the_file_picks_the_format(name: str, recording: Path, tmp_path: Path) -> None:
    target = tmp_path / name
    assert main(["report", str(recording), "-o", str(target)]) == 0
    assert json.loads(target.read_text())["totals"]["turns"] == 3


def test_pictures_and_texts_have_their_endings_too(recording: Path, tmp_path: Path) -> None:
    for command in ("report", "chain"):
        picture, text, bare = (tmp_path / f"{command}{ending}" for ending in (".svg", ".txt", ""))
        for target in (picture, text, bare):
            assert main([command, str(recording), "-o", str(target)]) == 0
        assert ElementTree.parse(picture).getroot().tag.endswith("svg")
        assert text.read_text("utf-8") == bare.read_text("utf-8")
        assert "billed" in text.read_text("utf-8").splitlines()[0]


def test_a_flag_gives_the_format_of_a_file_with_another_name(recording: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.out"
    assert main(["report", str(recording), "--format", "json", "-o", str(target)]) == 0
    assert json.loads(target.read_text())["totals"]["turns"] == 3


@pytest.mark.parametrize(
    ("name", "first"), [("out.xml", "<?xml"), ("out.md", "<!--"), ("out.sarif", "{"), ("out.sarif.json", "{")]
)
def test_check_picks_the_format_of_each_ending(
    name: str, first: str, recording: Path, tmp_path: Path
) -> None:
    target = tmp_path / name
    assert main(["check", str(recording), "--budget", "usd=1", "-o", str(target)]) == 0
    assert target.read_text("utf-8").startswith(first)
    if "sarif" in name:
        assert json.loads(target.read_text("utf-8"))["version"] == "2.1.0"


def test_sarif_may_be_called_json_when_a_flag_asks_for_it(recording: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    words = ["check", str(recording), "--budget", "usd=1", "--format", "sarif", "-o", str(target)]
    assert main(words) == 0
    assert json.loads(target.read_text("utf-8"))["version"] == "2.1.0"


def test_a_terminal_without_the_characters_gets_question_marks_and_no_error(
    recording: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = (tmp_path / "page").open("w", encoding="ascii")
    monkeypatch.setattr("sys.stdout", page)
    assert main(["disclosure", str(recording)]) == 0
    page.close()
    assert "? On demand, " in (tmp_path / "page").read_text("ascii")


def test_a_table_aligns_words_to_the_left_and_numbers_to_the_right() -> None:
    rows = [("a", 1234, 0.5, "x"), ("longer", None, 12345.6, "yy")]
    assert table(("name", "n", "share", "word"), rows, left=(0, 3)) == (
        "name        n   share  word\n"
        "a       1,234     0.5  x\n"
        "longer      -  12,346  yy\n"
    )  # fmt: skip


def test_a_table_without_rows_is_its_heading() -> None:
    assert table(("name", "n"), []) == "name  n\n"
    assert table(("", ""), []) == ""


def test_figures_by_name_are_a_table_without_a_heading() -> None:
    assert facts_table({"chip": "H100", "hbm_bytes": 80_000_000_000, "dense": True, "rack": {"n": 1}}) == (
        "chip       H100\n"
        "hbm_bytes  80,000,000,000\n"
        "dense      yes\n"
        "rack       {'n': 1}\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (True, "yes"), (False, "no"), (0, "0"), (1234567, "1,234,567"), (0.123456, "0.1235")],
)
def test_a_cell_says_what_is_not_known(value: float | None, shown: str) -> None:
    assert cell_text(value) == shown

"""The file that holds the page: its policy, what it escapes, and the commands that write it."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from hostile_page import hostile_run

from tokenprof.analysis.analysis import Analysis
from tokenprof.commands.main import main
from tokenprof.pictures.formats.html import render_analysis

SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


@pytest.fixture(scope="module")
def page(demo: Analysis) -> str:
    return render_analysis(demo).decode()


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_policy_allows_exactly_the_scripts_and_styles_of_the_page(page: str) -> None:
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found is not None
    rules = dict(rule.strip().split(" ", 1) for rule in found[1].split(";"))
    assert rules == {
        "default-src": "'none'",
        "script-src": " ".join(map(hash_of, SCRIPT.findall(page))),
        "style-src": " ".join(map(hash_of, STYLE.findall(page))),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_no_handler_stands_in_the_markup_and_nothing_is_loaded(page: str) -> None:
    markup = STYLE.sub("", SCRIPT.sub("", page))
    assert re.findall(r"\son\w+=|javascript:|<link(?! rel=.icon)|@import|\ssrc=", markup) == []
    assert "eval(" not in page
    assert "new Function" not in page


def test_a_hostile_name_stays_text() -> None:
    page = render_analysis(Analysis(hostile_run())).decode()
    assert page.count("<script") == 3
    assert page.count("</script") == 3
    assert "<img" not in page
    assert {char for char in page if not char.isprintable()} <= {"\n", "\t"}


def test_open_writes_the_page_and_names_it(
    demo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.html"
    assert main(["open", str(demo_run), "--no-browser", "-o", str(output)]) == 0
    assert capsys.readouterr().out == f"{output}\n"
    assert output.read_text("utf-8").startswith("<!doctype html>")


def test_report_writes_the_page_by_the_ending_of_its_file(demo_run: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.html"
    assert main(["report", str(demo_run), "-o", str(output)]) == 0
    assert "$0.0648" in output.read_text("utf-8")

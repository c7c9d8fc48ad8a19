"""Figures: each is drawn without a browser, in every format, and shows the run's own figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hostile_page import hostile_run

from tokenprof.analysis.analysis import Analysis
from tokenprof.commands.main import main
from tokenprof.facts.errors import InputError
from tokenprof.pictures.figures.charts import FIGURES
from tokenprof.pictures.figures.figure_files import NAMES, figure_bytes

STARTS = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF", ".json": b"{"}


def test_the_names_of_the_command_are_those_of_the_figures() -> None:
    assert tuple(FIGURES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_drawn(demo: Analysis, name: str) -> None:
    assert figure_bytes(demo, name, ".svg").startswith(b"<svg")


@pytest.mark.parametrize("suffix", STARTS)
def test_every_format_is_written(demo: Analysis, suffix: str) -> None:
    assert figure_bytes(demo, "classes", suffix).startswith(STARTS[suffix])


def test_a_specification_holds_the_bill(demo: Analysis) -> None:
    (rows,) = json.loads(figure_bytes(demo, "classes", ".json"))["datasets"].values()
    assert sum(row["usd"] for row in rows) == pytest.approx(0.06484975)


def test_a_hostile_run_stays_text() -> None:
    drawn = figure_bytes(Analysis(hostile_run()), "tools", ".svg").decode()
    assert "<script" not in drawn
    assert "<img" not in drawn


def test_the_command_writes_a_figure(demo_run: Path, tmp_path: Path) -> None:
    output = tmp_path / "context.pdf"
    assert main(["figure", "context", str(demo_run), "-o", str(output)]) == 0
    assert output.read_bytes().startswith(b"%PDF")


def test_an_ending_without_a_format_is_named(demo: Analysis) -> None:
    with pytest.raises(InputError, match=r"No figure has the ending '\.gif'; give one of \.svg"):
        figure_bytes(demo, "context", ".gif")

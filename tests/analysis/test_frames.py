"""Tables as data frames: the same columns in pandas, polars and pyarrow, money as numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tokenprof
from tokenprof.analysis.frames import LIBRARIES, TABLES
from tokenprof.facts.types import Run

SESSION = Path(__file__).parents[1] / "data" / "logs" / "session_log" / "session_2.1.330.jsonl"


@pytest.fixture(scope="module")
def analysis() -> tokenprof.Analysis:
    return tokenprof.load(SESSION).analyze()


def columns_of(frame: Any) -> list[str]:
    return list(getattr(frame, "column_names", None) or frame.columns)


def column(frame: Any, name: str) -> list[Any]:
    values = frame[name]
    return list(values.to_pylist() if hasattr(values, "to_pylist") else values.to_list())


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_a_frame_in_every_library(
    analysis: tokenprof.Analysis, table: str, library: str
) -> None:
    pytest.importorskip(library)
    frame = analysis.to_frame(table, library)
    rows = list(getattr(analysis, table))
    assert type(frame).__module__.split(".")[0] == library
    assert len(frame) == len(rows) > 0
    empty = tokenprof.Analysis(Run(())).to_frame(table, library)
    assert columns_of(empty) == columns_of(frame)


def test_money_is_a_number_an_estimate_three_and_usage_a_column_a_class(
    analysis: tokenprof.Analysis,
) -> None:
    pytest.importorskip("pandas")
    frame = analysis.to_frame("turns", "pandas")
    billed = column(frame, "billed_usd")
    assert billed == [float(turn.billed_usd) for turn in analysis.turns if turn.billed_usd is not None]
    first = analysis.turns[0]
    assert first.hardware_usd is not None
    assert column(frame, "hardware_usd_high")[0] == first.hardware_usd.high
    assert first.usage is not None
    assert column(frame, "cache_read_tokens")[0] == first.usage.cache_read_tokens


def test_an_unknown_table_or_library_is_named(analysis: tokenprof.Analysis) -> None:
    with pytest.raises(ValueError, match="no table named 'turn'"):
        analysis.to_frame("turn")
    with pytest.raises(ValueError, match="not 'dask'"):
        analysis.to_frame("turns", "dask")

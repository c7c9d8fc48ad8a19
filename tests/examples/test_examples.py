"""The examples run as they stand and record what they say."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from tokenprof.analysis.analysis import Analysis
from tokenprof.reading.files import read

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def load(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / name))


def test_every_example_is_listed_in_their_readme() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    assert [path.name for path in EXAMPLES.glob("*.py") if f"`{path.name}`" not in listed] == []


def test_own_client_records_its_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    load("own_client.py")["main"](str(tmp_path / "run.jsonl"))
    (turn,) = read([tmp_path / "run.jsonl"]).turns
    assert (turn.model, turn.tags) == ("claude-opus-4-8", {"example": "own_client"})


def test_the_suggested_change_saves_what_was_predicted(tmp_path: Path) -> None:
    """The loop with results cut to 500 tokens is billed inside the interval that the first run predicts."""
    record = load("change_and_confirm.py")["main"]
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    record(str(before))
    record(str(after), cap=500)
    recorded, changed = (Analysis(read([path])) for path in (before, after))
    assert recorded.first_suggestions.found[0].lever == "cap=read_file:500"
    predicted = recorded.what_if("cap=read_file:500")
    billed = changed.totals.billed_usd
    assert predicted.low_usd is not None
    assert predicted.high_usd is not None
    assert billed is not None
    assert predicted.low_usd <= billed <= predicted.high_usd


def test_live_budget_stops_at_the_first_turn_over_it(tmp_path: Path) -> None:
    # Each call bills about ten tokens in and fifteen out at 5 and 25 USD per million: some 0.0004 USD.
    calls = load("live_budget.py")["main"](str(tmp_path / "run.jsonl"))
    assert 3 <= calls <= 8
    assert len(read([tmp_path / "run.jsonl"]).turns) == calls

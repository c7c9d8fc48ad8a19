"""Suggestions are found by asking cheaply first; what they say is what asking alone says."""

from __future__ import annotations

from pathlib import Path

from tokenprof.analysis.analysis import Analysis
from tokenprof.reading.files import read

LOG = Path(__file__).parents[1] / "data" / "logs" / "session_log" / "session_2.1.330.jsonl"


def test_a_suggested_lever_is_predicted_as_if_it_were_asked_alone() -> None:
    run = read(LOG)
    suggested = Analysis(run).suggestions
    assert suggested
    for found in suggested:
        alone = Analysis(run).what_if(found.lever)
        together = found.prediction
        assert (alone.after_usd, alone.low_usd, alone.high_usd) == (
            together.after_usd,
            together.low_usd,
            together.high_usd,
        )
        assert (alone.calls, alone.tokens_in) == (together.calls, together.tokens_in)

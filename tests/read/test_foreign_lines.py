"""Lines of another format in a log: what they bill is in the total, or a warning says that it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run
from tokenprof.reading.files import read
from tokenprof.reading.usage_only import read_usage

DATA = Path(__file__).parents[1] / "data"
LOGS = {
    "recording": DATA / "release_0_1" / "run.jsonl",
    "session": DATA / "logs" / "session_log" / "session_2.1.330.jsonl",
    **{
        path.parent.name: path
        for path in sorted((DATA / "logs").glob("*/*.jsonl"))
        if path.parent.name != "session_log"
    },
}


def _tokens(run: Run) -> int:
    return sum(
        turn.usage.input_tokens + turn.usage.all_output_tokens
        for turn in run.turns
        if turn.usage is not None and not turn.output_incomplete
    )


@pytest.mark.parametrize("place", ["after", "within"])
@pytest.mark.parametrize("other", LOGS)
@pytest.mark.parametrize("first", LOGS)
def test_no_line_of_another_format_is_lost_in_silence(
    first: str, other: str, place: str, tmp_path: Path
) -> None:
    if first == other:
        return
    lines, others = (LOGS[name].read_bytes().splitlines() for name in (first, other))
    at = len(lines) if place == "after" else 2
    path = tmp_path / "joined.jsonl"
    path.write_bytes(b"\n".join([*lines[:at], *others, *lines[at:]]) + b"\n")
    sound = [read([LOGS[name]]) for name in (first, other)]
    try:
        joined = read([path])
    except InputError as refused:
        sentence = str(refused)
    else:
        sentence = ""
    if sentence:
        assert "Put each format into a file of its own" in sentence
        return
    heard = {warning.rpartition(": ")[2] for run in sound for warning in run.warnings}
    said = [warning for warning in joined.warnings if warning.rpartition(": ")[2] not in heard]
    assert said or _tokens(joined) == sum(map(_tokens, sound))
    assert joined.warnings == read_usage([path]).warnings


def test_the_warning_names_the_format_the_number_and_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "joined.jsonl"
    path.write_bytes(LOGS["session"].read_bytes() + LOGS["batch_results"].read_bytes())
    run = read([path])
    assert len(run.turns) == len(read([LOGS["session"]]).turns)
    assert [warning for warning in run.warnings if "batch results" in warning] == [
        "joined: 3 of its lines are of another format (batch results) and were left out, with what they "
        "bill. Put each format into a file of its own."
    ]

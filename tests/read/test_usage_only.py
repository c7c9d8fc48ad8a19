"""Reading for totals gives the bills of a whole reading, on every sample and on damaged ones."""

import random
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import resolve_assumptions
from tokenprof.facts.errors import InputError
from tokenprof.reading.files import find_logs, read
from tokenprof.reading.usage_only import read_usage, without_blocks

DATA = Path(__file__).parent.parent / "data"
LOGS = DATA / "logs"
SESSIONS = sorted((LOGS / "session_log").glob("*.jsonl"))
DAMAGED = [*SESSIONS, LOGS / "codex" / "rollout.jsonl"]
SAMPLES = sorted(log.file for log in find_logs(DATA, []))


def test_there_is_a_sample_of_every_family():
    assert {path.parent.name for path in SAMPLES} >= {"codex", "session_log", "otlp_spans", "release_0_1"}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: str(path.relative_to(DATA)))
def test_every_sample_has_the_same_turns_and_warnings(path: Path):
    whole = read(path)
    assert any(turn.added or turn.output for turn in whole.turns)
    assert read_usage(path) == without_blocks(whole)


def test_a_folder_of_all_samples_has_the_same_turns_and_warnings():
    assert read_usage(LOGS) == without_blocks(read(LOGS))


def test_the_bill_is_the_same():
    runs = read(SESSIONS), read_usage(SESSIONS)
    whole, bare = (Analysis(run, resolve_assumptions()).totals.billed_usd for run in runs)
    assert whole == bare is not None


DAMAGES = {
    "cut": lambda rng, line: line[: rng.randrange(len(line))],
    "gone": lambda rng, line: b"",
    "twice": lambda rng, line: line + line,
    "control": lambda rng, line: line.replace(b'"text":"', b'"text":"\x01', 1),
    "surrogate": lambda rng, line: line.replace(b'"text":"', b'"text":"\\ud800', 1),
    "latin-1": lambda rng, line: line.replace(b'"text":"', b'"text":"\xe9', 1),
    "no time": lambda rng, line: line.replace(b'"timestamp"', b'"time"', 1),
    "no parent": lambda rng, line: line.replace(b'"parentUuid"', b'"parent"', 1),
    "stopped": lambda rng, line: line.replace(b'"stop_reason":null', b'"stop_reason":"end_turn"', 1),
    "placeholder": lambda rng, line: _with_usage(line, output_tokens=rng.choice([0, 1, 3, 40, 900])),
    "no input": lambda rng, line: _with_usage(
        line, input_tokens=0, cache_creation_input_tokens=0, cache_read_input_tokens=0
    ),
    "no count": lambda rng, line: _with_usage(line, input_tokens=None),
    "contradiction": lambda rng, line: _with_usage(line, output_tokens=-4),
    "text for object": lambda rng, line: line.replace(b'"message":{', b'"message":"gone","was":{', 1),
    "number for kind": lambda rng, line: line.replace(b'"type":"user"', b'"type":7', 1),
    "other event": lambda rng, line: line.replace(b'"token_count"', b'"agent_message"', 1),
    "no payload": lambda rng, line: line.replace(b'"payload":{', b'"payload":[],"was":{', 1),
    "nan": lambda rng, line: line.replace(b'"isSidechain":false', b'"isSidechain":NaN', 1),
}


def _with_usage(line: bytes, **counts: int | None) -> bytes:
    try:
        row = orjson.loads(line)
        row["message"]["usage"] |= counts
    except (ValueError, TypeError, KeyError):
        return line
    return orjson.dumps(row) + b"\n"


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "session", [*SESSIONS, LOGS / "codex" / "rollout.jsonl"], ids=lambda path: path.stem[:8]
)
def test_a_damaged_session_has_the_same_turns_and_warnings(tmp_path: Path, session: Path, damage: str):
    rng = random.Random(damage)
    for number in range(4):
        lines = session.read_bytes().splitlines(keepends=True)
        for at in rng.sample(range(len(lines)), min(len(lines), 8)):
            lines[at] = DAMAGES[damage](rng, lines[at])
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(b"".join(lines))
        try:
            whole = read(path)
        except InputError as error:
            with pytest.raises(InputError, match="^" + str(error)[:40].replace("\\", "\\\\")):
                read_usage(path)
            continue
        assert read_usage(path) == without_blocks(whole)


def test_a_run_without_blocks_keeps_everything_else():
    run = read(SESSIONS[0])
    bare = without_blocks(run)
    assert not any(turn.added or turn.output or turn.base is not None for turn in bare.turns)
    assert [turn.usage for turn in bare.turns] == [turn.usage for turn in run.turns]
    assert replace(bare, turns=()) == replace(run, turns=())

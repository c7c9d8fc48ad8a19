"""A log that is read on as it grows gives, each time, what a reading from its beginning gives."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run
from tokenprof.reading.formats import reader_of
from tokenprof.store.ingest.followed_log import CannotFollowError, FollowedLog, follow
from tokenprof.store.ingest.followed_logs import FollowedLogs

LOGS = Path(__file__).parents[1] / "data" / "logs"
SESSIONS = sorted(path for path in (LOGS / "session_log").glob("*.jsonl"))


def followed(path: Path) -> FollowedLog:
    found = follow(path, reader_of(path))
    assert found is not None
    return found


def read_on(log: FollowedLog) -> Run:
    log.read_lines()
    return log.run()


def whole(path: Path) -> Run:
    return reader_of(path).read(path)


def without_companions(path: Path, tmp_path: Path) -> tuple[Path, bytes]:
    return tmp_path / path.name, path.read_bytes()


@pytest.mark.parametrize("source", SESSIONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", range(3))
def test_any_growth_gives_the_run_of_a_whole_reading(source: Path, seed: int, tmp_path: Path) -> None:
    path, data = without_companions(source, tmp_path)
    rng = random.Random(seed)
    # Also in the middle of a line, and before the first answer.
    first = data.index(b"\n") + 1
    cuts = sorted({first, *(rng.randrange(first, len(data)) for _ in range(6)), len(data)})
    path.write_bytes(data[: cuts[0]])
    log = followed(path)
    for end in cuts:
        path.write_bytes(data[:end])
        assert read_on(log) == whole(path), end


def test_line_after_line(tmp_path: Path) -> None:
    path, data = without_companions(SESSIONS[0], tmp_path)
    lines = data.splitlines(keepends=True)
    path.write_bytes(lines[0])
    log = followed(path)
    for count in range(1, len(lines) + 1):
        path.write_bytes(b"".join(lines[:count]))
        assert read_on(log) == whole(path), count
    assert read_on(log) == whole(path), "and once more, without anything new"


def test_a_last_line_without_an_end_counts_once(tmp_path: Path) -> None:
    path, data = without_companions(SESSIONS[0], tmp_path)
    path.write_bytes(data.rstrip(b"\n"))
    log = followed(path)
    assert read_on(log) == whole(path)
    path.write_bytes(data)
    assert read_on(log) == whole(path)


@pytest.mark.parametrize("change", ["cut short", "rewritten", "another file", "grown in a line", "not JSON"])
def test_what_is_not_a_growth_is_refused(change: str, tmp_path: Path) -> None:
    path, data = without_companions(SESSIONS[0], tmp_path)
    lines = data.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) if change != "grown in a line" else data.rstrip(b"\n"))
    log = followed(path)
    read_on(log)
    path.write_bytes(
        {
            "cut short": b"".join(lines[:3]),
            "rewritten": data.replace(b"msg_", b"new_"),
            "another file": b"".join([*lines[3:], *lines]),
            "grown in a line": data.rstrip(b"\n") + b"}\n",
            "not JSON": b"".join(lines[:-1]) + b"[1, 2\n",
        }[change]
    )
    with pytest.raises(CannotFollowError):
        read_on(log)


def test_a_subagent_that_appears_is_read_once_and_ends_it(tmp_path: Path) -> None:
    path, data = without_companions(SESSIONS[0], tmp_path)
    path.write_bytes(data)
    log = followed(path)
    read_on(log)
    agents = path.with_suffix("") / "subagents"
    agents.mkdir(parents=True)
    (agents / "agent-1.jsonl").write_bytes(data.replace(b"msg_", b"sub_").replace(b'"uuid":"', b'"uuid":"s'))
    assert not log.is_spent
    assert read_on(log) == whole(path)
    assert log.is_spent


def test_compressed_logs_and_other_formats_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl.gz"
    path.write_bytes(gzip.compress(SESSIONS[0].read_bytes()))
    assert follow(path, reader_of(path)) is None
    other = LOGS / "litellm_log" / "standard_logging.jsonl"
    assert follow(other, reader_of(other)) is None


KINDS = {
    "Codex session": LOGS / "codex" / "rollout.jsonl",
    "tokenprof": LOGS.parent / "release_0_1" / "run.jsonl",
    "Claude Code session": LOGS / "session_log" / "session_2.1.330.jsonl",
}


@pytest.mark.parametrize("form", KINDS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5))
def test_wherever_it_was_cut(form: str, cuts: list[float], tmp_path: Path) -> None:
    whole = KINDS[form].read_bytes()
    # So much that the format is known.
    least = whole.index(b"\n") + 1
    path, followed = tmp_path / "log.jsonl", FollowedLogs()
    for share in [*sorted(cuts), 1.0]:
        path.write_bytes(whole[: max(least, round(share * len(whole)))])
        reader = reader_of(path)
        assert followed.read(path, reader) == reader.read(path)


@pytest.mark.parametrize("form", KINDS)
def test_only_what_was_appended_to_any_kind_is_read(form: str, tmp_path: Path) -> None:
    lines = KINDS[form].read_bytes().splitlines(keepends=True)
    path, followed = tmp_path / "log.jsonl", FollowedLogs()
    path.write_bytes(b"".join(lines[:-1]))
    reader = reader_of(path)
    assert form == reader.FORMAT
    followed.read(path, reader)
    path.write_bytes(b"".join(lines))
    assert followed.read(path, reader) == reader.read(path)
    assert followed.read_bytes == len(lines[-1])


@pytest.mark.parametrize("form", KINDS)
def test_a_line_that_is_not_a_record_is_left_to_a_whole_reading(form: str, tmp_path: Path) -> None:
    lines = KINDS[form].read_bytes().splitlines(keepends=True)
    path, followed = tmp_path / "log.jsonl", FollowedLogs()
    path.write_bytes(b"".join(lines[:-1]))
    reader = reader_of(path)
    followed.read(path, reader)
    path.write_bytes(b"".join([*lines[:-1], b"not JSON\n", lines[-1]]))
    try:
        fresh: object = reader.read(path)
    except InputError as error:
        fresh = str(error)
    try:
        grown: object = followed.read(path, reader)
    except InputError as error:
        grown = str(error)
    assert grown == fresh


def test_every_reader_that_can_follow_is_tried_here() -> None:
    from tokenprof.reading.formats import transcript_readers

    following = {each.FORMAT for each in transcript_readers() if hasattr(each, "follow")} | {"tokenprof"}
    assert following == set(KINDS)
    assert follow(KINDS["tokenprof"], reader_of(KINDS["tokenprof"])) is not None

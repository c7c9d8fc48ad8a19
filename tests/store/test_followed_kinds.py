"""Each kind of log that is read on where it stopped says what a fresh reading says, wherever it was cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokenprof.facts.errors import InputError
from tokenprof.reading.formats import reader_of
from tokenprof.store.ingest.followed_log import follow
from tokenprof.store.ingest.followed_logs import FollowedLogs

DATA = Path(__file__).parents[1] / "data"
LOGS = {
    "Codex session": DATA / "logs" / "codex" / "rollout.jsonl",
    "tokenprof": DATA / "release_0_1" / "run.jsonl",
    "Claude Code session": DATA / "logs" / "session_log" / "session_2.1.330.jsonl",
}


@pytest.mark.parametrize("form", LOGS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5))
def test_wherever_it_was_cut(form: str, cuts: list[float], tmp_path: Path) -> None:
    whole = LOGS[form].read_bytes()
    # So much that the format is known.
    least = whole.index(b"\n") + 1
    path, followed = tmp_path / "log.jsonl", FollowedLogs()
    for share in [*sorted(cuts), 1.0]:
        path.write_bytes(whole[: max(least, round(share * len(whole)))])
        reader = reader_of(path)
        assert followed.read(path, reader) == reader.read(path)


@pytest.mark.parametrize("form", LOGS)
def test_only_what_was_appended_is_read(form: str, tmp_path: Path) -> None:
    lines = LOGS[form].read_bytes().splitlines(keepends=True)
    path, followed = tmp_path / "log.jsonl", FollowedLogs()
    path.write_bytes(b"".join(lines[:-1]))
    reader = reader_of(path)
    assert form == reader.FORMAT
    followed.read(path, reader)
    path.write_bytes(b"".join(lines))
    assert followed.read(path, reader) == reader.read(path)
    assert followed.read_bytes == len(lines[-1])


@pytest.mark.parametrize("form", LOGS)
def test_a_line_that_is_not_a_record_is_left_to_a_whole_reading(form: str, tmp_path: Path) -> None:
    lines = LOGS[form].read_bytes().splitlines(keepends=True)
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
    assert following == set(LOGS)
    assert follow(LOGS["tokenprof"], reader_of(LOGS["tokenprof"])) is not None

"""A log that is read on as it grows gives, each time, what a reading from its beginning gives."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from tokenprof.facts.types import Run
from tokenprof.reading.formats import reader_of
from tokenprof.store.ingest.followed_log import CannotFollowError, FollowedLog, follow

LOGS = Path(__file__).parents[1] / "data" / "logs"
SESSIONS = sorted(path for path in (LOGS / "session_log").glob("*.jsonl"))


def followed(path: Path) -> FollowedLog:
    found = follow(path, reader_of(path))
    assert found is not None
    return found


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
        assert log.read_on() == whole(path), end


def test_line_after_line(tmp_path: Path) -> None:
    path, data = without_companions(SESSIONS[0], tmp_path)
    lines = data.splitlines(keepends=True)
    path.write_bytes(lines[0])
    log = followed(path)
    for count in range(1, len(lines) + 1):
        path.write_bytes(b"".join(lines[:count]))
        assert log.read_on() == whole(path), count
    assert log.read_on() == whole(path), "and once more, without anything new"


def test_a_last_line_without_an_end_counts_once(tmp_path: Path) -> None:
    path, data = without_companions(SESSIONS[0], tmp_path)
    path.write_bytes(data.rstrip(b"\n"))
    log = followed(path)
    assert log.read_on() == whole(path)
    path.write_bytes(data)
    assert log.read_on() == whole(path)


@pytest.mark.parametrize("change", ["cut short", "rewritten", "another file", "grown in a line", "not JSON"])
def test_what_is_not_a_growth_is_refused(change: str, tmp_path: Path) -> None:
    path, data = without_companions(SESSIONS[0], tmp_path)
    lines = data.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) if change != "grown in a line" else data.rstrip(b"\n"))
    log = followed(path)
    log.read_on()
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
        log.read_on()


def test_a_subagent_that_appears_ends_it(tmp_path: Path) -> None:
    path, data = without_companions(SESSIONS[0], tmp_path)
    path.write_bytes(data)
    log = followed(path)
    log.read_on()
    agents = path.with_suffix("") / "subagents"
    agents.mkdir(parents=True)
    (agents / "agent-1.jsonl").write_bytes(data)
    with pytest.raises(CannotFollowError):
        log.read_on()


def test_compressed_logs_and_other_formats_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl.gz"
    path.write_bytes(gzip.compress(SESSIONS[0].read_bytes()))
    assert follow(path, reader_of(path)) is None
    other = LOGS / "litellm_log" / "standard_logging.jsonl"
    assert follow(other, reader_of(other)) is None

"""A log that grew is read on by another process, from what an earlier one kept without texts."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tokenprof.facts.remembered import SWITCH
from tokenprof.facts.types import Run
from tokenprof.reading.formats import reader_of
from tokenprof.store.ingest import kept_readings
from tokenprof.store.ingest.followed_logs import FollowedLogs
from tokenprof.store.ingest.kept_readings import folder_of_readings, kept_reading

DATA = Path(__file__).parents[1] / "data"
SESSIONS = DATA / "logs" / "session_log"
LOGS = {
    "Codex": DATA / "logs" / "codex" / "rollout.jsonl",
    "own": DATA / "release_0_1" / "run.jsonl",
    "with request records": SESSIONS / "session_2.1.330.jsonl",
    "without them": SESSIONS / "8463c716-a2ea-4c14-9efa-87158ebd9f20.jsonl",
}


@pytest.fixture(autouse=True)
def everything_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "on")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_readings, "LEAST_BYTES", 0)
    monkeypatch.setattr(kept_readings, "WORTH_KEEPING", 0.0)


def folder() -> Path:
    found = folder_of_readings()
    assert found is not None
    return found


def by_another_process(path: Path) -> tuple[Run, int]:
    """The run of a log, read by somebody who has nothing in hand, and how many bytes of it were read."""
    followed = FollowedLogs(most=0)
    return followed.read(path, reader_of(path)), followed.read_bytes


def whole(path: Path) -> Run:
    return reader_of(path).read(path)


def growths(data: bytes, seed: int, count: int = 5) -> Iterator[bytes]:
    rng = random.Random(seed)
    first = data.index(b"\n") + 1
    for end in sorted({first, *(rng.randrange(first, len(data)) for _ in range(count)), len(data)}):
        yield data[:end]


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("seed", range(6))
def test_wherever_it_was_cut(name: str, seed: int, tmp_path: Path) -> None:
    path = tmp_path / LOGS[name].name
    for data in growths(LOGS[name].read_bytes(), seed):
        path.write_bytes(data)
        assert by_another_process(path)[0] == whole(path), len(data)


@pytest.mark.parametrize("seed", range(6))
def test_with_subagents_of_which_some_come_later_and_grow(seed: int, tmp_path: Path) -> None:
    data = LOGS["without them"].read_bytes()
    path = tmp_path / LOGS["without them"].name
    agents = path.with_suffix("") / "subagents"
    agents.mkdir(parents=True)
    (source,) = (SESSIONS / path.stem / "subagents").glob("agent-a7*.jsonl")
    parts = list(growths(source.read_bytes(), seed, 3))
    for number, begun in enumerate(growths(data, seed)):
        path.write_bytes(begun)
        if number:
            (agents / source.name).write_bytes(parts[min(number, len(parts)) - 1])
        assert by_another_process(path)[0] == whole(path), number
        assert by_another_process(path)[1] == 0, "nothing of the main file is read twice"


def test_only_what_was_appended_is_read(tmp_path: Path) -> None:
    for name in ("own", "with request records", "without them"):
        path, data = tmp_path / LOGS[name].name, LOGS[name].read_bytes()
        lines = data.splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:-1]))
        assert by_another_process(path)[1] == len(data) - len(lines[-1])
        path.write_bytes(data)
        assert by_another_process(path)[1] == len(lines[-1])


@pytest.mark.parametrize(
    "change", ["cut short", "rewritten", "a byte in the middle", "rotated", "a new name"]
)
def test_a_log_that_does_not_begin_with_what_was_read_is_read_whole(change: str, tmp_path: Path) -> None:
    path, data = tmp_path / "log.jsonl", LOGS["without them"].read_bytes()
    lines = data.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-5]))
    by_another_process(path)
    kept = path.read_bytes()
    at = kept.index(b'"output_tokens":', len(kept) // 2) + len(b'"output_tokens":')
    if change == "cut short":
        path.write_bytes(b"".join(lines[:5]))
    elif change == "rewritten":
        path.write_bytes(kept.replace(b"msg_", b"new_") + b"".join(lines[-5:]))
    elif change == "a byte in the middle":
        path.write_bytes(kept[:at] + b"7" + kept[at + 1 :] + b"".join(lines[-5:]))
    elif change == "rotated":
        path.rename(path.with_suffix(".1"))
        path.write_bytes(b"".join(lines[:8]).replace(b"msg_", b"new_"))
    else:
        path = path.rename(path.with_name("renamed.jsonl"))
    found, read_bytes = by_another_process(path)
    assert found == whole(path)
    assert read_bytes == path.stat().st_size


@pytest.mark.parametrize("damage", ["cut", "turned", "emptied", "of others"])
def test_what_was_kept_and_is_damaged_is_not_used(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(LOGS["without them"].read_bytes())
    by_another_process(path)
    (kept,) = folder().iterdir()
    data = kept.read_bytes()
    if damage == "of others":
        kept.chmod(0o666)
    else:
        cut = {"cut": data[: len(data) // 2], "turned": data[:-1] + b"\0", "emptied": b""}[damage]
        kept.write_bytes(cut)
    assert kept_reading(path) is None
    assert by_another_process(path)[0] == whole(path)


def texts_in(value: object, key: str = "") -> Iterator[str]:
    """The strings of a log's line that somebody said or wrote."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from texts_in(each, str(name))
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each, key)
    elif isinstance(value, str) and " " in value and len(value) > 12:
        yield value


@pytest.mark.parametrize("name", LOGS)
def test_no_text_is_kept(name: str, tmp_path: Path) -> None:
    data = LOGS[name].read_bytes()
    path = tmp_path / LOGS[name].name
    lines = data.splitlines(keepends=True)
    for count in range(1, len(lines) + 1):
        path.write_bytes(b"".join(lines[:count]))
        by_another_process(path)
        for kept in folder().iterdir() if folder().is_dir() else ():
            told = zlib.decompress(kept.read_bytes()[16:])
            found = {text for line in lines for text in texts_in(orjson.loads(line)) if text.encode() in told}
            assert not found

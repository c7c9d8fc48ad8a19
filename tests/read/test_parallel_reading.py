"""Files read by several processes: the same run, whatever happens to a process or to the reading."""

import os
import shutil
from pathlib import Path

import pytest

from tokenprof.commands.console.progress_line import ProgressLine, line_of
from tokenprof.facts.errors import InputError
from tokenprof.reading.files import read, whole_run
from tokenprof.reading.parallel import (
    BYTES_PER_PROCESS,
    GROUP_BYTES,
    processes_for,
    read_each,
    read_in_groups,
    usable_cores,
)
from tokenprof.reading.progress import Progress
from tokenprof.reading.usage_only import read_usage

LOGS = Path(__file__).parent.parent / "data" / "logs"
CODEX, STREAM = LOGS / "codex" / "rollout.jsonl", LOGS / "stream_json" / "stream.jsonl"


@pytest.mark.slow
def test_two_processes_read_what_one_reads():
    assert read(LOGS, jobs=2) == read(LOGS)


@pytest.mark.slow
def test_two_processes_read_the_same_bills(tmp_path):
    for number in range(3):
        shutil.copy(STREAM, tmp_path / f"{number}.jsonl")
    (tmp_path / "damaged.jsonl").write_bytes(CODEX.read_bytes()[:-9])
    one, two = read_usage(tmp_path), read_usage(tmp_path, jobs=2)
    assert two == one
    assert "is cut short" in " ".join(two.warnings)


def whole_run_unless_in_a_child(path, form):
    if os.getppid() == int(os.environ["PARENT_OF_THE_TEST"]):
        os._exit(9)
    return whole_run(path, form)


@pytest.mark.slow
def test_files_of_a_process_that_was_killed_are_read_by_the_parent(monkeypatch):
    monkeypatch.setenv("PARENT_OF_THE_TEST", str(os.getpid()))
    files = [(CODEX, "Codex session"), (STREAM, "Claude Code output")]
    found = dict(read_each(files, whole_run_unless_in_a_child, jobs=2))
    assert found == {0: whole_run(*files[0]), 1: whole_run(*files[1])}


def names_of_group(group):
    return os.getpid(), [path.name for path, *_ in group]


def names_unless_in_a_child(group):
    if os.getppid() == int(os.environ["PARENT_OF_THE_TEST"]):
        os._exit(9)
    return names_of_group(group)


@pytest.fixture
def files_of_half_a_group(tmp_path):
    files = [(tmp_path / f"{number}.jsonl",) for number in range(9)]
    for (path,) in files:
        path.write_bytes(b"")
        os.truncate(path, GROUP_BYTES // 2)
    return files


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_groups_hold_each_file_once(files_of_half_a_group, jobs):
    told = []
    found = list(read_in_groups(files_of_half_a_group, names_of_group, jobs, told.append))
    assert sorted(len(names) for _, names in found) == [1, 2, 2, 2, 2]
    assert sorted(name for _, names in found for name in names) == [f"{n}.jsonl" for n in range(9)]
    assert os.getpid() in {process for process, _ in found}
    assert (told[-1].files, told[-1].bytes) == (9, 9 * (GROUP_BYTES // 2))


@pytest.mark.slow
def test_groups_of_a_process_that_was_killed_are_read_by_the_parent(monkeypatch, files_of_half_a_group):
    monkeypatch.setenv("PARENT_OF_THE_TEST", str(os.getpid()))
    found = list(read_in_groups(files_of_half_a_group, names_unless_in_a_child, jobs=2))
    assert sorted(name for _, names in found for name in names) == [f"{n}.jsonl" for n in range(9)]


def stop_after_one(progress):
    if progress.files == 1:
        raise KeyboardInterrupt


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_interrupted_reading_keeps_what_was_read_and_says_what_is_missing(tmp_path, jobs):
    for number in range(3):
        (tmp_path / f"{number}.jsonl").write_bytes(CODEX.read_bytes())

    def stop_after_two(progress):
        if progress.files == 2:
            raise KeyboardInterrupt

    run = read(tmp_path, jobs=jobs, watch=stop_after_two, keeps_part=True)
    assert len(run.turns) == len(read(CODEX).turns)
    assert (
        "Reading was interrupted: 1 of 3 files were read, and what the others hold is not in this report."
        in run.warnings
    )


def test_an_interrupted_reading_ends_unless_a_part_is_wanted(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        read([CODEX, STREAM], watch=stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        read([CODEX, STREAM], watch=stop_after_one, keeps_part=True)


@pytest.mark.slow
def test_a_named_file_that_cannot_be_read_is_an_error_in_several_processes_too(tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(CODEX.read_bytes().splitlines()[0] + b"\n")
    bad.chmod(0)
    if os.access(bad, os.R_OK):
        bad.unlink()
    with pytest.raises(InputError, match=r"bad\.jsonl"):
        read([bad, STREAM], jobs=2)


def test_further_processes_start_only_if_they_are_worth_it():
    assert processes_for(BYTES_PER_PROCESS, 10, None) == 1
    assert processes_for(2 * BYTES_PER_PROCESS, 10, None) == min(2, usable_cores())
    assert processes_for(10**12, 1, None) == 1
    assert processes_for(1, 10, 3) == 3
    assert processes_for(1, 2, 3) == 2
    assert processes_for(0, 0, None) == 1


def test_progress_says_rate_and_time_left():
    progress = Progress(files=3, all_files=1200, bytes=40_000_000, all_bytes=100_000_000, seconds=4.0)
    assert progress.bytes_per_s == 10_000_000
    assert progress.seconds_left == 6.0
    assert line_of(progress) == "reading 3 of 1,200 files · 40 % · 10.0 MB/s · 6 s left"
    assert line_of(Progress(0, 2, 0, 0, 0.0)) == "reading 0 of 2 files"


def test_progress_is_not_drawn_where_nobody_sees_it(capsys):
    line = ProgressLine()
    line(Progress(3, 4, 10, 20, 60.0))
    line.end()
    assert capsys.readouterr().err == ""

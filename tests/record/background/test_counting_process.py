"""The process that counts tokens: right counts, no trace in the host, no life of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import WATCHDOG_S, wait_until

from tokenprof.record.background import counting_process
from tokenprof.record.background.counting import count_tokens
from tokenprof.record.background.counting_process import CountingProcess

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the process is started by a POSIX shell")

PROGRAM = """
import os, sys, time
from tokenprof.record.background.counting_process import COUNTING_PROCESS
COUNTING_PROCESS.count(["a"])
print("counted", flush=True)
"""


def _serving(host: int) -> list[int]:
    """Return the counting processes that were started for a host."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(word.endswith(b"counting.py") for word in words) and str(host).encode() in words:
                found.append(int(entry.name))
    return found


@pytest.fixture(name="counter")
def _counter() -> Iterator[CountingProcess]:
    made = CountingProcess()
    yield made
    made.close()


def test_it_counts_what_the_tokenizer_counts(counter: CountingProcess) -> None:
    texts = ["hello world", "", "zwölf Boxkämpfer", "中文" * 5000, "<|endoftext|>", "x" * 100_000]
    assert counter.count(texts) == count_tokens(texts)


def test_half_a_character_is_counted_as_one_that_cannot_be_read(counter: CountingProcess) -> None:
    assert counter.count(["x\ud800"]) == count_tokens(["x?"])


def test_it_is_not_a_child_of_the_host_and_a_killed_one_is_replaced(counter: CountingProcess) -> None:
    counter.count(["a"])
    first = set(_serving(os.getpid()))
    with pytest.raises(ChildProcessError):
        os.waitpid(next(iter(first)), os.WNOHANG)
    for process in first:
        os.kill(process, signal.SIGKILL)
    assert counter.count(["hello world"]) == count_tokens(["hello world"])


@pytest.mark.slow
@pytest.mark.parametrize("end", ["", "time.sleep(600)"], ids=["ends", "is killed"])
def test_it_ends_with_its_host(end: str) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM + end], stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"counted\n"
        if end:
            assert _serving(host.pid)
            host.kill()
        host.wait(timeout=WATCHDOG_S)
        wait_until(lambda: not _serving(host.pid), "the counting process has ended")


def test_a_descriptor_that_the_host_has_taken_over_is_left_alone(
    counter: CountingProcess, tmp_path: Path
) -> None:
    counter.count(["a"])
    taken = counter._descriptor
    ours = os.open(tmp_path / "host's own", os.O_RDWR | os.O_CREAT)
    os.dup2(ours, taken)
    assert counter.count(["hello world"]) == count_tokens(["hello world"])
    assert os.fstat(taken).st_ino == os.fstat(ours).st_ino
    assert (tmp_path / "host's own").read_bytes() == b""
    os.close(taken)
    os.close(ours)


@pytest.mark.parametrize("name", ["uwsgi", "", "my-frozen-app"])
def test_a_program_that_is_not_python_is_never_started_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", f"/usr/bin/{name}" if name else "")
    monkeypatch.setattr(CountingProcess, "_start", lambda self: pytest.fail("started"))
    assert CountingProcess().count(["a", "b"]) == [{}, {}]


def test_where_nothing_can_be_started_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokenprof.record.background.counting_process.START", "exit 1")
    assert CountingProcess().count(["a"]) == [{}]


def test_a_descriptor_that_the_host_has_closed_is_replaced(counter: CountingProcess) -> None:
    counter.count(["a"])
    os.close(counter._descriptor)
    assert counter.count(["hello world"]) == count_tokens(["hello world"])


def test_many_texts_are_sent_in_parts(counter: CountingProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting_process, "MOST_BYTES_AT_ONCE", 10)
    texts = ["hello", "world", "!", "x" * 30, "", "last"]
    assert [list(part) for part in counting_process._parts(texts)] == [
        ["hello", "world"],
        ["!"],
        ["x" * 30],
        ["", "last"],
    ]
    assert counter.count(texts) == count_tokens(texts)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_counts_with_a_process_of_its_own(counter: CountingProcess, tmp_path: Path) -> None:
    counter.count(["a"])
    child = os.fork()
    if not child:
        counted = counter.count(["hello world"])
        (tmp_path / "counted").write_text(f"{counted} {len(_serving(os.getpid()))} {counter.is_ready()}")
        counter.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert (tmp_path / "counted").read_text() == f"{count_tokens(['hello world'])} 1 True"
    assert counter.is_ready()


def test_a_process_that_ends_without_an_answer_is_tried_once_more_and_given_up_in_the_end(
    counter: CountingProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def ends_at_once() -> list[str]:
        started.append("again")
        return [sys.executable, "-c", "import sys; sys.stdin.buffer.read(8)"]

    monkeypatch.setattr(counting_process, "_command", ends_at_once)
    for _ in range(5):
        assert counter.count(["a"]) == [{}]
    # Each of three failures is tried twice; then nothing is started any more.
    assert len(started) == 2 * counting_process.MOST_FAILURES

"""Forks, spawned workers, thread pools, full disks, deleted files, slow listeners, killed processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hosts import AT_ONCE, URL, Provider, accounted, body_of
from waiting import WATCHDOG_S, wait_for_the_recorder, wait_until

import tokenprof
from tokenprof.reading.files import read
from tokenprof.record.background.appended_file import AppendedFile
from tokenprof.record.turn_log import TurnLog

pytestmark = pytest.mark.slow

FOLDERS = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

CHILD = """
import os, sys, time
sys.path[:0] = {folders!r}
import httpx
import tokenprof
from hosts import URL, Provider, body_of
from waiting import wait_for_the_recorder

def ask(number=0):
    with httpx.Client(transport=httpx.MockTransport(Provider())) as client:
        return client.post(URL, json=body_of(f"call {{number}} of {{os.getpid()}}")).status_code
"""


def run_program(folder: Path, program: str, *arguments: str, check: bool = True) -> str:
    """Run a program in a file of its own, as spawned workers need."""
    script = folder / "host_program.py"
    script.write_text(CHILD.format(folders=FOLDERS) + program)
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def calling(provider: Provider | None = None) -> Iterator[Any]:
    with httpx.Client(transport=httpx.MockTransport(provider or Provider())) as client:
        yield lambda text="x": client.post(URL, json=body_of(text)).json()["id"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_calls_of_worker_processes_are_recorded(method: str, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    program = """
import multiprocessing
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[2])
    with tokenprof.profile(sys.argv[1], tags={"team": "a"}):
        ask()
        workers = [context.Process(target=ask, args=(number,)) for number in range(4)]
        for worker in workers: worker.start()
        for worker in workers: worker.join()
        assert [worker.exitcode for worker in workers] == [0] * 4
"""
    run_program(tmp_path, program, str(path), method)
    run = read([path])
    assert len(run.turns) == 5
    assert run.problems == ()
    assert {turn.tags["team"] for turn in run.turns} == {"a"}


def test_children_forked_while_threads_call_neither_hang_nor_lose_calls(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    program = """
import threading
with tokenprof.profile(sys.argv[1]):
    stop = threading.Event()
    asked = []
    def busy():
        while not stop.is_set():
            ask()
            asked.append(1)
            time.sleep(0.005)
    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads: thread.start()
    for number in range(8):
        child = os.fork()
        if not child:
            ask(number)
            sys.exit(0)
        os.waitpid(child, 0)
    stop.set()
    for thread in threads: thread.join()
print(len(asked))
"""
    asked = run_program(tmp_path, program, str(path))
    run, calls = accounted(path)
    # A child that leaves by `sys.exit` inside the block closes its own share of the recording.
    assert calls == int(asked) + 8
    assert run.problems == ()


def test_processes_that_share_a_file_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    program = """
with tokenprof.profile(sys.argv[1]):
    for number in range(100):
        ask(number)
"""
    script = tmp_path / "host_program.py"
    script.write_text(CHILD.format(folders=FOLDERS) + program)
    processes = [subprocess.Popen([sys.executable, str(script), str(path)]) for _ in range(4)]
    assert [process.wait(WATCHDOG_S) for process in processes] == [0] * 4
    run = read([path])
    assert len(run.turns) == 400
    assert run.problems == ()


def test_a_pool_works_for_whoever_gave_it_the_work(tmp_path: Path) -> None:
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    with calling() as ask, ThreadPoolExecutor(2) as pool:
        ready, both = [], threading.Barrier(2)

        def tenant(path: Path) -> None:
            with tokenprof.profile(path):
                both.wait()
                for _ in range(5):
                    pool.submit(ask).result()
                    ask()
                both.wait()
            ready.append(path)

        tenants = [threading.Thread(target=tenant, args=(path,)) for path in paths]
        for thread in tenants:
            thread.start()
        for thread in tenants:
            thread.join()
    assert [len(read([path]).turns) for path in paths] == [10, 10]


def test_a_call_that_may_be_another_tenant_s_is_in_neither_recording_and_both_say_so(tmp_path: Path) -> None:
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    both = threading.Barrier(3)
    done = threading.Event()

    def tenant(path: Path, ask: Any) -> None:
        with tokenprof.profile(path):
            ask()
            both.wait()
            done.wait()

    with calling() as ask:
        tenants = [threading.Thread(target=tenant, args=(path, ask)) for path in paths]
        for thread in tenants:
            thread.start()
        both.wait()
        ask()  # on a thread that belongs to neither
        done.set()
        for thread in tenants:
            thread.join()
    for path in paths:
        run = read([path])
        assert len(run.turns) == 1
        assert [problem.reason for problem in run.problems] == ["unassigned"]


class Disk:
    """`os.write`, with a disk that takes only the first bytes of a line while it is full."""

    def __init__(self) -> None:
        self.is_full = False
        self._write = os.write

    def write(self, descriptor: int, data: bytes) -> int:
        if self.is_full and bytes(data[:20]).lstrip().startswith(b'{"resourceSpans"'):
            self._write(descriptor, data[:40])
            raise OSError(28, "No space left on device")
        return self._write(descriptor, data)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr("os.write", disk.write)
    return disk


def test_a_disk_that_was_full_once_costs_nothing(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "run.jsonl"
    with calling() as ask, tokenprof.profile(path):
        ask()
        wait_for_the_recorder()
        disk.is_full = True
        ask()
        wait_for_the_recorder()
        disk.is_full = False
        ask()
    run = read([path])
    assert len(run.turns) == 3
    assert (run.problems, run.warnings) == ((), ())


def test_what_a_disk_refuses_to_the_end_is_missing_and_said_to_be(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "run.jsonl"
    with calling() as ask, tokenprof.profile(path):
        ask()
        wait_for_the_recorder()
        disk.is_full = True
        for number in range(4):
            ask(str(number))
    assert [message.split(" /")[0] for message in caplog.messages] == [
        "tokenprof cannot write to",
        "tokenprof could not write 4 calls to",
    ]
    run = read([path])
    assert len(run.turns) == 1
    assert [(problem.reason, problem.calls) for problem in run.problems] == [("not_written", 4)]

    disk.is_full = False
    path.unlink()
    with calling() as ask, tokenprof.profile(path):
        ask()
    assert read([path]).problems == ()
    assert [found.name for found in tmp_path.iterdir()] == ["run.jsonl"]


def test_a_file_that_is_deleted_is_begun_again_and_what_was_in_it_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with calling() as ask, tokenprof.profile(path):
        ask()
        ask()
        wait_for_the_recorder()
        path.unlink()
        ask()
        ask()
    run = read([path])
    assert [(problem.reason, problem.calls) for problem in run.problems] == [("file_lost", 2)]
    assert len(run.turns) == 2


def test_a_descriptor_that_the_host_has_taken_over_is_left_alone(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    file = AppendedFile(ours)
    file.append(b"one\n")
    os.close(file._descriptor)
    taken = os.open(theirs, os.O_RDWR | os.O_CREAT)
    assert taken == file._descriptor
    file.append(b"two\n")
    file.close()
    os.write(taken, b"theirs")
    os.close(taken)
    assert (ours.read_bytes(), theirs.read_bytes()) == (b"one\ntwo\n", b"theirs")


def test_a_slow_listener_delays_neither_the_host_nor_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    release = threading.Event()

    def on_turn(cost: object) -> None:
        release.wait(WATCHDOG_S)
        sys.exit("a listener must not end the recorder")

    monkeypatch.setattr("tokenprof.record.recorder.end_waits", lambda: AT_ONCE)
    with calling() as ask:
        with tokenprof.profile(path, on_turn=on_turn):
            for _ in range(10):
                ask()
            wait_until(
                lambda: path.stat().st_size > 0 and len(read([path]).turns) == 10, "all calls are in the file"
            )
        release.set()
    run = read([path])
    assert len(run.turns) == 10
    assert run.problems == ()


def test_what_is_not_written_when_the_block_ends_is_noted_until_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    release = threading.Event()
    record = TurnLog.record

    def stalled(self: TurnLog, exchange: Any) -> Any:
        release.wait(WATCHDOG_S)
        return record(self, exchange)

    monkeypatch.setattr(TurnLog, "record", stalled)
    monkeypatch.setattr("tokenprof.record.recorder.end_waits", lambda: AT_ONCE)
    provider = Provider()
    with calling(provider) as ask, tokenprof.profile(path):
        for _ in range(5):
            ask()
    run, calls = accounted(path)
    assert (len(run.turns), calls) == (0, 5)
    assert {problem.reason for problem in run.problems} == {"unfinished"}
    release.set()
    wait_until(lambda: len(read([path]).turns) == 5, "the calls are written")
    assert read([path]).problems == ()


def test_calls_in_flight_when_the_block_ends_are_turns_without_a_bill(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    begun, release = threading.Barrier(4), threading.Event()

    def answer(request: httpx.Request) -> httpx.Response:
        begun.wait()
        release.wait(WATCHDOG_S)
        return Provider()(request)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        threads = [threading.Thread(target=lambda: client.post(URL, json=body_of("slow"))) for _ in range(3)]
        with tokenprof.profile(path):
            for thread in threads:
                thread.start()
            begun.wait()
        release.set()
        for thread in threads:
            thread.join()
    turns = read([path]).turns
    assert [(turn.status, turn.usage, turn.model) for turn in turns] == [("partial", None, "gpt-5.4")] * 3


def test_calls_that_time_out_may_be_billed_and_refused_connections_are_not(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    errors = iter([httpx.ReadTimeout("slow"), httpx.ConnectError("refused"), httpx.ConnectTimeout("slow")])

    def answer(request: httpx.Request) -> httpx.Response:
        raise next(errors)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client, tokenprof.profile(path):
        for _ in range(3):
            with pytest.raises(httpx.TransportError):
                client.post(URL, json=body_of("x"))
    run = read([path])
    assert [(problem.reason, problem.error) for problem in run.problems] == [("unknown_bill", "ReadTimeout")]


def test_answers_with_one_id_are_all_recorded(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"

    def answer(request: httpx.Request) -> httpx.Response:
        return Provider()(request)  # a provider of its own, which begins to count again

    with httpx.Client(transport=httpx.MockTransport(answer)) as client, tokenprof.profile(path):
        for _ in range(20):
            client.post(URL, json=body_of("x"))
    lines = path.read_text().splitlines()
    assert sum('"stringValue":"turn"' in line for line in lines) == 20


ODD = {
    "surrogate": '"\\ud800"',
    "nan": "NaN",
    "inf": "1e309",
    "big": str(2**70),
    "deep": "[" * 3000 + "]" * 3000,
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("where", ["request", "answer"])
def test_bodies_that_the_fast_parser_refuses_are_recorded(odd: str, where: str, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    answered = Provider()(httpx.Request("POST", URL, json=body_of("x"))).content.decode()
    request = json.dumps(body_of("x"))
    if where == "request":
        request = request[:-1] + f',"metadata":{ODD[odd]}}}'
    else:
        answered = answered[:-1] + f',"metadata":{ODD[odd]}}}'
    with (
        httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, text=answered))) as client,
        tokenprof.profile(path),
    ):
        client.post(URL, content=request)
    run, calls = accounted(path)
    assert calls == 1
    if odd != "deep":
        assert [turn.usage.input_tokens for turn in run.turns if turn.usage] == [10]


def test_a_killed_process_loses_at_most_what_is_in_flight(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    script = tmp_path / "host_program.py"
    program = """
with tokenprof.profile(sys.argv[1]):
    for number in range(10):
        ask(number)
    wait_for_the_recorder()
    print("asked", flush=True)
    time.sleep(600)
"""
    script.write_text(CHILD.format(folders=FOLDERS) + program)
    with subprocess.Popen([sys.executable, str(script), str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"asked\n"
        os.kill(process.pid, signal.SIGKILL)
    assert len(read([path]).turns) == 10


def test_an_event_loop_goes_on_while_an_asynchronous_block_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = TurnLog.record
    may_go_on = threading.Event()

    def waits_for_the_loop(self: TurnLog, exchange: Any) -> Any:
        assert may_go_on.wait(WATCHDOG_S)
        return record(self, exchange)

    monkeypatch.setattr(TurnLog, "record", waits_for_the_loop)

    async def host() -> None:
        client = httpx.AsyncClient(transport=httpx.MockTransport(Provider()))
        async with client, tokenprof.profile(tmp_path / "run.jsonl"):
            await client.post(URL, json=body_of("x"))
            # The loop can only do this if leaving the block does not stall it.
            asyncio.get_running_loop().call_later(0.05, may_go_on.set)

    asyncio.run(host())
    assert len(read([tmp_path / "run.jsonl"]).turns) == 1


def test_one_profile_may_be_nested_in_itself_and_shared_by_threads(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    profile = tokenprof.profile(path)
    with calling() as ask:
        with profile:
            ask()
            with profile:
                ask()
            ask()

        def worker() -> None:
            with profile:
                ask()

        threads = [threading.Thread(target=worker) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(read([path]).turns) == 7


def test_a_home_that_does_not_exist_and_a_bad_variable_stop_no_program(tmp_path: Path) -> None:
    program = """
import openai, tempfile
folder = tempfile.mkdtemp()
os.chmod(folder, 0o777)
os.chdir(folder)
os.environ.pop("HOME", None)
os.environ.pop("XDG_STATE_HOME", None)
open("file", "w").close()
os.environ["TOKENPROF_RUN"] = os.path.join(folder, "file", "run.jsonl")
client = tokenprof.wrap(openai.OpenAI(api_key="x"))
if os.geteuid() == 0:
    os.setuid(54321)
with tokenprof.profile(os.path.join(folder, "run.jsonl")):
    ask()
print(folder)
"""
    folder = Path(run_program(tmp_path, program).strip())
    assert len(read([folder / "run.jsonl"]).turns) == 1
    shutil.rmtree(folder)

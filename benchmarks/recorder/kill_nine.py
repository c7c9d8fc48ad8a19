"""Programs that are killed while they record: what is lost, and whether the file can be read every time.

    python benchmarks/recorder/kill_nine.py [--kills 1000] [--seed 1]

Each program is a fresh process that records calls, small ones and some of 400 kB, on several threads, and is
killed with SIGKILL after a random time of up to 0.9 s. It notes each call when its answer has been read. Half
of the programs continue the file of the one before. A call whose answer was read more than 250 ms before the
kill must be in the file, not counting the time for which the program was ready to run and the machine gave it
no core (the run delay of its threads, as Linux reports it; none on a machine with a core to spare). Exits
with 1 if one is not, if a file cannot be read, or if a process stays behind.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson

import tokenprof
from tokenprof.facts.errors import InputError
from tokenprof.reading.files import read

PROMISED_S = 0.25
LONGEST_LIFE_S = 0.9
PAUSE_S = 0.01
URL = "https://api.openai.com/v1/chat/completions"
LARGE = "a sentence of several words, again and again. " * 9_000


def _answer(request: httpx.Request) -> httpx.Response:
    name = orjson.loads(request.content)["messages"][0]["content"]
    message = {"role": "assistant", "content": "hi"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100_000, "completion_tokens": 5, "total_tokens": 100_005}
    head = {"id": name, "object": "chat.completion", "model": "gpt-5.4"}
    return httpx.Response(200, json={**head, "choices": [choice], "usage": usage})


def program(path: Path, answered: Path, name: str, seed: str) -> None:
    """Record calls until somebody kills this process."""
    notes = os.open(answered, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def work(thread: int) -> None:
        random_ = random.Random(f"{seed}/{thread}")
        with httpx.Client(transport=httpx.MockTransport(_answer)) as client:
            for number in range(10_000):
                call = f"{name}-{thread}-{number}"
                said: list[dict[str, Any]] = [{"role": "user", "content": call}]
                if random_.random() < 0.1:
                    said.append({"role": "user", "content": LARGE})
                client.post(URL, json={"model": "gpt-5.4", "messages": said})
                os.write(notes, json.dumps([call, time.monotonic()]).encode() + b"\n")
                time.sleep(PAUSE_S)

    with tokenprof.profile(path):
        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def started(run: Callable[[], None]) -> int:
    """Run a function in a fork of this process, which records nothing itself; return the child's id."""
    child = os.fork()
    if not child:
        try:
            run()
        finally:
            os._exit(1)
    return child


def waited_for_a_core_s(process: int) -> float:
    """Return the longest time for which a thread of a process was ready to run and did not [s]."""
    delays = [0]
    for entry in Path(f"/proc/{process}/task").glob("*/schedstat"):
        delays.append(int(entry.read_text().split()[1]))
    return max(delays) / 1e9


def kill(folder: Path, number: int, seed: int, path: Path) -> tuple[int, list[tuple[float, float]]]:
    """Start a program and kill it.

    Return how many calls it had answered, and for each lost one its age and how long the program has waited
    for a core.
    """
    answered = folder / f"answered-{number}"
    child = started(lambda: program(path, answered, f"p{number}", f"{seed}/{number}"))
    time.sleep(random.Random(f"{seed}/{number}").uniform(0.0, LONGEST_LIFE_S))
    killed, waited_s = time.monotonic(), waited_for_a_core_s(child)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if not answered.exists():
        return 0, []
    calls = [json.loads(line) for line in answered.read_text().splitlines()]
    recorded = {turn.id for turn in read([path]).turns} if path.exists() and path.stat().st_size else set()
    return len(calls), [(killed - at, waited_s) for call, at in calls if call not in recorded]


def left_behind(folder: Path) -> list[int]:
    """Return the processes that were started below a folder of temporary files and are still there."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"TMPDIR={folder}".encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return [process for process in found if process != os.getpid()]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began, calls, unreadable = time.monotonic(), 0, 0
    lost: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TMPDIR"] = name
        path = folder / "run-0.jsonl"
        for number in range(options.kills):
            if number % 2 == 0:
                path.unlink(missing_ok=True)
                path = folder / f"run-{number}.jsonl"
            try:
                answered, ages = kill(folder, number, options.seed, path)
            except InputError as error:
                unreadable += 1
                print(f"kill {number}: {error}", file=sys.stderr)
                continue
            calls += answered
            lost += ages
        until = time.monotonic() + 10
        while (behind := left_behind(folder)) and time.monotonic() < until:
            time.sleep(0.2)
    old = [age for age, _ in lost if age > PROMISED_S]
    late = [age for age, waited_s in lost if age - waited_s > PROMISED_S]
    print(f"{options.kills} kills in {time.monotonic() - began:.0f} s, {calls} answered calls")
    print(f"{unreadable} files that could not be read, {len(behind)} processes left behind")
    print(f"{len(lost)} calls lost, {len(old)} of them answered more than {PROMISED_S * 1000:.0f} ms before")
    print(f"{len(late)} of those less the time without a core; load {os.getloadavg()[0]:.1f}")
    print(f"oldest lost call: {max((age for age, _ in lost), default=0.0) * 1000:.0f} ms")
    return 1 if unreadable or late or behind else 0


if __name__ == "__main__":
    raise SystemExit(main())

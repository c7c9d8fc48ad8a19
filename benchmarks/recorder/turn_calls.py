"""How many calls of functions the recorder's thread makes for a turn, which load does not change.

    python benchmarks/recorder/turn_calls.py [--sdk openai]

A turn continues a conversation of 31 kB by a tool call and its result, as in `hot_path.py`. Its CPU time is
printed too; before each turn, other work takes the processor's caches, as a host's would. To compare with
other code, put that first: `PYTHONPATH=OTHER_CHECKOUT python benchmarks/recorder/turn_calls.py`.
"""

from __future__ import annotations

import argparse
import inspect
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import orjson
from hot_path import conversation, step
from loopback import answer

from tokenprof.record import names
from tokenprof.record.background.appended_file import AppendedFile
from tokenprof.record.background.fresh_ids import TRACE_BYTES, fresh_id
from tokenprof.record.background.settings import RecordingSettings
from tokenprof.record.exchange import Exchange
from tokenprof.record.turn_log import TurnLog
from tokenprof.record.wires import interpreter_of, wire_of

PATHS = {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}
SIZE_KB = 31
TURNS = 60
TURNS_OF_A_CONVERSATION = 20
SETTLED_AFTER = 2


def exchanges(sdk: str) -> Iterator[tuple[bool, Exchange]]:
    """Yield the exchanges of some conversations, and whether each continues its conversation."""
    wire = wire_of("POST", PATHS[sdk])
    assert wire is not None
    messages: list[dict[str, Any]] = []
    for number in range(TURNS):
        place = number % TURNS_OF_A_CONVERSATION
        if place:
            step(messages, f"{number}_then", sdk)
        else:
            messages = conversation(str(number), sdk, SIZE_KB)
        request = orjson.dumps({"messages": messages, "model": "a-model", "tools": [{"name": "read_file"}]})
        kind, body = answer(PATHS[sdk], request)
        now = time.time_ns()
        yield (
            place >= SETTLED_AFTER,
            Exchange(
                interpret=interpreter_of(wire),
                provider=wire.provider,
                request=request,
                started_ns=now,
                call=fresh_id(),
                target=PATHS[sdk],
                status_code=200,
                headers={"content-type": kind},
                body=body,
                first_byte_ns=now,
                ended_ns=now,
                complete=True,
                trace_id=fresh_id(TRACE_BYTES),
                span_id=fresh_id(),
            ),
        )


def counted(work: Callable[[], object]) -> tuple[int, int]:
    """Return how many calls some work makes, and of how many functions in Python."""
    calls, functions = 0, set[CodeType]()

    def note(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")
        if event == "call":
            functions.add(frame.f_code)

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls, len(functions)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sdk", choices=sorted(PATHS), default="anthropic")
    options = parser.parse_args()
    other_code, other_data = inspect.getsource(inspect), [float(number) for number in range(400_000)]
    took_ms: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        turns, counted_turns = (
            TurnLog(AppendedFile(Path(folder) / name), {names.RUN_ID: name}, RecordingSettings({}))
            for name in ("timed", "counted")
        )
        for continues, exchange in exchanges(options.sdk):
            compile(other_code, "other", "exec")
            sum(other_data)
            began = time.thread_time()
            turns.record(exchange)
            if continues:
                took_ms.append((time.thread_time() - began) * 1e3)
        calls: list[tuple[int, int]] = []
        for continues, exchange in exchanges(options.sdk):
            found = counted(lambda given=exchange: counted_turns.record(given))  # type: ignore[misc]
            if continues:
                calls.append(found)
    middle = sorted(calls)[len(calls) // 2]
    print(f"{options.sdk}: {middle[0]} calls of {middle[1]} functions in Python, ", end="")
    print(f"{statistics.median(took_ms):.2f} ms of CPU (least {min(took_ms):.2f})")


if __name__ == "__main__":
    main()

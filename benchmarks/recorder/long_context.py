"""What the recorder's own thread spends on a turn as contexts grow and conversations add up: CPU, bytes.

    python benchmarks/recorder/long_context.py [--turns 800] [--conversations 2000]

Exchanges go straight to what the recorder's thread does with them, so nothing else is in the figures. Tokens
are counted in another process; here their counts are made up, and written every 16 turns. The conversation
grows by one tool call and its result a turn, with a cache marker that moves along; `--conversations` are
others of four turns each in the same recording.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson
from hot_path import conversation, step
from loopback import answer

from tokenprof.record.background.appended_file import AppendedFile
from tokenprof.record.background.counting import VOCABULARIES
from tokenprof.record.background.settings import RecordingSettings
from tokenprof.record.exchange import Exchange
from tokenprof.record.turn_log import TurnLog
from tokenprof.record.wires import interpreter_of, wire_of

RESULT = Path(__file__).resolve().parent.parent / "results" / "long_context.json"
PATH = "/v1/messages"
WINDOW = 50
TURNS_OF_A_CONVERSATION = 4
COUNTED_EVERY = 16


def exchange_of(messages: list[dict[str, Any]]) -> Exchange:
    """Return a finished exchange, with the cache marker on the last message."""
    last = messages[-1]
    content = last["content"] if isinstance(last["content"], list) else [{"type": "text", "text": "Go on."}]
    marked = {**last, "content": [*content[:-1], {**content[-1], "cache_control": {"type": "ephemeral"}}]}
    body = {"max_tokens": 64, "messages": [*messages[:-1], marked], "model": "claude-opus-4-8"}
    request = orjson.dumps(body)
    kind, answered = answer(PATH, request)
    wire = wire_of("POST", PATH)
    assert wire is not None
    now_ns = time.time_ns()
    return Exchange(
        interpret=interpreter_of(wire),
        provider=wire.provider,
        request=request,
        started_ns=now_ns - 10**9,
        call=secrets.token_hex(8),
        target=PATH,
        client="anthropic",
        status_code=200,
        headers={"content-type": kind},
        body=answered,
        first_byte_ns=now_ns,
        ended_ns=now_ns,
        complete=True,
        trace_id=secrets.token_hex(16),
        span_id=secrets.token_hex(8),
    )


def recorded(turns: TurnLog, messages: list[dict[str, Any]]) -> tuple[float, int]:
    """Record one turn; return its CPU time in milliseconds and the bytes of its request."""
    exchange = exchange_of(messages)
    began = time.thread_time()
    turns.record(exchange)
    spent_ms = (time.thread_time() - began) * 1e3
    return spent_ms, len(exchange.request)


def write_counts(turns: TurnLog) -> None:
    """Write counts for the texts of the last turns, as their sizes in tokens would be."""
    texts = turns.take_uncounted()
    turns.write_counts({d: dict.fromkeys(VOCABULARIES, len(t) // 4) for d, t in texts.items()})


def measure(turns: int, conversations: int) -> dict[str, Any]:
    """Return the figures by place in the conversation and by number of conversations before."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.jsonl"
        log = TurnLog(AppendedFile(path), {"service.name": "benchmark"}, RecordingSettings())
        messages = conversation("long", "anthropic", 0)
        taken, sizes, written = [], [], []
        for turn in range(turns):
            step(messages, f"long_{turn}", "anthropic")
            spent_ms, size = recorded(log, messages)
            taken.append(spent_ms)
            if turn % COUNTED_EVERY == COUNTED_EVERY - 1:
                write_counts(log)
            sizes.append(size)
            written.append(path.stat().st_size)
        for at in range(150, turns, 300):
            window = slice(at - WINDOW // 2, at + WINDOW // 2)
            found[f"turn {at}"] = {
                "cpu_ms": statistics.median(taken[window]),
                "request_kb": statistics.median(sizes[window]) / 1e3,
            }
        found["bytes a turn"] = written[-1] / turns
        found["bytes a turn at the end"] = (written[-1] - written[-WINDOW - 1]) / WINDOW
        path = Path(folder) / "many.jsonl"
        log = TurnLog(AppendedFile(path), {"service.name": "benchmark"}, RecordingSettings())
        taken = []
        for number in range(conversations):
            messages = conversation(str(number), "anthropic", 0)
            for turn in range(TURNS_OF_A_CONVERSATION):
                step(messages, f"{number}_{turn}", "anthropic")
                taken.append(recorded(log, messages)[0])
        found["after 100 conversations, ms"] = statistics.median(taken[400:800])
        found[f"after {conversations} conversations, ms"] = statistics.median(taken[-400:])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=800)
    parser.add_argument("--conversations", type=int, default=2000)
    options = parser.parse_args()
    found = measure(options.turns, options.conversations)
    for name, figure in found.items():
        print(f"{name:32}", figure if isinstance(figure, dict) else round(figure, 2))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    result = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "figures": found}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

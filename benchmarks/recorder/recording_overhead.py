"""What recording adds to a call, as the host sees it: rounds of bare and of recorded calls, in one run.

    python benchmarks/recorder/recording_overhead.py [--rounds 6] [--turns 5 100]

The provider is another process that answers from memory at once, so nothing but the client and the recorder
shares the interpreter. A call is timed from the request to the last byte; between calls the recorder is given
time to finish, as it has while a model writes. `CPU` is that of the whole process, the recorder's threads
included, until the recording is closed; opening one is measured before. `--turns` is how long the
conversation in the request is, at about 2 kB a turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import boto3
import openai
from loopback import provider

import tokenprof

Ask = Callable[[], object]

TEXT = "def f(value):\n    return [item for item in value if item.is_ready]\n" * 14
TOOLS = [
    {"name": name, "description": "Does one thing well. " * 20, "input_schema": {"type": "object"}}
    for name in ("read_file", "edit_file", "run", "search")
]
SETTLE_S = 0.1
CALLS_A_ROUND = 8


def conversation(turns: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Mend the tests."}]
    for turn in range(turns):
        messages += [
            {"role": "assistant", "content": f"I look at file {turn}. {TEXT}"},
            {"role": "user", "content": f"File {turn}:\n{TEXT}"},
        ]
    return messages


def ways(url: str, turns: int) -> dict[str, Ask]:
    said = conversation(turns)
    claude = anthropic.Anthropic(api_key="x", base_url=url)
    later = anthropic.AsyncAnthropic(api_key="x", base_url=url)
    gpt = openai.OpenAI(api_key="x", base_url=url)
    bedrock = boto3.client(
        *("bedrock-runtime", "us-east-1"),
        endpoint_url=url,
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    request: Any = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": said, "tools": TOOLS}
    chat: Any = {"model": "gpt-5.4", "messages": said}
    texts = [{"role": m["role"], "content": [{"text": m["content"]}]} for m in said]
    loop = asyncio.new_event_loop()
    return {
        "anthropic": lambda: claude.messages.create(**request),
        "anthropic, streamed": lambda: list(claude.messages.create(**request, stream=True)),
        "anthropic, asynchronous": lambda: loop.run_until_complete(later.messages.create(**request)),
        "openai, chat": lambda: gpt.chat.completions.create(**chat),
        "boto3, Converse": lambda: bedrock.converse(modelId="m", messages=texts),
    }


def timed(ask: Ask) -> float:
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--turns", type=int, nargs="+", default=[5, 100])
    options = parser.parse_args()
    with provider() as url:
        measure(url, options.rounds, options.turns)


def measure(url: str, rounds: int, lengths: list[int]) -> None:
    show_opening()
    print(
        f"{'':26}{'request':>9}{'bare':>10}{'recorded':>10}{'ratio':>7}{'CPU':>10}{'recorded':>10}{'ratio':>7}"
    )
    for turns in lengths:
        size_bytes = len(json.dumps([conversation(turns), TOOLS]))
        with tempfile.TemporaryDirectory() as folder:
            bare = ways(url, turns)
            with tokenprof.profile(Path(folder) / "clients.jsonl"):
                seen = ways(url, turns)
            for name in bare:
                wall: tuple[list[float], list[float]] = ([], [])
                cpu: tuple[list[float], list[float]] = ([], [])
                for number in range(rounds):
                    started = time.process_time()
                    wall[0].extend(settled(bare[name]))
                    cpu[0].append((time.process_time() - started) / (CALLS_A_ROUND + 1))
                    started = time.process_time()
                    with tokenprof.profile(Path(folder) / f"{name}{number}.jsonl"):
                        wall[1].extend(settled(seen[name]))
                    cpu[1].append((time.process_time() - started) / (CALLS_A_ROUND + 1))
                figures = ""
                for taken in (wall, cpu):
                    without, with_ = map(statistics.median, taken)
                    figures += f"{without * 1e3:7.2f} ms{with_ * 1e3:7.2f} ms{with_ / without:7.2f}"
                print(f"{name:26}{size_bytes / 1e3:6.0f} kB{figures}", flush=True)


def show_opening() -> None:
    """Show what opening the first profile of a process takes: CPU time and memory."""
    program = (
        "import resource, sys, time, openai, httpx, tokenprof\n"
        "before, mb = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "tokenprof.profile(sys.argv[1]).__enter__()\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(f'opening: {(time.process_time() - before) * 1e3:.0f} ms CPU, {(after - mb) / 1024:.1f} MB')"
    )
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", program, str(Path(folder) / "run.jsonl")], check=True)


def settled(ask: Ask) -> list[float]:
    """Return the times of some calls, after a first one to warm up."""
    taken = []
    for _ in range(CALLS_A_ROUND + 1):
        taken.append(timed(ask))
        time.sleep(SETTLE_S)
    return taken[1:]


if __name__ == "__main__":
    main()

"""How long a recorded call stops the host's main thread, beside how long an unrecorded one does.

    python benchmarks/recorder/stalls.py [--repeats 20] [--megabytes 1]

A thread makes the calls; the main thread does nothing but look at the clock every half millisecond. Calls
with and without a recording take turns in one process, each with a text that was not sent before: five kinds
of text, three clients. The provider is another process. The clients of the call before are collected before
each call: letting their certificates go takes 3 to 130 ms, in whichever call the collector happens to run.
Also printed: the longest time that leaving a block takes after a burst of calls that the recorder has not
read yet.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
from loopback import provider

import tokenprof

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "benchmarks" / "results" / "stalls.json"
LOOK_S = 0.0005


def texts(size: int) -> dict[str, Callable[[random.Random], str]]:
    """Return makers of texts of `size` characters, by kind."""
    words = [f"{'abcdefghij'[i % 10] * (i % 7 + 1)}{i}" for i in range(2000)]
    return {
        "prose": lambda random_: " ".join(random_.choices(words, k=size // 6))[:size],
        "hex": lambda random_: random_.randbytes(size // 2).hex(),
        "JSON": lambda random_: json.dumps(random_.choices(range(10**6), k=size // 8))[:size],
        "lists": lambda random_: ("- skill: " + random_.choice(words) + "\n") * (size // 16),
        "CJK": lambda random_: "".join(map(chr, random_.choices(range(0x4E00, 0x9000), k=size // 3))),
    }


def clients(url: str) -> dict[str, Callable[[str], object]]:
    """Return what makes a call with a text, by client."""
    claude = anthropic.Anthropic(api_key="x", base_url=url)
    gpt = openai.OpenAI(api_key="x", base_url=url)
    plain = httpx.Client()

    def said(text: str) -> Any:
        return [{"role": "user", "content": text}]

    return {
        "anthropic": lambda text: claude.messages.create(
            model="claude-opus-4-8", max_tokens=9, messages=said(text)
        ),
        "openai": lambda text: gpt.chat.completions.create(model="gpt-5.4", messages=said(text)),
        "httpx": lambda text: plain.post(
            f"{url}/v1/messages", json={"model": "claude-opus-4-8", "messages": said(text)}, timeout=60
        ),
    }


def longest_stall_s(work: Callable[[], object]) -> float:
    """Return the longest time between two looks at the clock while a thread works, and for a while after."""
    thread = threading.Thread(target=work)
    gc.collect()
    thread.start()
    longest, last = 0.0, time.perf_counter()
    until = None
    while until is None or last < until:
        time.sleep(LOOK_S)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
        if until is None and not thread.is_alive():
            until = now + 0.05
    return longest


def leaving_s(url: str, folder: Path, calls: int) -> float:
    """Return how long leaving a block takes right after a burst of large calls."""
    ask = clients(url)["httpx"]
    text = texts(300_000)["prose"](random.Random(1))
    with tokenprof.profile(folder / "burst.jsonl"):
        for number in range(calls):
            ask(f"{number} {text}")
        began = time.perf_counter()
    return time.perf_counter() - began


def measure(url: str, repeats: int, size: int) -> dict[str, Any]:
    """Return the median extra stall in milliseconds, by client and kind, and the longest of all."""
    random_ = random.Random(1)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for warm in (False, True):
            for client, kinds in ((client, texts(size)) for client in clients(url)):
                for kind, make in kinds.items():
                    extra, alone = [], []
                    for number in range(repeats if warm else 1):
                        ask = clients(url)[client]
                        bare, recorded = make(random_), make(random_)
                        without = longest_stall_s(lambda ask=ask, text=bare: ask(text))
                        with tokenprof.profile(Path(folder) / f"{client}{number}.jsonl"):
                            ask = clients(url)[client]
                            with_ = longest_stall_s(lambda ask=ask, text=recorded: ask(text))
                        extra.append((with_ - without) * 1e3)
                        alone.append(without * 1e3)
                    if warm:
                        found[f"{client}, {kind}"] = {
                            "without_ms": statistics.median(alone),
                            "extra_median_ms": statistics.median(extra),
                            "extra_longest_ms": max(extra),
                        }
        found["leaving a block after 200 calls of 300 kB, s"] = leaving_s(url, Path(folder), 200)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--megabytes", type=float, default=1.0)
    options = parser.parse_args()
    with provider() as url:
        found = measure(url, options.repeats, int(options.megabytes * 1e6))
    print(f"{'':22}{'without':>11}{'extra, median':>16}{'longest':>11}")
    for name, figures in found.items():
        if isinstance(figures, dict):
            without, median, longest = figures.values()
            print(f"{name:22}{without:8.1f} ms{median:+13.1f} ms{longest:+8.1f} ms")
        else:
            print(f"{name}: {figures:.2f}")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    result = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "repeats": options.repeats}
    RESULT.write_text(json.dumps({**result, "figures": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()

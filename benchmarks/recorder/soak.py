"""A long recording under faults: every answered call is there with its usage, and the host notices nothing.

    python benchmarks/recorder/soak.py [--calls 20000] [--seed 1]

Threads, tasks and forked processes call through three clients, whole and streamed, and one call in ten goes
through the proxy. The provider refuses some calls, cuts some streams and answers some so late that they are
cancelled. It writes what it has billed into a file, which the recording is compared with in the end. Exits
with 1 if a call came out otherwise than it should for the host, or if one is missing and not counted as
missing.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import orjson
from soaked_proxy import soak_proxy

import tokenprof
from tokenprof.reading.files import read

SLOW_S, PATIENCE_S = 0.2, 0.01
FAULTS = ("none",) * 16 + ("refused", "cut", "late", "left early")
CHAT = "/v1/chat/completions"


class BillingProvider:
    """Answers calls as their text says, and notes what it has billed."""

    def __init__(self, library: Any, truth: Path) -> None:
        self._library = library
        self._truth = os.open(truth, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def answer(self, request: Any) -> Any:
        """Return the answer to a request."""
        body = orjson.loads(request.content)
        name, fault, tokens = json.loads(body["messages"][-1]["content"])
        if fault == "refused":
            return self._library.Response(529, json={"error": {"message": "overloaded"}})
        is_chat = request.url.path == CHAT
        outcome = "cut" if body.get("stream") and fault in ("cut", "left early") else "none"
        os.write(self._truth, json.dumps([name, outcome, tokens]).encode() + b"\n")
        if not body.get("stream"):
            return self._library.Response(
                200, json=_chat(name, tokens) if is_chat else _message(name, tokens)
            )
        pieces = list(_chat_events(name, tokens) if is_chat else _message_events(name, tokens))
        stream = _stream_class(self._library)(pieces, fault == "cut")
        return self._library.Response(200, headers={"content-type": "text/event-stream"}, stream=stream)

    async def answer_late(self, request: Any) -> Any:
        """Return the answer to a request, late if its text says so."""
        if json.loads(orjson.loads(request.content)["messages"][-1]["content"])[1] == "late":
            await asyncio.sleep(SLOW_S)
        return self.answer(request)


def _stream_class(library: Any) -> Any:
    class Pieces(library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, pieces: list[bytes], is_cut: bool) -> None:
            self._pieces, self._is_cut = pieces, is_cut

        def __iter__(self) -> Iterator[bytes]:
            yield from self._pieces[:2]
            if self._is_cut:
                raise library.ReadError("cut")
            yield from self._pieces[2:]

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in self:
                yield piece

    return Pieces


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": tokens, "completion_tokens": 7, "total_tokens": tokens + 7}


def _chat(name: str, tokens: int) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": name}, "finish_reason": "stop"}
    head = {"id": name, "object": "chat.completion", "created": 1, "model": "gpt-5.4"}
    return {**head, "choices": [choice], "usage": _usage(tokens)}


def _chat_events(name: str, tokens: int) -> Iterator[bytes]:
    head = {"id": name, "object": "chat.completion.chunk", "created": 1, "model": "gpt-5.4"}
    for text, end in ((name[:2], None), (name[2:], None), ("", "stop")):
        choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": end}
        last = {"usage": _usage(tokens)} if end else {}
        yield b"data: " + orjson.dumps({**head, "choices": [choice], **last}) + b"\n\n"
    yield b"data: [DONE]\n\n"


def _message(name: str, tokens: int) -> dict[str, Any]:
    return {
        "id": name,
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-8",
        "content": [{"type": "text", "text": name}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": tokens, "output_tokens": 7},
    }


def _message_events(name: str, tokens: int) -> Iterator[bytes]:
    def event(kind: str, **more: Any) -> bytes:
        return f"event: {kind}\n".encode() + b"data: " + orjson.dumps({"type": kind, **more}) + b"\n\n"

    start = {**_message(name, tokens), "content": [], "stop_reason": None}
    yield event("message_start", message=start)
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": name})
    yield event("content_block_stop", index=0)
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    yield event("message_delta", delta=end, usage={"output_tokens": 7})
    yield event("message_stop")


class SoakedHost:
    """The program: its clients, its calls, and what came out otherwise than it should."""

    def __init__(self, truth: Path) -> None:
        base = openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]
        library = __import__(base)
        provider, plain = BillingProvider(library, truth), BillingProvider(httpx, truth)
        sync = {"http_client": library.Client(transport=library.MockTransport(provider.answer))}
        late = {"http_client": library.AsyncClient(transport=library.MockTransport(provider.answer_late))}
        shared: dict[str, Any] = {"api_key": "x", "max_retries": 0}
        self.gpt, self.late_gpt = openai.OpenAI(**shared, **sync), openai.AsyncOpenAI(**shared, **late)
        self.claude = anthropic.Anthropic(**shared, **sync)
        self.late_claude = anthropic.AsyncAnthropic(**shared, **late)
        self.plain = httpx.Client(transport=httpx.MockTransport(plain.answer), base_url="https://x")
        self.differences: Counter[str] = Counter()
        self.calls = 0

    def watched(self, work: Callable[[], object]) -> None:
        """Do the work of a thread, and note what it should not have raised."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the host has seen it
            self.differences[f"a thread ended with {error!r}"] += 1

    def call(self, name: str, random_: random.Random) -> None:
        """Make one call in one of the ways, and see that it comes out as it should."""
        fault = random_.choice([fault for fault in FAULTS if fault != "late"])
        said: Any = [{"role": "user", "content": json.dumps([name, fault, random_.randrange(100, 900)])}]
        way, is_stream = random_.choice(("chat", "message", "plain")), random_.random() < 0.5
        is_stream = is_stream and way != "plain"
        try:
            got = self.answer_to(way, said, is_stream=is_stream, leaves=fault == "left early")
        except (openai.APIError, anthropic.APIError, httpx.HTTPError):
            got = "error"
        except Exception as error:  # noqa: BLE001 - a cut stream ends in an error of the HTTP library
            got = "error" if "ReadError" in type(error).__name__ else repr(error)
        self._expect(name, fault, is_stream, got)

    def answer_to(self, way: str, said: Any, *, is_stream: bool, leaves: bool) -> str:
        """Make a call in one of the ways; return the id in its answer."""
        if way == "plain":
            answer = self.plain.post(CHAT, json={"model": "gpt-5.4", "messages": said})
            answer.raise_for_status()
            return str(answer.json()["id"])
        if way == "chat":
            if not is_stream:
                return str(self.gpt.chat.completions.create(model="gpt-5.4", messages=said).id)
            chunks = self.gpt.chat.completions.create(model="gpt-5.4", messages=said, stream=True)
            with chunks:
                return self._read((chunk.id for chunk in chunks), leaves=leaves)
        asked: Any = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": said}
        if not is_stream:
            return str(self.claude.messages.create(**asked).id)
        with self.claude.messages.create(**asked, stream=True) as events:
            names = (event.message.id for event in events if event.type == "message_start")
            return self._read(names if leaves else iter(list(names)), leaves=leaves)

    def _read(self, names: Iterator[str], *, leaves: bool) -> str:
        found = next(names)
        if not leaves:
            for _ in names:
                pass
        return found

    def _expect(self, name: str, fault: str, is_stream: bool, got: str) -> None:
        fails = fault == "refused" or (fault == "cut" and is_stream)
        if got != ("error" if fails else name):
            self.differences[f"{fault}, {'stream' if is_stream else 'whole'}: {got[:60]}"] += 1

    async def call_later(self, name: str, random_: random.Random) -> None:
        """Make one asynchronous call, which is cancelled if the answer comes late."""
        fault = random_.choice(("none", "none", "none", "late", "refused"))
        said: Any = [{"role": "user", "content": json.dumps([name, fault, 300])}]
        is_chat = random_.random() < 0.5
        asked: Any = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": said}
        try:
            async with asyncio.timeout(PATIENCE_S if fault == "late" else None):
                if is_chat:
                    got = (await self.late_gpt.chat.completions.create(model="gpt-5.4", messages=said)).id
                else:
                    got = (await self.late_claude.messages.create(**asked)).id
        except TimeoutError:
            got = "cancelled"
        except (openai.APIError, anthropic.APIError):
            got = "error"
        if got != {"none": name, "late": "cancelled", "refused": "error"}[fault]:
            self.differences[f"{fault}, task: {got[:60]}"] += 1


def in_child(truth: Path, name: str, seed: str) -> None:
    """Make some calls in a forked process, with clients of its own: those of other threads may be locked."""
    host = SoakedHost(truth)
    for number in range(3):
        host.call(f"{name}-{number}", random.Random(f"{seed}{number}"))
    os._exit(1) if host.differences else None


def soak(folder: Path, calls: int, seed: int) -> tuple[SoakedHost, int]:
    """Make the calls; return the host, and how many processes of it failed."""
    host = SoakedHost(folder / "truth")
    # Python 3.11 holds a lock while an SDK loads its parts, and a child that is forked then waits for it.
    for way in ("chat", "message"):
        said = [{"role": "user", "content": json.dumps([f"first-{way}", "none", 5])}]
        host.answer_to(way, said, is_stream=False, leaves=False)
    failed = 0
    threads = 4

    def work(thread: int) -> None:
        random_ = random.Random(f"{seed}/{thread}")
        for number in range(calls * 7 // 10 // threads):
            host.call(f"id-t{thread}-{number}", random_)

    async def tasks() -> None:
        random_ = random.Random(f"{seed}/tasks")
        names = [f"id-a-{number}" for number in range(calls * 28 // 100)]
        for at in range(0, len(names), 20):
            await asyncio.gather(*(host.call_later(name, random_) for name in names[at : at + 20]))

    (folder / "truth").write_text("")
    with tokenprof.profile(folder / "run.jsonl"):
        started = [
            threading.Thread(target=host.watched, args=(functools.partial(work, thread),))
            for thread in range(threads)
        ]
        for thread in started:
            thread.start()
        later = threading.Thread(target=lambda: host.watched(lambda: asyncio.run(tasks())))
        later.start()
        fork = multiprocessing.get_context("fork")
        for number in range(max(calls * 2 // 100 // 3, 1)):
            child = fork.Process(
                target=in_child, args=(folder / "truth", f"id-f{number}", f"{seed}/f{number}")
            )
            child.start()
            child.join(30)
            if child.exitcode != 0:
                failed += 1
                child.kill()
        for thread in [*started, later]:
            thread.join()
    return host, failed


def compared(folder: Path) -> tuple[int, int, int, int]:
    """Return billed and recorded calls, those with another usage, and those missing without being counted."""
    truth = [json.loads(line) for line in (folder / "truth").read_text().splitlines()]
    run = read([folder / "run.jsonl", folder / "proxied.jsonl"])
    turns = {turn.id: turn for turn in run.turns}
    whole = [(name, tokens) for name, outcome, tokens in truth if outcome == "none"]
    missing = [name for name, _ in whole if name not in turns]
    wrong = [
        name
        for name, tokens in whole
        if name in turns
        and ((usage := turns[name].usage) is None or (usage.input_tokens, usage.output_tokens) != (tokens, 7))
    ]
    uncertain = sum(1 for turn in run.turns if turn.usage is None or turn.output_incomplete)
    counted = sum(problem.calls for problem in run.problems) + uncertain
    not_whole = sum(1 for _, outcome, _ in truth if outcome == "cut")
    print("problems:", dict(Counter(problem.reason for problem in run.problems)), "missing:", missing[:8])
    return len(truth), len(turns), len(wrong), max(len(missing) + not_whole - counted, 0)


def host_program(folder: Path, calls: int, seed: int) -> int:
    """Be the host: make the calls, say what came out otherwise, and end as programs do."""
    host, failed = soak(folder, calls * 9 // 10, seed)
    host.differences += soak_proxy(folder, calls // 10, seed)
    print(f"{sum(host.differences.values())} seen otherwise by the host, {failed} processes failed or hung")
    for difference, count in host.differences.most_common(8):
        print(f"  {count} x {difference}")
    return 1 if failed or host.differences else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--host-in", metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.host_in:
        return host_program(options.host_in, options.calls, options.seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own, because the recording is only whole when its program has ended.
        words = [sys.executable, __file__, "--host-in", folder]
        words += ["--calls", str(options.calls), "--seed", str(options.seed)]
        code = subprocess.run(words, check=False).returncode
        billed, recorded, wrong, silent = compared(Path(folder))
    print(f"{options.calls} calls in {time.monotonic() - began:.0f} s")
    print(f"{billed} billed, {recorded} turns, {wrong} with another usage, {silent} missing in silence")
    return 1 if wrong or silent or code else 0


if __name__ == "__main__":
    raise SystemExit(main())

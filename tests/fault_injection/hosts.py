"""A host program in miniature: the ways to make a model call over httpx, and what the host sees of each.

The provider is a function in the same process, so that hundreds of faults are tried in seconds.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson

from tokenprof.facts.types import Run
from tokenprof.reading.files import read
from tokenprof.record.background.end_waits import EndWaits

URL = "https://api.openai.com/v1/chat/completions"
AT_ONCE = EndWaits(block_s=0.1, full_reading_s=180, counts_s=0.1, reading_s=0)
"""What a block or a reader that waits for nothing has."""

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


class Provider:
    """Answers chat calls from memory; `billed` counts the answers."""

    def __init__(self) -> None:
        self.billed = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = orjson.loads(request.content)
        if body["model"] == "missing":
            return httpx.Response(404, json={"error": {"message": "no such model"}})
        self.billed += 1
        name = f"chatcmpl-{self.billed}"
        if not body.get("stream"):
            message = {"role": "assistant", "content": "hi"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            answer = {"id": name, "object": "chat.completion", "model": "gpt-5.4", "choices": [choice]}
            return httpx.Response(200, json={**answer, "usage": USAGE})
        return httpx.Response(
            200, headers={"content-type": "text/event-stream"}, stream=Events(list(events(name)))
        )


class Events(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks

    async def __aiter__(self) -> Any:
        for chunk in self._chunks:
            yield chunk


def events(name: str) -> Iterator[bytes]:
    head = {"id": name, "object": "chat.completion.chunk", "model": "gpt-5.4"}
    for word in ("h", "i"):
        delta = {"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": None}
        yield b"data: " + orjson.dumps({**head, "choices": [delta]}) + b"\n\n"
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    yield b"data: " + orjson.dumps({**head, "choices": [last], "usage": USAGE}) + b"\n\n"
    yield b"data: [DONE]\n\n"


def body_of(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-5.4", "messages": [{"role": "user", "content": text}], **more}


def whole(client: httpx.Client) -> object:
    return client.post(URL, json=body_of("whole")).json()["choices"]


def refused(client: httpx.Client) -> object:
    return client.post(URL, json=body_of("x", model="missing")).status_code


def streamed(client: httpx.Client) -> object:
    with client.stream("POST", URL, json=body_of("stream", stream=True)) as response:
        return b"".join(response.iter_raw()).count(b"data:")


def left_early(client: httpx.Client) -> object:
    with client.stream("POST", URL, json=body_of("early", stream=True)) as response:
        return next(response.iter_raw())[:5]


def abandoned(client: httpx.Client) -> object:
    response = client.send(client.build_request("POST", URL, json=body_of("gone", stream=True)), stream=True)
    first = next(response.iter_raw())[:5]
    del response
    gc.collect()
    return first


def interrupted(client: httpx.Client) -> object:
    with client.stream("POST", URL, json=body_of("stop", stream=True)) as response:
        for _ in response.iter_raw():
            raise KeyboardInterrupt
    return None


def not_a_call(client: httpx.Client) -> object:
    return client.build_request("GET", "https://example.org").method


def in_threads(client: httpx.Client) -> object:
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(whole(client))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(found)


WAYS: tuple[Callable[[httpx.Client], object], ...] = (
    *(whole, streamed, refused, left_early, abandoned, interrupted, not_a_call, in_threads, whole, streamed),
)


def seen_by_the_host(provider: Provider) -> list[object]:
    """Return what each way of calling gives the host: a value, or the exception."""
    seen: list[object] = []
    with httpx.Client(transport=httpx.MockTransport(provider)) as client:
        for way in WAYS:
            try:
                seen.append(way(client))
            except BaseException as error:  # noqa: BLE001 - the host's own interruption is one of the outcomes
                seen.append(repr(error))
    seen.append(asyncio.run(asynchronously(provider)))
    return seen


async def asynchronously(provider: Provider) -> list[object]:
    async def ask(client: httpx.AsyncClient) -> object:
        async with client.stream("POST", URL, json=body_of("async", stream=True)) as response:
            return sum([1 async for _ in response.aiter_raw()])

    async def cancelled(client: httpx.AsyncClient) -> object:
        task = asyncio.create_task(ask(client))
        await asyncio.sleep(0)
        task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return "cancelled"

    async with httpx.AsyncClient(transport=httpx.MockTransport(provider)) as client:
        first = await client.post(URL, json=body_of("async"))
        return [
            first.status_code,
            *await asyncio.gather(*(ask(client) for _ in range(3))),
            await cancelled(client),
        ]


def accounted(path: Path) -> tuple[Run, int]:
    """Return the run, and how many calls it accounts for: as turns, or as calls that are missing."""
    run = read([path])
    return run, len(run.turns) + sum(problem.calls for problem in run.problems)

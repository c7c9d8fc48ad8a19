"""Model calls seen where they pass aiohttp, in each way in which a response can be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import inbox
import orjson
import pytest
from agreement import recorded

import tokenprof
from tokenprof.harness_adapters.clients import aiohttp_client as aiohttp_wire
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider, Reply

pytestmark = pytest.mark.slow

Way = Callable[[aiohttp.ClientResponse], AsyncIterator[bytes]]
LONG = Reply.text("hello " * 400)


def asked(provider: LoopbackProvider, **more: Any) -> dict[str, Any]:
    body = {"model": inbox.MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **more}
    return {"url": f"{provider.url}/v1/messages", "json": body}


async def body(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    yield await response.read()


async def lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for line in response.content:
        yield line


async def pieces(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for piece in response.content.iter_chunked(100):
        yield piece


async def as_it_comes(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for piece in response.content.iter_any():
        yield piece


async def chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for piece, _ in response.content.iter_chunks():
        yield piece


async def by_hand(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    yield await response.content.readexactly(10)
    yield await response.content.readuntil(b"\n\n")
    yield await response.content.read(50)
    yield response.content.read_nowait()
    yield await response.content.read()


@pytest.mark.parametrize("way", [body, lines, pieces, as_it_comes, chunks, by_hand])
async def test_every_way_of_reading_yields_what_it_would_have(way: Way, run_path: Path) -> None:
    read_in_all = []
    with LoopbackProvider(lambda body, attempt: LONG) as provider:
        for seen in (False, True):
            provider.log.clear()
            async with aiohttp.ClientSession() as session:
                if seen:
                    with tokenprof.profile(run_path):
                        async with session.post(**asked(provider, stream=True)) as response:
                            parts = [part async for part in way(response)]
                            assert isinstance(response.content, aiohttp.StreamReader)
                            assert response.content.at_eof()
                else:
                    async with session.post(**asked(provider, stream=True)) as response:
                        parts = [part async for part in way(response)]
            read_in_all.append(b"".join(parts).replace(provider.log[0].response_id.encode(), b"ID"))
    assert read_in_all[0] == read_in_all[1]
    (turn,) = recorded(run_path, provider).turns
    assert (turn.status, turn.output_incomplete) == ("ok", False)


async def test_a_stream_left_early_is_a_partial_turn(run_path: Path) -> None:
    with LoopbackProvider([LONG]) as provider, tokenprof.profile(run_path):
        async with (
            aiohttp.ClientSession() as session,
            session.post(**asked(provider, stream=True)) as response,
        ):
            async for line in response.content:
                if b"content_block_delta" in line:
                    break
    (turn,) = read([run_path]).turns
    assert (turn.status, turn.output_incomplete) == ("partial", True)


async def test_a_reader_that_gives_up_waiting_may_ask_again(run_path: Path) -> None:
    message = {
        "type": "message",
        "id": "msg_1",
        "usage": {"input_tokens": 7, "output_tokens": 1},
        "content": [],
    }
    data = orjson.dumps(message)
    has_waited = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(data) + data[:20])
        await has_waited.wait()
        writer.write(data[20:])
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        with tokenprof.profile(run_path):
            async with aiohttp.ClientSession() as session:
                request = session.post(f"http://127.0.0.1:{port}/v1/messages", json={"model": "m"})
                async with request as response:
                    waits = 0
                    while not response.content.at_eof():
                        try:
                            await asyncio.wait_for(response.content.readany(), 0.02)
                        except TimeoutError:
                            waits += 1
                            if waits == 2:
                                has_waited.set()
    (turn,) = read([run_path]).turns
    assert waits >= 2
    assert (turn.id, turn.status) == ("msg_1", "ok")


async def test_failures_reach_the_host_as_they_are_and_are_not_turns(run_path: Path) -> None:
    with LoopbackProvider([Reply.error(529), Reply.error(500)]) as provider:
        with tokenprof.profile(run_path):
            async with aiohttp.ClientSession() as session, session.post(**asked(provider)) as response:
                assert response.status == 529
            async with aiohttp.ClientSession(raise_for_status=True) as session:
                with pytest.raises(aiohttp.ClientResponseError):
                    await session.post(**asked(provider))
        address = asked(provider)
    with tokenprof.profile(run_path):
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.post(**address)
    assert read([run_path]).turns == ()


async def test_a_call_is_recorded_once_however_often_it_was_wrapped(run_path: Path) -> None:
    with LoopbackProvider([Reply.text("one"), Reply.text("two")]) as provider:
        async with aiohttp.ClientSession(provider.url) as session:
            aiohttp_wire.wrap(tokenprof.wrap(session))
            with tokenprof.profile(run_path), tokenprof.agent("caller"):
                await (await session.request("post", "/v1/messages", json=asked(provider)["json"])).read()
        assert len(recorded(run_path, provider).turns) == 1
        async with aiohttp.ClientSession() as session:
            await (await session.post(**asked(provider))).read()
    (turn,) = read([run_path]).turns
    assert turn.agent == "caller"


async def test_other_requests_are_left_alone(run_path: Path) -> None:
    with LoopbackProvider([]) as provider, tokenprof.profile(run_path):
        async with aiohttp.ClientSession() as session:
            counted = await session.post(
                f"{provider.url}/v1/messages/count_tokens", json=asked(provider)["json"]
            )
            assert (await counted.json())["input_tokens"] > 0
            assert (await session.get(f"{provider.url}/v1/messages")).status >= 400
    assert run_path.read_bytes() == b""

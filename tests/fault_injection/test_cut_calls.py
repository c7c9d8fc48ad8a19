"""Calls that are cut at every stage: by the end of their recording, by their reader, by their provider."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from hosts import URL, Events, accounted, body_of, events

import tokenprof

CHUNKS = list(events("chatcmpl-1"))
"""Two words, the counts, and the end."""


def provider(chunks: list[bytes], error: Exception | None = None) -> httpx.MockTransport:
    def sent() -> Iterator[bytes]:
        yield from chunks
        if error is not None:
            raise error

    class Broken(Events):
        def __iter__(self) -> Iterator[bytes]:
            return sent()

    headers = {"content-type": "text/event-stream"}
    return httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=Broken([])))


def recording_ends(response: httpx.Response, chunks: Iterator[bytes], leave: Callable[[], object]) -> None:
    leave()
    # The reader goes on as if nothing had been recorded.
    assert b"".join(chunks).endswith(b"data: [DONE]\n\n")
    response.close()


def reader_closes(response: httpx.Response, chunks: Iterator[bytes], leave: Callable[[], object]) -> None:
    response.close()
    leave()


def reader_forgets_it(response: httpx.Response, chunks: Iterator[bytes], leave: Callable[[], object]) -> None:
    chunks.close()  # type: ignore[attr-defined]
    response.close()
    leave()


@pytest.mark.parametrize("cut", [recording_ends, reader_closes, reader_forgets_it])
@pytest.mark.parametrize("read", range(4))
def test_a_stream_that_is_cut_after_so_many_chunks_is_one_turn_with_the_counts_that_were_seen(
    read: int, cut: Callable[..., None], tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    with httpx.Client(transport=provider(CHUNKS)) as client, contextlib.ExitStack() as block:
        block.enter_context(tokenprof.profile(path))
        request = client.build_request("POST", URL, json=body_of("x", stream=True))
        response = client.send(request, stream=True)
        chunks = response.iter_raw()
        for number in range(read):
            assert next(chunks) == CHUNKS[number]
        cut(response, chunks, block.close)
    run, calls = accounted(path)
    assert calls == 1
    counted = [turn.usage.input_tokens for turn in run.turns if turn.usage is not None]
    # Its third chunk holds the counts.
    assert counted == ([10] if read == 3 else [])
    assert [turn.status for turn in run.turns if turn.usage is None] == ["partial"] * (
        len(run.turns) - len(counted)
    )


@pytest.mark.parametrize("sent", range(5))
def test_a_stream_that_breaks_gives_its_reader_the_error_and_is_accounted_for(
    sent: int, tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    broken = provider(CHUNKS[:sent], httpx.ReadError("connection reset"))
    seen: list[bytes] = []
    with (
        httpx.Client(transport=broken) as client,
        tokenprof.profile(path),
        pytest.raises(httpx.ReadError, match="connection reset"),
        client.stream("POST", URL, json=body_of("x", stream=True)) as response,
    ):
        seen.extend(response.iter_raw())
    run, calls = accounted(path)
    assert (seen, calls) == (CHUNKS[:sent], 1)
    assert [turn.usage.input_tokens for turn in run.turns if turn.usage is not None] == [10] * (sent > 2)

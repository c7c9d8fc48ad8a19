"""What is recorded of what passes: the calls that were billed, their attempts, and nothing else."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import anthropic
import brotli
import httpx
import orjson
import pytest
import zstandard
from canned import CannedServer, ask

from tokenprof.facts.types import Run
from tokenprof.pricing.normalise import usage_from_anthropic
from tokenprof.proxy.observe import Observer
from tokenprof.proxy.server import RecordingProxy
from tokenprof.proxy.upstream import upstream_at
from tokenprof.reading.files import read
from tokenprof.record.recorder import Recorder
from tokenprof.testing import LoopbackProvider, Reply

KEY = "sk-ant-secret-key"
ASKED = {"model": "claude-opus-4-8", "max_tokens": 99, "messages": [{"role": "user", "content": "hello"}]}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4-8",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 11, "output_tokens": 3},
}

COUNTED = {"prompt_tokens": 100, "completion_tokens": 10}

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "identity": bytes,
}


class Recorded:
    """A proxy before a server, and afterwards the run that it recorded."""

    def __init__(self, folder: Path):
        self.path = folder / "run.jsonl"
        self.recorder = Recorder(self.path)

    def before(self, url: str) -> RecordingProxy:
        return RecordingProxy({"/anthropic": upstream_at(url)}, Observer(self.recorder))

    def run(self) -> Run:
        self.recorder.close()
        assert self.recorder.problems == 0
        return read([self.path])


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    recorded = Recorded(tmp_path)
    yield recorded
    recorded.recorder.close()


def client_of(proxy: RecordingProxy, *, retries: int = 2) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key=KEY, base_url=proxy.url("/anthropic"), max_retries=retries)


def pass_through(path: str, answer: object, recorded: Recorded) -> None:
    body = orjson.dumps(answer)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    with CannedServer([head, body]) as server, recorded.before(server.url) as proxy:
        asked = {"model": "m", "prompt": "2 + 2?"}
        assert httpx.post(f"{proxy.url('/anthropic')}{path}", json=asked).json() == answer


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/api/event_logging/batch", {"accepted_count": 3}),
        ("/v1/messages/count_tokens", {"input_tokens": 100}),
        ("/v1/tokenize", {"usage": COUNTED}),
        ("/v1beta/models/gemini-3-pro:countTokens", {"usage": COUNTED}),
        ("/v1/batches/b/cancel", {"usage": COUNTED}),
    ],
)
def test_what_is_not_a_call_leaves_nothing(path: str, answer: object, recorded: Recorded) -> None:
    pass_through(path, answer, recorded)
    recorded.recorder.close()
    assert recorded.path.read_bytes() == b""


@pytest.mark.parametrize(
    ("path", "answer", "counts"),
    [
        ("/api/chat", {"message": {"content": "4"}, "prompt_eval_count": 100, "eval_count": 10}, [(100, 10)]),
        ("/run/@cf/m", {"result": {"response": "4", "usage": COUNTED}, "success": True}, [(100, 10)]),
        ("/models/meta/llama/predictions", {"output": "4", "usage": COUNTED}, [(100, 10)]),
        ("/v1/conversations", {"outputs": [{"content": "4"}], "usage": COUNTED}, [(100, 10)]),
    ],
)
def test_an_answer_with_counts_is_a_call_on_whatever_path(
    path: str, answer: object, counts: list[tuple[int, int]], recorded: Recorded
) -> None:
    pass_through(path, answer, recorded)
    run = recorded.run()
    usages = [turn.usage for turn in run.turns if turn.usage]
    assert [(usage.input_tokens, usage.all_output_tokens) for usage in usages] == counts
    assert run.warnings == ()


@pytest.mark.parametrize("status", [429, 500, 529])
def test_attempts_that_the_sdk_repeats_are_one_turn(status: int, recorded: Recorded) -> None:
    with (
        LoopbackProvider([Reply.error(status), Reply.text("hi")]) as provider,
        recorded.before(provider.url) as proxy,
        client_of(proxy) as client,
    ):
        answer = client.messages.create(**ASKED)
    run = recorded.run()
    assert [(turn.id, turn.attempts) for turn in run.turns] == [(answer.id, 2)]
    assert run.warnings == ()


def test_attempts_that_a_harness_repeats_itself_are_one_turn(recorded: Recorded) -> None:
    with (
        LoopbackProvider([Reply.error(529), Reply.error(529), Reply.text("hi")]) as provider,
        recorded.before(provider.url) as proxy,
    ):
        statuses = [
            httpx.post(f"{proxy.url('/anthropic')}/v1/messages", json=ASKED).status_code for _ in range(3)
        ]
    assert statuses == [529, 529, 200]
    run = recorded.run()
    assert [turn.attempts for turn in run.turns] == [3]
    assert run.warnings == ()


def test_a_cut_stream_is_a_partial_turn(recorded: Recorded) -> None:
    reply = Reply.text("a longer text that comes in several pieces").cut(4)
    with (
        LoopbackProvider([reply]) as provider,
        recorded.before(provider.url) as proxy,
        client_of(proxy, retries=0) as client,
        pytest.raises(Exception, match="incomplete chunked read"),
    ):
        for _ in client.messages.create(**ASKED, stream=True):
            pass
    (turn,) = recorded.run().turns
    assert (turn.id, turn.status) == (provider.billed[0].response_id, "partial")


def test_an_answer_without_usage_is_a_turn_without_usage(recorded: Recorded) -> None:
    body = orjson.dumps({name: value for name, value in MESSAGE.items() if name != "usage"})
    with CannedServer([_ok(body)]) as server, recorded.before(server.url) as proxy:
        ask(proxy.url("/anthropic"), orjson.dumps(ASKED))
    (turn,) = recorded.run().turns
    assert (turn.id, turn.usage) == ("msg_1", None)


def test_a_count_and_other_paths_are_passed_on_and_not_recorded(recorded: Recorded) -> None:
    with (
        LoopbackProvider([]) as provider,
        recorded.before(provider.url) as proxy,
        client_of(proxy) as client,
    ):
        counted = client.messages.count_tokens(model="claude-opus-4-8", messages=ASKED["messages"])  # type: ignore[arg-type]
        missing = httpx.post(f"{proxy.url('/anthropic')}/v1/files", json={})
    assert (counted.input_tokens > 0, missing.status_code) == (True, 404)
    assert recorded.path.read_bytes() == b""


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity"])
def test_compressed_requests_and_answers_are_read(coding: str, recorded: Recorded) -> None:
    compress = COMPRESS[coding]
    answer = compress(orjson.dumps(MESSAGE))
    with CannedServer([_ok(answer, f"content-encoding: {coding}\r\n")]) as server:
        with recorded.before(server.url) as proxy:
            request = compress(orjson.dumps(ASKED))
            seen = ask(proxy.url("/anthropic"), request, headers={"content-encoding": coding})
        assert server.requests[0].endswith(request)
    assert seen.body == answer
    (turn,) = recorded.run().turns
    assert (turn.id, turn.usage) == ("msg_1", usage_from_anthropic(MESSAGE["usage"]))  # type: ignore[arg-type]
    assert [block.kind for block in turn.added] == ["user"]


@pytest.mark.parametrize("coding", ["gzip, br", "gzip\r\ncontent-encoding: br"], ids=["list", "headers"])
def test_an_answer_in_two_codings_is_read(coding: str, recorded: Recorded) -> None:
    answer = brotli.compress(gzip.compress(orjson.dumps(MESSAGE)))
    with (
        CannedServer([_ok(answer, f"content-encoding: {coding}\r\n")]) as server,
        recorded.before(server.url) as proxy,
    ):
        assert ask(proxy.url("/anthropic")).body == answer
    assert [turn.id for turn in recorded.run().turns] == ["msg_1"]


def test_the_calls_of_a_subagent_of_claude_code_are_told_apart(recorded: Recorded) -> None:
    with LoopbackProvider([Reply.text("hi")] * 2) as provider, recorded.before(provider.url) as proxy:
        for headers in ({}, {"x-claude-code-agent-id": "adf3d9de86128b487"}):
            httpx.post(f"{proxy.url('/anthropic')}/v1/messages", json=ASKED, headers=headers)
    assert [turn.agent for turn in recorded.run().turns] == [None, "adf3d9de86128b487"]


def test_neither_keys_nor_texts_are_recorded(recorded: Recorded) -> None:
    with (
        LoopbackProvider([Reply.text("a secret answer")]) as provider,
        recorded.before(provider.url) as proxy,
        client_of(proxy) as client,
    ):
        client.messages.create(**{**ASKED, "messages": [{"role": "user", "content": "a secret question"}]})
    assert len(recorded.run().turns) == 1
    written = recorded.path.read_bytes()
    assert b"secret" not in written


def test_what_cannot_be_read_is_passed_on_all_the_same(recorded: Recorded) -> None:
    with CannedServer([_ok(b"not json")]) as server, recorded.before(server.url) as proxy:
        seen = ask(proxy.url("/anthropic"), b"not json either")
    assert (seen.status, seen.body) == (200, b"not json")


def _ok(body: bytes, headers: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body

"""Cassettes: the agent runs for real, the model is replayed, and what differs is named."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anthropic
import boto3
import httpx
import openai
import pytest

import tokenprof
from tokenprof.facts.errors import InputError
from tokenprof.reading.files import read
from tokenprof.testing import Cassette, CassetteMismatchError, LoopbackProvider, OpenAILoopback, Reply
from tokenprof.testing.cassette import differences


def ask(tape: Cassette, text: str = "hello", *, stream: bool = False) -> str:
    with anthropic.Anthropic(api_key="sk-secret", base_url=tape.url, max_retries=0) as client:
        request: dict[str, Any] = {
            "model": "claude-opus-4-8",
            "max_tokens": 50,
            "messages": [{"role": "user", "content": text}],
        }
        if stream:
            with client.messages.stream(**request) as events:
                return events.get_final_text()
        return str(client.messages.create(**request).content[0].text)  # type: ignore[union-attr]


def taped(path: Path, *texts: str, stream: bool = False) -> list[str]:
    replies = [Reply.text(f"answer {number}") for number in range(len(texts))]
    with LoopbackProvider(replies) as provider, Cassette(path, upstream=provider.url, record=True) as tape:
        return [ask(tape, text, stream=stream) for text in texts]


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_recorded_is_played_back_without_the_provider(tmp_path: Path, stream: bool) -> None:
    path = tmp_path / "tape.jsonl"
    recorded = taped(path, "one", "two", stream=stream)
    with Cassette(path, record=False) as tape:
        assert [ask(tape, "two", stream=stream), ask(tape, "one", stream=stream)] == recorded[::-1]
        assert tape.unplayed == 0
    assert "sk-secret" not in path.read_text("utf-8")


def test_a_binary_stream_is_played_back_to_the_byte_and_costs_what_it_cost(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"

    def converse(url: str, run: Path) -> list[Any]:
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
        client = boto3.client("bedrock-runtime", endpoint_url=url, **keys)
        message = {"role": "user", "content": [{"text": "hello"}]}
        with tokenprof.profile(run):
            return list(client.converse_stream(modelId="m", messages=[message])["stream"])

    with (
        LoopbackProvider([Reply.text("hi there")]) as provider,
        Cassette(path, upstream=provider.url, record=True) as tape,
    ):
        recorded = converse(tape.url, tmp_path / "recorded.jsonl")
    with Cassette(path, record=False) as tape:
        assert converse(tape.url, tmp_path / "played.jsonl") == recorded
    (before,), (after,) = (read([tmp_path / f"{name}.jsonl"]).turns for name in ("recorded", "played"))
    assert (after.id, after.usage) == (before.id, before.usage)


def play(path: Path, *texts: str) -> None:
    """Play a strict tape to an agent that goes on when it is refused."""
    with Cassette(path, record=False) as tape:
        for text in texts:
            with contextlib.suppress(anthropic.BadRequestError):
                ask(tape, text)


def test_a_request_that_is_not_on_the_tape_fails_and_says_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    taped(path, "one")
    with pytest.raises(CassetteMismatchError, match=r"messages\[0\]\.content: recorded 'one', now 'uno'"):
        play(path, "uno")


def test_the_client_is_told_too(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    taped(path, "one")
    tape = Cassette(path, record=False, strict=True)
    tape.__enter__()
    with pytest.raises(anthropic.BadRequestError, match="is not the recorded one"):
        ask(tape, "uno")
    with pytest.raises(CassetteMismatchError):
        tape.__exit__(None, None, None)


def test_a_long_text_is_shown_from_where_it_differs(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    taped(path, "word " * 40 + "old end")
    with pytest.raises(CassetteMismatchError) as caught:
        play(path, "word " * 40 + "new end")
    assert "messages[0].content from character 200: recorded 'word word word old end', now" in str(
        caught.value
    )
    assert caught.value.__suppress_context__


def test_another_error_of_the_code_under_test_is_not_hidden(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    taped(path, "one")

    def fail() -> None:
        with Cassette(path, record=False) as tape:
            with contextlib.suppress(anthropic.BadRequestError):
                ask(tape, "uno")
            raise ZeroDivisionError

    with pytest.raises(CassetteMismatchError) as caught:
        fail()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_request_too_many_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    taped(path, "one")
    with pytest.raises(CassetteMismatchError, match=r"request 2 .* is one more than the 1 on the tape"):
        play(path, "one", "one")


def test_a_lenient_tape_answers_in_order(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    recorded = taped(path, "one", "two")
    with Cassette(path, record=False, strict=False) as tape:
        assert [ask(tape, "other"), ask(tape, "words")] == recorded


def test_errors_of_the_provider_are_on_the_tape_too(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with (
        LoopbackProvider([Reply.error(529)]) as provider,
        Cassette(path, upstream=provider.url, record=True) as tape,
        pytest.raises(anthropic.APIStatusError),
    ):
        ask(tape)
    with Cassette(path, record=False) as tape, pytest.raises(anthropic.APIStatusError) as caught:
        ask(tape)
    assert caught.value.status_code == 529


def test_the_format_of_the_provider_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    message = {"role": "assistant", "content": "hi"}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-5.4", "choices": [choice]}
    line = {
        "method": "POST",
        "path": "/chat/completions",
        "request": {"messages": [{"role": "user", "content": "hello"}], "model": "gpt-5.4"},
        "status": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(body),
    }
    path.write_text(json.dumps(line) + "\n", "utf-8")
    with Cassette(path, record=False) as tape, openai.OpenAI(api_key="x", base_url=tape.url) as client:
        answer = client.chat.completions.create(
            model="gpt-5.4", messages=[{"role": "user", "content": "hello"}]
        )
    assert answer.choices[0].message.content == "hi"


def test_an_openai_loop_on_tape_costs_what_it_cost(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"

    def loop(url: str, recording: Path) -> None:
        messages: list[Any] = [{"role": "system", "content": "You are a clerk. " * 400}]
        with tokenprof.profile(recording), openai.OpenAI(api_key="sk-secret", base_url=url) as client:
            for number in range(3):
                messages.append({"role": "user", "content": f"question {number}"})
                answer = client.chat.completions.create(model="gpt-5.4", messages=messages)
                messages.append({"role": "assistant", "content": answer.choices[0].message.content})

    live, replayed = tmp_path / "live.jsonl", tmp_path / "replayed.jsonl"
    with OpenAILoopback([Reply.text("yes")] * 3) as provider:
        with Cassette(path, upstream=provider.url, record=True) as tape:
            loop(tape.url, live)
        billed = [call.usage for call in provider.billed]
    with Cassette(path, record=False) as tape:
        loop(tape.url, replayed)
    first, second = read([live]), read([replayed])
    assert [turn.usage for turn in first.turns] == [turn.usage for turn in second.turns]
    assert [turn.usage.input_tokens for turn in second.turns if turn.usage] == [
        usage["prompt_tokens"] for usage in billed if usage
    ]
    assert second.turns[-1].usage is not None
    assert second.turns[-1].usage.cache_read_tokens > 1024


def test_a_missing_or_damaged_tape_says_how_to_record(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="TOKENPROF_RECORD=1"):
        Cassette(tmp_path / "none.jsonl", record=False)
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_text("{}\n")
    with pytest.raises(InputError, match=r"damaged\.jsonl:1"):
        Cassette(damaged, record=False)


def test_nothing_is_kept_of_a_recording_that_failed(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"

    def fail() -> None:
        with (
            LoopbackProvider([Reply.text("a")]) as provider,
            Cassette(path, upstream=provider.url, record=True) as tape,
        ):
            ask(tape)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not path.exists()


def test_differences_name_the_place() -> None:
    old = {"a": [1, {"b": "x"}], "gone": 1}
    new = {"a": [1, {"b": "y"}, 3], "new": "z" * 100}
    assert list(differences(old, new)) == [
        "a[1].b: recorded 'x', now 'y'",
        "a: recorded 2 items, now 3",
        "gone: gone (recorded 1)",
        f"new: new ('{'z' * 59}… (102 characters))",
    ]


SECRET_REQUEST: dict[str, Any] = {
    "model": "m",
    "mcp_servers": [
        {"type": "url", "url": "https://mcp.example/?key=CANARY", "authorization_token": "CANARY"}
    ],
    "messages": [{"role": "user", "content": "use sk-ant-CANARY-0123456789"}],
}


def test_keys_tokens_and_cookies_are_masked_on_a_tape_that_still_plays(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    headers = {
        "authorization": "Bearer CANARY",
        "x-api-key": "CANARY",
        "x-goog-api-key": "CANARY",
        "cookie": "session=CANARY",
    }

    def post(tape: Cassette, token: str) -> httpx.Response:
        body = json.loads(json.dumps(SECRET_REQUEST).replace("CANARY", token))
        return httpx.post(f"{tape.url}/v1/messages?key={token}&alt=sse", json=body, headers=headers)

    with (
        echo("the key is sk-ant-CANARY-0123456789") as url,
        Cassette(path, upstream=url, record=True) as tape,
    ):
        assert "CANARY" in post(tape, "CANARY").text
    written = path.read_text("utf-8")
    assert "CANARY" not in written
    assert "/v1/messages?key=[masked]&alt=sse" in written
    with Cassette(path, record=False) as tape:
        assert post(tape, "another-key").json() == {"text": "the key is [masked]"}


def test_a_tape_of_an_earlier_release_that_holds_a_token_still_plays(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    line = {
        "method": "POST",
        "path": "/x?key=CANARY",
        "request": SECRET_REQUEST,
        "status": 200,
        "headers": {},
    }
    path.write_text(json.dumps({**line, "body": "{}"}) + "\n", "utf-8")
    with Cassette(path, record=False) as tape:
        assert httpx.post(f"{tape.url}/x?key=new", json=SECRET_REQUEST).status_code == 200


def test_a_difference_is_shown_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    taped(path, "one")
    with pytest.raises(CassetteMismatchError) as caught:
        play(path, "my password=CANARY123 and sk-ant-CANARY-0123456789")
    assert "CANARY" not in str(caught.value)
    assert "[masked]" in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_a_new_tape_is_for_its_owner_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    taped(path, "one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    taped(path, "one", "two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [entry.name for entry in tmp_path.iterdir()] == ["tape.jsonl"]


def test_a_provider_that_does_not_answer_is_named_to_the_client(tmp_path: Path) -> None:
    with echo("") as url:
        pass
    with Cassette(tmp_path / "tape.jsonl", upstream=url, record=True) as tape:
        answer = httpx.post(f"{tape.url}/v1/messages", json={})
    assert answer.status_code == 502
    assert "did not answer (ConnectionRefusedError)" in answer.json()["error"]["message"]


def test_a_request_in_chunks_is_refused_and_not_taped_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with echo("hello") as url, Cassette(path, upstream=url, record=True) as tape:
        answer = httpx.post(f"{tape.url}/v1/x", content=iter([b"one", b"two"]), trust_env=False)
    assert answer.status_code == 400
    assert "does not say how long it is" in answer.json()["error"]["message"]
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "change",
    [
        {"status": "200"},
        {"status": 99},
        {"status": True},
        {"body": None},
        {"body": "%", "is_base64": True},
        {"headers": []},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"a: b\r\nc": "d"}},
        {"method": 1},
        {"more": 1},
    ],
)
def test_a_line_that_cannot_be_played_is_named(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    line = {"method": "POST", "path": "/", "request": None, "status": 200, "headers": {}, "body": ""}
    path.write_text(json.dumps(line) + "\n" + json.dumps({**line, **change}) + "\n", "utf-8")
    with pytest.raises(InputError, match=r"tape\.jsonl:2 is not a line of a cassette"):
        Cassette(path, record=False)


@contextlib.contextmanager
def echo(text: str) -> Iterator[str]:
    """A provider that gives the same answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = json.dumps({"text": text}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.send_header("set-cookie", "session=CANARY")
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()

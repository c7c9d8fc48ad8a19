"""Model calls seen where they pass httpx: what LiteLLM and older SDKs make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import inbox
import pytest
from agreement import recorded

import tokenprof
from tokenprof.harness_adapters.clients import httpx_client as httpx_wire
from tokenprof.harness_adapters.clients.patched_methods import is_marked
from tokenprof.reading.files import read
from tokenprof.testing import LoopbackProvider, Reply

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def installed() -> Iterator[Callable[[], None]]:
    undo = httpx_wire.wrap_new_clients()
    yield undo
    undo()


def asked(provider: LoopbackProvider, **more: Any) -> dict[str, Any]:
    body = {"model": inbox.MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **more}
    return {"url": f"{provider.url}/v1/messages", "json": body}


def test_a_call_is_recorded_under_the_agents_name(run_path: Path) -> None:
    with LoopbackProvider([Reply.text("hello")]) as provider, tokenprof.profile(run_path):
        with tokenprof.agent("caller"):
            answer = httpx.post(**asked(provider))
        assert answer.json()["content"] == [{"type": "text", "text": "hello"}]
    assert [turn.agent for turn in recorded(run_path, provider).turns] == ["caller"]


async def test_streams_pass_on_the_bytes_they_would_have(run_path: Path) -> None:
    with LoopbackProvider(lambda body, attempt: Reply.text("hello " * 40)) as provider:
        with httpx.stream("POST", **asked(provider, stream=True)) as response:
            plain = [line for line in response.iter_lines() if "msg_" not in line]
        provider.log.clear()
        with tokenprof.profile(run_path):
            with httpx.stream("POST", **asked(provider, stream=True)) as response:
                seen = list(response.iter_lines())
            async with (
                httpx.AsyncClient() as client,
                client.stream("POST", **asked(provider, stream=True)) as response,
            ):
                seen_async = [line async for line in response.aiter_lines()]
    assert [line for line in seen if "msg_" not in line] == plain
    assert [line for line in seen_async if "msg_" not in line] == plain
    assert [turn.status for turn in recorded(run_path, provider).turns] == ["ok", "ok"]


def test_a_stream_left_early_is_a_partial_turn(run_path: Path) -> None:
    with (
        LoopbackProvider([Reply.text("hello " * 40)]) as provider,
        tokenprof.profile(run_path),
        httpx.stream("POST", **asked(provider, stream=True)) as response,
    ):
        for line in response.iter_lines():
            if "content_block_delta" in line:
                break
    (turn,) = read([run_path]).turns
    assert (turn.status, turn.output_incomplete) == ("partial", True)


def test_failures_reach_the_host_as_they_are_and_are_not_turns(run_path: Path) -> None:
    with LoopbackProvider([Reply.error(529)]) as provider:
        with tokenprof.profile(run_path):
            assert httpx.post(**asked(provider)).status_code == 529
        address = asked(provider)
    with tokenprof.profile(run_path), pytest.raises(httpx.ConnectError):
        httpx.post(**address)
    assert read([run_path]).turns == ()


def test_a_call_is_recorded_once_however_often_it_was_wrapped(run_path: Path) -> None:
    with LoopbackProvider([Reply.text("one"), Reply.text("two")]) as provider, tokenprof.profile(run_path):
        undo = httpx_wire.wrap_new_clients()
        with httpx_wire.wrap(httpx_wire.wrap(httpx.Client())) as client:
            client.post(**asked(provider))
        undo()
        undo()
        with anthropic.Anthropic(api_key="none", base_url=provider.url) as sdk:
            sdk.messages.create(**asked(provider)["json"])
    assert len(recorded(run_path, provider).turns) == 2


def test_a_client_wrapped_inside_a_profile_stays_wrapped_after_it(
    installed: Callable[[], None], run_path: Path
) -> None:
    with LoopbackProvider([Reply.text("one")]) as provider:
        with tokenprof.profile(run_path):
            client = tokenprof.wrap(httpx.Client())
        installed()
        assert not is_marked(httpx.Client.send)
        assert is_marked(client.send)
        with client, tokenprof.profile(run_path):
            client.post(**asked(provider))
    assert len(recorded(run_path, provider).turns) == 1


def test_other_requests_are_left_alone(run_path: Path) -> None:
    with LoopbackProvider([]) as provider, tokenprof.profile(run_path):
        body = asked(provider)["json"]
        assert httpx.post(f"{provider.url}/v1/messages/count_tokens", json=body).json()["input_tokens"] > 0
        assert httpx.post(f"{provider.url}/v1/else", json=body).status_code == 404
    assert run_path.read_bytes() == b""


def test_undone_by_its_last_user_the_class_is_as_it_was(installed: Callable[[], None]) -> None:
    patched = httpx.Client.send
    undo = httpx_wire.wrap_new_clients()
    installed()
    assert httpx.Client.send is patched
    undo()
    assert httpx.Client.send is patched.__wrapped__  # type: ignore[attr-defined]
    assert not hasattr(httpx.AsyncClient.send, "__wrapped__")

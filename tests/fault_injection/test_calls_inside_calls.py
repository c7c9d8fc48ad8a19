"""Calls that a host makes while it is inside another one: each is a turn of its own, whatever started it."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import httpx2
import orjson
import pytest
from hosts import URL, Provider, accounted, body_of
from test_hostile_hosts import run_of
from waiting import wait_until

import tokenprof

Ask = Callable[[], object]


class Inner:
    """Makes a call of its own on first use, with a client of its own."""

    def __init__(self, provider: Provider, text: str) -> None:
        self._provider = provider
        self._text = text
        self.calls = 0

    def __call__(self, *_: object) -> None:
        if not self.calls:
            self.calls += 1
            with httpx.Client(transport=httpx.MockTransport(self._provider)) as client:
                client.post(URL, json=body_of(self._text))


class Meanwhile(httpx.MockTransport):
    """Answers from memory, after something else has happened."""

    def __init__(self, provider: Provider, happens: Ask) -> None:
        super().__init__(provider)
        self._happens = happens

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._happens()
        return super().handle_request(request)


def by_a_signal_handler(provider: Provider, inner: Inner) -> None:
    before = signal.signal(signal.SIGUSR1, inner)
    try:
        ask_while(provider, lambda: signal.raise_signal(signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, before)


class Finalised:
    def __init__(self, inner: Inner) -> None:
        self.inner = inner
        self.myself = self

    def __del__(self) -> None:
        self.inner()


def by_a_finaliser(provider: Provider, inner: Inner) -> None:
    def collected() -> None:
        Finalised(inner)
        gc.collect()

    ask_while(provider, collected)


def by_a_weak_reference(provider: Provider, inner: Inner) -> None:
    kept = []

    def forgotten() -> None:
        kept.append(weakref.ref(Provider(), inner))

    ask_while(provider, forgotten)


def by_a_trace_function(provider: Provider, inner: Inner) -> None:
    traced = sys.gettrace()
    sys.settrace(inner)
    try:
        ask_while(provider, lambda: None)
    finally:
        sys.settrace(traced)


def by_a_profile_function(provider: Provider, inner: Inner) -> None:
    sys.setprofile(inner)
    try:
        ask_while(provider, lambda: None)
    finally:
        sys.setprofile(None)


def by_hooks_of_the_client(provider: Provider, inner: Inner) -> None:
    ask_while(provider, lambda: None, event_hooks={"request": [inner]})
    inner.calls = 0
    ask_while(provider, lambda: None, event_hooks={"response": [inner]})


class Asking(httpx.Auth):
    def __init__(self, inner: Inner) -> None:
        self._inner = inner

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:
        self._inner()
        yield request


def by_authentication(provider: Provider, inner: Inner) -> None:
    ask_while(provider, lambda: None, auth=Asking(inner))


def by_a_task_that_inherited_the_context(provider: Provider, inner: Inner) -> None:
    async def hook(_: httpx.Request) -> None:
        async def beside() -> None:
            inner()

        await asyncio.create_task(beside())

    async def ask() -> None:
        transport = httpx.MockTransport(provider)
        async with httpx.AsyncClient(transport=transport, event_hooks={"request": [hook]}) as client:
            await client.post(URL, json=body_of("x"))

    asyncio.run(ask())


def by_a_transport_that_asks_twice(provider: Provider, inner: Inner) -> None:
    class Hedging(httpx.MockTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            inner()
            return super().handle_request(request)

    with httpx.Client(transport=Hedging(provider)) as client:
        client.post(URL, json=body_of("x"))


def ask_while(provider: Provider, happens: Ask, **options: Any) -> None:
    with httpx.Client(transport=Meanwhile(provider, happens), **options) as client:
        assert client.post(URL, json=body_of("x")).status_code == 200


@pytest.mark.parametrize("text", ["x", "another"])
@pytest.mark.parametrize(
    "made",
    [
        by_a_signal_handler,
        by_a_finaliser,
        by_a_weak_reference,
        by_a_trace_function,
        by_a_profile_function,
        by_hooks_of_the_client,
        by_authentication,
        by_a_task_that_inherited_the_context,
        by_a_transport_that_asks_twice,
    ],
)
def test_a_call_inside_a_call_is_a_turn(
    made: Callable[[Provider, Inner], None], text: str, tmp_path: Path
) -> None:
    provider, path = Provider(), tmp_path / "run.jsonl"
    inner = Inner(provider, text)
    with tokenprof.profile(path):
        made(provider, inner)
    run, _ = accounted(path)
    assert inner.calls
    assert provider.billed >= 2
    assert (len({turn.id for turn in run.turns}), run.problems) == (provider.billed, ())


MESSAGES = "https://api.anthropic.com/v1/messages"


class MessagesProvider:
    """Answers Messages calls from memory, and lets something happen during the first one."""

    def __init__(self) -> None:
        self.billed = 0
        self.happens: Callable[[], object] = lambda: None

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        happens, self.happens = self.happens, lambda: None
        happens()
        self.billed += 1
        answer = {
            "id": f"msg_{self.billed}",
            "type": "message",
            "role": "assistant",
            "model": orjson.loads(request.content)["model"],
            "content": [{"type": "text", "text": "hi"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 10, "output_tokens": 5},
        }
        return httpx2.Response(200, json=answer)

    def client(self) -> anthropic.Anthropic:
        transport = httpx2.MockTransport(self)
        return anthropic.Anthropic(api_key="none", http_client=httpx2.Client(transport=transport))

    def post(self, text: str) -> None:
        with httpx2.Client(transport=httpx2.MockTransport(self)) as client:
            client.post(MESSAGES, json=asked(text))


def asked(text: str) -> dict[str, Any]:
    return {
        "model": "claude-opus-4-8",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": text}],
    }


@pytest.mark.parametrize("text", ["What is the capital of France?", "Summarise this."])
@pytest.mark.parametrize("way", ["the same client", "another client", "an older client", "its HTTP library"])
def test_a_call_inside_one_of_the_anthropic_sdk_is_a_turn_or_counted(
    way: str, text: str, tmp_path: Path
) -> None:
    provider, path = MessagesProvider(), tmp_path / "run.jsonl"
    older = provider.client()
    with tokenprof.profile(path):
        client = provider.client()
        ways: dict[str, Ask] = {
            "the same client": lambda: client.messages.create(**asked(text)),
            "another client": lambda: provider.client().messages.create(**asked(text)),
            "an older client": lambda: older.messages.create(**asked(text)),
            "its HTTP library": lambda: provider.post(text),
        }
        provider.happens = ways[way]
        client.messages.create(**asked("What is the capital of France?"))
    run, calls = accounted(path)
    assert provider.billed == 2
    assert calls == 2
    if ("client" in way and way != "an older client") or text == "Summarise this.":
        assert {turn.id for turn in run.turns} == {"msg_1", "msg_2"}


class Twice(anthropic.Middleware):
    """A host's middleware below ours that makes each call twice."""

    def handle(self, request: Any, call_next: Any) -> Any:
        call_next(request)
        return call_next(request)


def test_calls_that_a_middleware_repeats_are_a_turn_or_counted(tmp_path: Path) -> None:
    provider, path = MessagesProvider(), tmp_path / "run.jsonl"
    with tokenprof.profile(path):
        client = provider.client()
        repeating = client.with_options(middleware=[*client.middleware, Twice()])
        repeating.messages.create(**asked("What is the capital of France?"))
    _, calls = accounted(path)
    assert (provider.billed, calls) == (2, 2)


def test_a_client_whose_send_makes_its_request_again_is_seen_once(tmp_path: Path) -> None:
    class Signing(httpx.Client):
        def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
            signed = httpx.Request(request.method, request.url, content=request.content)
            return super().send(signed, **options)

    provider, path = Provider(), tmp_path / "run.jsonl"
    with (
        tokenprof.profile(path),
        tokenprof.wrap(Signing(transport=httpx.MockTransport(provider))) as client,
    ):
        client.post(URL, json=body_of("x"))
    run, _ = accounted(path)
    assert (len(run.turns), run.problems) == (1, ())


def test_a_request_that_is_sent_as_it_is_made_is_a_turn(tmp_path: Path) -> None:
    provider, path = Provider(), tmp_path / "run.jsonl"

    def streamed() -> Iterator[bytes]:
        yield orjson.dumps(body_of("x"))

    def read_first(request: httpx.Request) -> httpx.Response:
        request.read()
        return provider(request)

    with tokenprof.profile(path), httpx.Client(transport=httpx.MockTransport(read_first)) as client:
        client.post(URL, content=streamed(), headers={"content-type": "application/json"})
    run, _ = accounted(path)
    [turn] = run.turns
    assert turn.usage is not None
    assert turn.model == "gpt-5.4"


def test_a_call_of_a_listener_is_a_turn(tmp_path: Path) -> None:
    provider, path = Provider(), tmp_path / "run.jsonl"
    inner = Inner(provider, "asked by a listener")
    with tokenprof.profile(path, on_turn=inner):
        ask_while(provider, lambda: None)
        wait_until(lambda: provider.billed == 2, "the listener has asked")
    run, calls = accounted(path)
    assert calls == 2, run.problems


BEGINNINGS = {
    "a block that is never left": "tokenprof.profile(sys.argv[1]).__enter__()",
    "the environment": """
os.environ["TOKENPROF_RUN"] = sys.argv[1]
from tokenprof.live.profile import record_as_environment_says, watch_all
watch_all(); record_as_environment_says()
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("begin", BEGINNINGS.values(), ids=BEGINNINGS)
def test_calls_after_the_end_of_the_program_are_turns_or_counted(begin: str, tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        f"""
import atexit, pathlib, threading, weakref

folder = pathlib.Path(sys.argv[1]).parent

def asks(text):
    ask(text)
    (folder / text).touch()

class Last:
    def __del__(self):
        asks("finalised")

atexit.register(asks, "registered before")
{begin}
asks("in the program")
atexit.register(asks, "registered after")
last = Last()
weakref.finalize(last, asks, "finalised by a weak reference")
threading.Thread(target=lambda: (threading.main_thread().join(), asks("after the main thread"))).start()
""",
    )
    made = [path.name for path in tmp_path.iterdir() if " " in path.name or path.name == "finalised"]
    assert len(made) >= 5
    assert len(run.turns) + sum(problem.calls for problem in run.problems) == len(made)

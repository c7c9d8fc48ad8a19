"""OpenAI's two APIs on the loopback interface: Chat Completions and Responses, with a known truth.

    with OpenAILoopback([Reply.text("hello")]) as provider:
        client = openai.OpenAI(api_key="unused", base_url=provider.url)

Like `LoopbackProvider`, it shares no code with the profiler's reading of a request except the cache rules of
`pricing`. Models before GPT-5.6 read any earlier prefix of at least 1,024 tokens, in steps of 128. Later
models read and write at breakpoints: explicit ones, and one at the end of the newest message.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Literal
from urllib.parse import urlsplit

import orjson

from tokenprof.pricing.cache.automatic_caches import AutomaticSplit, OpenAIBreakpointCache, OpenAIPrefixCache
from tokenprof.pricing.cache.cache_rules import openai_has_breakpoints
from tokenprof.pricing.cache.prompt_prefixes import CacheBlock
from tokenprof.testing.billing import Counted, Tokenizer, toktok_count
from tokenprof.testing.local_server import LocalServer
from tokenprof.testing.openai_counting import INHERITED, OpenAICounter
from tokenprof.testing.openai_replies import (
    chat_chunks,
    compaction_body,
    completion_body,
    openai_error,
    response_body,
    response_events,
)
from tokenprof.testing.provider import Script, WireCall
from tokenprof.testing.replies import Reply, frame

Wire = Mapping[str, Any]
Kind = Literal["chat", "response", "compaction"]

DONE = b"data: [DONE]\n\n"
HEAD_KINDS = ("tool", "output_schema")


@dataclass
class OpenAILoopback:
    """An HTTP server on 127.0.0.1 that answers Chat Completions and Responses from a script.

    `script` is a list of replies, one per attempt, or a function of (request body, attempt number).
    `tokenizer` counts the tokens (None: o200k), and `clock` gives the time for the cache in seconds. `log`
    collects a `WireCall` per attempt, with the usage in the form of the API that was called.

    Thinking is billed as reasoning: Responses show it as an item of its own, and Chat Completions do not
    show it. In Responses, a tool call whose input is text is a call of a custom tool.
    """

    script: Script
    tokenizer: Tokenizer | None = None
    clock: Callable[[], float] = time.monotonic
    log: list[WireCall] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._counter = OpenAICounter(self.tokenizer or toktok_count())
        self._prefixes = OpenAIPrefixCache()
        self._breakpoints = OpenAIBreakpointCache()
        self._lock = threading.Lock()
        self._attempts = 0
        self._responses = 0
        self._held: dict[str, list[Counted]] = {}
        self._server: LocalServer[OpenAILoopback] | None = None

    @property
    def url(self) -> str:
        """The base address to give to a client. Raises RuntimeError while the provider is not running."""
        if self._server is None:
            raise RuntimeError("The loopback provider is not running; enter it first: `with provider:`.")
        return f"{self._server.url}/v1"

    @property
    def billed(self) -> list[WireCall]:
        """The attempts that were billed."""
        return [call for call in self.log if call.usage is not None]

    def __enter__(self) -> OpenAILoopback:
        """Start the server on a free port."""
        self._server = LocalServer(self, _OpenAIHandler)
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def next_reply(self, body: Wire) -> Reply:
        """Return the script's answer to the next attempt."""
        with self._lock:
            number, self._attempts = self._attempts, self._attempts + 1
        if callable(self.script):
            return self.script(body, number)
        return self.script[number] if number < len(self.script) else Reply.error(400)

    def answer(self, body: Wire, reply: Reply, *, chat: bool) -> tuple[dict[str, Any], list[Counted]]:
        """Return the whole answer to a request, with its usage, and the blocks that it was billed for.

        Raises LookupError if the request continues an unknown response.
        """
        with self._lock:
            items = list(self._items(body, chat=chat))
            prompt = [*self._counter.head(body), *items]
            model, scope = str(body.get("model")), str(body.get("prompt_cache_key") or "")
            split = self._split(body, prompt, model, scope)
            self._responses += 1
            serial = f"{id(self) % 10**6:06d}{self._responses:05d}"
            usage = self._usage(split, reply, chat=chat)
            tier = str(body.get("service_tier") or "auto")
            served = {"service_tier": "default" if tier == "auto" else tier}
            if chat:
                return completion_body(reply, f"chatcmpl-{serial}", model, usage) | served, prompt
            response = response_body(reply, f"resp_{serial}", model, usage) | served
            if body.get("store") is not False:
                self._held[response["id"]] = [*items, *self._counter.items(response["output"], "held")]
            return response, prompt

    def _split(self, body: Wire, prompt: Sequence[Counted], model: str, scope: str) -> AutomaticSplit:
        """Return how the cache splits the prompt, by the rules of the model's generation."""
        blocks = [CacheBlock(block.digest, block.tokens, block.kind) for block in prompt]
        if not openai_has_breakpoints(model):
            return self._prefixes.call(blocks, self.clock(), model, scope)
        roots = [block.path.partition(".")[0] for block in prompt]
        ends = [
            at
            for at, block in enumerate(prompt)
            if block.kind not in HEAD_KINDS and (at + 1 == len(prompt) or roots[at + 1] != roots[at])
        ]
        options = body.get("prompt_cache_options") or {}
        own = str(options.get("ttl") or "30m")
        marks = [
            (at, own if block.marker == INHERITED else block.marker)
            for at, block in enumerate(prompt)
            if block.marker
        ]
        mode: Literal["implicit", "explicit"]
        mode = "explicit" if options.get("mode") == "explicit" else "implicit"
        return self._breakpoints.call(blocks, ends, marks, self.clock(), model, scope, mode)

    def _usage(self, split: AutomaticSplit, reply: Reply, *, chat: bool) -> dict[str, Any]:
        output, reasoning = self._counter.output(reply.content)
        first, second = ("prompt", "completion") if chat else ("input", "output")
        written = split.write_30m_tokens + split.write_12h_tokens
        prompt = split.read_tokens + written + split.uncached_tokens
        details: dict[str, Any] = {"cached_tokens": split.read_tokens, "cache_write_tokens": written}
        if written:
            ttls = {"ttl_30m_tokens": split.write_30m_tokens, "ttl_12h_tokens": split.write_12h_tokens}
            details["cache_write_tokens_details"] = ttls
        usage = {
            f"{first}_tokens": prompt,
            f"{first}_tokens_details": details,
            f"{second}_tokens": output,
            f"{second}_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": prompt + output,
        }
        return usage | dict(reply.usage)

    def _items(self, body: Wire, *, chat: bool) -> Iterator[Counted]:
        if chat:
            for index, message in enumerate(body["messages"]):
                yield from self._counter.message(message, f"messages[{index}]")
            return
        previous = body.get("previous_response_id")
        if previous and previous not in self._held:
            raise LookupError(f"Previous response with id '{previous}' not found.")
        yield from self._held[previous] if previous else ()
        given = body.get("input") or []
        said = [{"role": "user", "content": given}] if isinstance(given, str) else given
        yield from self._counter.items(said, "input")


class _OpenAIHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LocalServer[OpenAILoopback]

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        """Say that there are no models to list."""
        if urlsplit(self.path).path == "/v1/models":
            self._send(200, {"object": "list", "data": []})
        else:
            self._fail(404, f"the loopback provider has no {self.path}")

    def do_POST(self) -> None:
        """Answer a call of either API."""
        body = orjson.loads(self.rfile.read(int(self.headers["content-length"])))
        path = urlsplit(self.path).path
        if path in ("/v1/chat/completions", "/v1/responses", "/v1/responses/compact"):
            kind: Kind = "chat" if path.endswith("completions") else "response"
            self._answer(self.server.behind, body, "compaction" if path.endswith("compact") else kind)
        else:
            self._fail(404, f"the loopback provider has no {path}")

    def _answer(self, provider: OpenAILoopback, body: Wire, kind: Kind) -> None:
        chat = kind == "chat"
        reply, at_s = provider.next_reply(body), provider.clock()
        time.sleep(reply.delay_s)
        status, why = reply.status, "scripted failure"
        if status == 200:
            try:
                whole, blocks = provider.answer(body, reply, chat=chat)
                if kind == "compaction":
                    whole = compaction_body(whole, body.get("input"))
            except LookupError as error:
                status, why = 400, str(error)
        if status != 200:
            provider.log.append(WireCall(body, None, None, status=str(status), at_s=at_s))
            self._fail(status, why)
            return
        streamed = bool(body.get("stream"))
        ends = "cut" if streamed and reply.cut_after_events is not None else "ok"
        ends = "error" if streamed and reply.error_after_events is not None else ends
        provider.log.append(WireCall(body, whole["id"], whole["usage"], tuple(blocks), ends, at_s))
        if reply.without_usage:
            whole = {key: value for key, value in whole.items() if key != "usage"}
        if not streamed:
            self._send(200, whole)
        elif chat:
            with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
            told = [_data(chunk) for chunk in chat_chunks(whole, with_usage=with_usage)]
            self._stream(reply, [*told, DONE], _data(openai_error(500, "scripted failure")))
        else:
            failure = {**openai_error(500, "scripted failure")["error"], "type": "error"}
            failure["sequence_number"] = reply.error_after_events
            self._stream(reply, [frame(event) for event in response_events(whole)], frame(failure))

    def _stream(self, reply: Reply, frames: Sequence[bytes], failed: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number, data in enumerate(frames):
            if number == reply.cut_after_events:
                # No closing chunk: the client sees the connection break.
                self.close_connection = True
                return
            if number == reply.error_after_events:
                self._chunk(failed)
                break
            self._chunk(data)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _fail(self, status: int, why: str) -> None:
        self._send(status, openai_error(status, why), {"retry-after-ms": "1"})

    def _send(self, status: int, answer: Wire, headers: Mapping[str, str] | None = None) -> None:
        data = orjson.dumps(answer)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _data(chunk: Wire) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"

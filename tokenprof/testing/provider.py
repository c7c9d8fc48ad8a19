"""A Messages API on the loopback interface, with prompt caching by the published rules and a known truth.

It also answers Bedrock's Converse and ConverseStream.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any

import orjson

from tokenprof.data_classes.frozen import frozen
from tokenprof.pricing.cache.anthropic_cache import AnthropicCache, CacheSplit
from tokenprof.pricing.cache.prompt_prefixes import CacheBlock
from tokenprof.testing import converse
from tokenprof.testing.billing import Counted, Counter, Overheads, Tokenizer, toktok_count
from tokenprof.testing.dialect import CONVERSE, MESSAGES, Dialect
from tokenprof.testing.local_server import LocalServer
from tokenprof.testing.replies import Reply, error_body, message_body

Script = Callable[[Mapping[str, Any], int], Reply] | Sequence[Reply]


@frozen
class WireCall:
    """What the provider did for one attempt: the truth with which a recording can be compared.

    `usage` is what it billed (None for a failure). `blocks` holds the true sizes in cache order, without the
    closing tokens. `status` is `ok`, `cut`, `error` or the HTTP status of a failure.
    """

    body: Mapping[str, Any]
    response_id: str | None
    usage: Mapping[str, Any] | None
    blocks: tuple[Counted, ...] = ()
    status: str = "ok"
    at_s: float = 0.0


@dataclass
class LoopbackProvider:
    """An HTTP server on 127.0.0.1 that answers the Messages API from a script.

    `script` is a list of replies, one per attempt, or a function of (request body, attempt number).
    `tokenizer` and `overheads` determine how it counts. `minimum_tokens` is the shortest prefix that it
    caches (None: that of the dated table), `clock` gives the time for the cache in seconds, and
    `tokens_per_s` is how fast it writes (None: everything at once). `log` collects a `WireCall` per attempt.
    """

    script: Script
    tokenizer: Tokenizer | None = None
    overheads: Overheads = field(default_factory=Overheads)
    drop_thinking: bool = False
    minimum_tokens: int | None = None
    clock: Callable[[], float] = time.monotonic
    tokens_per_s: float | None = None
    log: list[WireCall] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._counter = Counter(self.tokenizer or toktok_count(), self.overheads, self.drop_thinking)
        self._cache = AnthropicCache(minimum_tokens=self.minimum_tokens)
        self._lock = threading.Lock()
        self._attempts = 0
        self._responses = 0
        self._server: LocalServer[LoopbackProvider] | None = None

    @property
    def url(self) -> str:
        """The base address to give to a client. Raises RuntimeError while the provider is not running."""
        if self._server is None:
            raise RuntimeError("The loopback provider is not running; enter it first: `with provider:`.")
        return self._server.url

    @property
    def billed(self) -> list[WireCall]:
        """The attempts that were billed."""
        return [call for call in self.log if call.usage is not None]

    def __enter__(self) -> LoopbackProvider:
        """Start the server on a free port."""
        self._server = LocalServer(self, _MessagesHandler)
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def next_reply(self, body: Mapping[str, Any]) -> Reply:
        """Return the script's answer to the next attempt."""
        with self._lock:
            number, self._attempts = self._attempts, self._attempts + 1
        if callable(self.script):
            return self.script(body, number)
        if number >= len(self.script):
            return Reply.error(400)
        return self.script[number]

    def bill(self, body: Mapping[str, Any], reply: Reply) -> tuple[str, dict[str, Any], list[Counted]]:
        """Count a request and its answer, and apply the cache. Raises ValueError to refuse the request."""
        with self._lock:
            counted = self._counter.count(body)
            marks = [(i, block.marker) for i, block in enumerate(counted) if block.marker]
            prompt = [CacheBlock(block.digest, block.tokens, block.kind) for block in counted]
            now_s = self.clock()
            found = self._cache.lookup(
                prompt, [(i, ttl) for i, ttl in marks if ttl], now_s, str(body.get("model"))
            )
            self._cache.commit(found, now_s)
            self._responses += 1
            response_id = f"msg_{id(self) % 10**6:06d}{self._responses:05d}"
        return response_id, self._usage(found.split, reply), counted

    def count_tokens(self, body: Mapping[str, Any]) -> int:
        """Return the answer of `count_tokens`: the whole prompt, cached or not."""
        return sum(block.tokens for block in self._counter.count(body)) + self.overheads.prompt_end

    def _usage(self, split: CacheSplit, reply: Reply) -> dict[str, Any]:
        output, thinking = self._counter.output(reply.content)
        usage: dict[str, Any] = {
            "input_tokens": split.uncached_tokens + self.overheads.prompt_end,
            "cache_creation_input_tokens": split.write_5m_tokens + split.write_1h_tokens,
            "cache_read_input_tokens": split.read_tokens,
            "cache_creation": {
                "ephemeral_5m_input_tokens": split.write_5m_tokens,
                "ephemeral_1h_input_tokens": split.write_1h_tokens,
            },
            "output_tokens": output,
            "service_tier": "standard",
            "inference_geo": "global",
        }
        if thinking:
            usage["output_tokens_details"] = {"thinking_tokens": thinking}
        return usage | dict(reply.usage)


class _MessagesHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LocalServer[LoopbackProvider]

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def do_POST(self) -> None:
        """Answer a Messages call or a token count, or the same for Bedrock."""
        body = orjson.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.partition("?")[0]
        provider = self.server.behind
        if path.endswith("/v1/messages/count_tokens"):
            self._send(200, orjson.dumps({"input_tokens": provider.count_tokens(body)}))
        elif path.endswith("/v1/messages"):
            self._answer(provider, body, MESSAGES)
        elif converse.PATH.search(path):
            self._answer(provider, converse.messages_body(path, body), CONVERSE)
        else:
            self._send(404, error_body(404, f"the loopback provider has no {path}"))

    def _answer(self, provider: LoopbackProvider, body: Mapping[str, Any], dialect: Dialect) -> None:
        reply = provider.next_reply(body)
        if reply.delay_s:
            time.sleep(reply.delay_s)
        if reply.status != 200:
            provider.log.append(WireCall(body, None, None, status=str(reply.status), at_s=provider.clock()))
            headers = {"retry-after": "0", **dialect.error_headers(reply.status)}
            self._send(reply.status, dialect.error(reply.status, "scripted failure"), headers)
            return
        try:
            response_id, usage, counted = provider.bill(body, reply)
        except ValueError as error:
            provider.log.append(WireCall(body, None, None, status="400", at_s=provider.clock()))
            self._send(400, dialect.error(400, str(error)), dialect.error_headers(400))
            return
        billed = None if reply.without_usage else usage
        message = message_body(reply, response_id, str(body.get("model")), billed)
        ends = "cut" if reply.cut_after_events is not None and body.get("stream") else "ok"
        ends = "error" if reply.error_after_events is not None and body.get("stream") else ends
        provider.log.append(WireCall(body, response_id, usage, tuple(counted), ends, provider.clock()))
        seconds = usage["output_tokens"] / provider.tokens_per_s if provider.tokens_per_s else 0.0
        if body.get("stream"):
            self._stream(reply, message, response_id, seconds, dialect)
        else:
            time.sleep(seconds)
            self._send(200, dialect.whole(message), dialect.id_headers(response_id))

    def _stream(
        self, reply: Reply, message: Mapping[str, Any], response_id: str, seconds: float, dialect: Dialect
    ) -> None:
        self.send_response(200)
        self.send_header("content-type", dialect.stream_type)
        for name, value in dialect.id_headers(response_id).items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        told = list(dialect.frames(message))
        for number, event in enumerate(told):
            time.sleep(seconds / len(told))
            if number == reply.cut_after_events:
                # No closing chunk: the client sees the connection break.
                self.close_connection = True
                return
            if number == reply.error_after_events:
                self._chunk(dialect.error_frame)
                break
            self._chunk(event)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _send(self, status: int, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

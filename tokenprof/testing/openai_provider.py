"""OpenAI's two APIs on the loopback interface: Chat Completions and Responses, with a known truth.

with OpenAILoopback([Reply.text("hello")]) as provider:
    client = openai.OpenAI(api_key="unused", base_url=provider.url)

Like the Anthropic provider beside it, it shares no code with the profiler's reading of a request, beyond the
cache rules of `pricing`. The cache is the one that OpenAI had until GPT-5.6, for every model: any earlier
prefix, in steps of 128 tokens from 1,024 on.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import orjson

from tokenprof.pricing.cache_automatic import OpenAIPrefixCache
from tokenprof.pricing.cache_simulator import CacheBlock
from tokenprof.testing.billing import Counted, Section, Tokenizer, toktok_count
from tokenprof.testing.provider import Script, WireCall
from tokenprof.testing.replies import PIECE_CHARS, Reply, frame

Wire = Mapping[str, Any]

CREATED_AT = 1
"""When every answer says that it was made, in seconds: the same answer twice is the same bytes."""
DONE = b"data: [DONE]\n\n"
ERROR_TYPES = {401: "authentication_error", 429: "rate_limit_error"}
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
CALL_OUTPUTS = ("function_call_output", "custom_tool_call_output")
HEAD_ROLES = ("system", "developer")


@dataclass
class OpenAILoopback:
    """An HTTP server on 127.0.0.1 that answers Chat Completions and Responses from a script.

    `script` is a list of replies, one per attempt, or a function of (request body, attempt number).
    `tokenizer` says how it counts (None: o200k), `clock` what time it is for the cache, in seconds.
    `log` holds a `WireCall` per attempt, its usage in the terms of the API that was called. Thinking is
    billed as reasoning: Responses show it as an item of its own, Chat Completions do not show it. A tool
    call whose input is a text is, in Responses, a call of a custom tool.
    """

    script: Script
    tokenizer: Tokenizer | None = None
    clock: Callable[[], float] = time.monotonic
    log: list[WireCall] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._count = self.tokenizer or toktok_count()
        self._cache = OpenAIPrefixCache()
        self._lock = threading.Lock()
        self._attempts = 0
        self._responses = 0
        self._held: dict[str, list[Counted]] = {}
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """The base address to give to a client. Raises RuntimeError while the provider is not running."""
        if self._server is None:
            raise RuntimeError("The loopback provider is not running; enter it first: `with provider:`.")
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def billed(self) -> list[WireCall]:
        """The attempts that were billed."""
        return [call for call in self.log if call.usage is not None]

    def __enter__(self) -> OpenAILoopback:
        """Start the server on a free port."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.provider = self
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
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

        Raises LookupError where the request continues a response that is not held.
        """
        with self._lock:
            items = list(self._items(body, chat=chat))
            prompt = [*self._head(body), *items]
            model, scope = str(body.get("model")), str(body.get("prompt_cache_key") or "")
            blocks = [CacheBlock(block.digest, block.tokens, block.kind) for block in prompt]
            read_tokens = self._cache.call(blocks, self.clock(), model, scope).read_tokens
            self._responses += 1
            serial = f"{id(self) % 10**6:06d}{self._responses:05d}"
            usage = self._usage(sum(block.tokens for block in prompt), read_tokens, reply, chat=chat)
            if chat:
                return _completion(reply, f"chatcmpl-{serial}", model, usage), prompt
            response = _response(reply, f"resp_{serial}", model, usage)
            if body.get("store") is not False:
                self._held[response["id"]] = [*items, *self._of_items(response["output"], "held")]
            return response, prompt

    def _usage(self, prompt: int, read: int, reply: Reply, *, chat: bool) -> dict[str, Any]:
        reasoning = sum(self._count(part["thinking"]) for part in reply.content if "thinking" in part)
        output = reasoning + sum(self._count(_written(part)) for part in reply.content)
        first, second = ("prompt", "completion") if chat else ("input", "output")
        usage = {
            f"{first}_tokens": prompt,
            f"{first}_tokens_details": {"cached_tokens": read, "cache_write_tokens": 0},
            f"{second}_tokens": output,
            f"{second}_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": prompt + output,
        }
        return usage | dict(reply.usage)

    def _head(self, body: Wire) -> Iterator[Counted]:
        given = body.get("input")
        late = (
            [item for item in given if _type(item) == "additional_tools"] if isinstance(given, list) else []
        )
        tools = [*(body.get("tools") or ()), *(tool for item in late for tool in item.get("tools") or ())]
        for index, tool in enumerate(tools):
            yield self._block(f"tools[{index}]", "tool", _json(tool), "tools")
        schema = body.get("response_format") or (body.get("text") or {}).get("format") or {}
        if schema.get("type") == "json_schema":
            yield self._block("output_schema", "output_schema", _json(schema), "tools")
        if body.get("instructions"):
            yield self._block("instructions", "instructions", body["instructions"], "system")

    def _items(self, body: Wire, *, chat: bool) -> Iterator[Counted]:
        if chat:
            for index, message in enumerate(body["messages"]):
                yield from self._of_message(message, f"messages[{index}]")
            return
        previous = body.get("previous_response_id")
        if previous and previous not in self._held:
            raise LookupError(f"Previous response with id '{previous}' not found.")
        yield from self._held[previous] if previous else ()
        given = body.get("input") or []
        said = [{"role": "user", "content": given}] if isinstance(given, str) else given
        yield from self._of_items(said, "input")

    def _of_items(self, items: Iterable[Wire], path: str) -> Iterator[Counted]:
        for index, item in enumerate(items):
            at, kind = f"{path}[{index}]", _type(item)
            if kind == "message":
                yield from self._of_message(item, at)
            elif kind == "additional_tools":
                continue
            elif kind in CALLS:
                yield self._block(at, kind, item["name"] + item[CALLS[kind]], link=item["call_id"])
            elif kind in CALL_OUTPUTS:
                yield self._block(at, kind, _text(item.get("output")), link=item["call_id"])
            elif kind == "reasoning":
                yield self._block(at, kind, _text(item.get("summary")))
            else:
                shown = {key: value for key, value in item.items() if key not in ("id", "status")}
                yield self._block(at, kind, _json(shown))

    def _of_message(self, message: Wire, path: str) -> Iterator[Counted]:
        role, content = str(message.get("role")), message.get("content")
        if role == "tool":
            link = message["tool_call_id"]
            yield self._block(path, "function_call_output", _text(content), link=link)
            return
        section: Section = "system" if role in HEAD_ROLES else "messages"
        for index, part in enumerate([content] if isinstance(content, str) else content or ()):
            yield self._block(f"{path}.content[{index}]", role, _text([part]), section)
        for index, call in enumerate(message.get("tool_calls") or ()):
            function = call["function"]
            text = function["name"] + function["arguments"]
            yield self._block(f"{path}.tool_calls[{index}]", "function_call", text, link=call["id"])

    def _block(
        self, path: str, kind: str, text: str, section: Section = "messages", *, link: str = ""
    ) -> Counted:
        digest = blake2b(_json([kind, link, text]).encode(), digest_size=12).hexdigest()
        return Counted(path, self._count(text), digest, kind, section, None)


def _type(item: Wire) -> str:
    return str(item.get("type") or "message")


def _text(content: Any) -> str:
    """Return the text of a content; parts that have none are counted as they stand."""
    if isinstance(content, str):
        return content
    parts = (part if isinstance(part, str) else part.get("text") for part in content or ())
    return "\n".join(
        _json(part) if text is None else text for text, part in zip(parts, content or (), strict=True)
    )


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _written(part: Wire) -> str:
    """Return what a part of a reply is billed for as output, beside the reasoning."""
    if part["type"] == "tool_use":
        return f"{part['name']}{_arguments(part)}"
    return str(part.get("text", ""))


def _arguments(call: Wire) -> str:
    given = call["input"]
    return given if isinstance(given, str) else _json(given)


def _pieces(text: str) -> list[str]:
    return [text[start : start + PIECE_CHARS] for start in range(0, len(text), PIECE_CHARS)]


def _completion(reply: Reply, response_id: str, model: str, usage: Wire) -> dict[str, Any]:
    texts = [part["text"] for part in reply.content if part["type"] == "text"]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None, "refusal": None}
    calls = [
        {
            "id": part["id"],
            "type": "function",
            "function": {"name": part["name"], "arguments": _arguments(part)},
        }
        for part in reply.content
        if part["type"] == "tool_use"
    ]
    if calls:
        message["tool_calls"] = calls
    ended = {"max_tokens": "length", "refusal": "content_filter"}.get(reply.stop_reason, "stop")
    finish = "tool_calls" if calls else ended
    return {
        "id": response_id,
        "object": "chat.completion",
        "created": CREATED_AT,
        "model": model,
        "service_tier": "default",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": dict(usage),
    }


def _response(reply: Reply, response_id: str, model: str, usage: Wire) -> dict[str, Any]:
    is_cut_short = reply.stop_reason == "max_tokens"
    return {
        "id": response_id,
        "object": "response",
        "created_at": CREATED_AT,
        "model": model,
        "status": "incomplete" if is_cut_short else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut_short else None,
        "error": None,
        "output": [_item(part, f"{response_id[5:]}_{at}") for at, part in enumerate(reply.content)],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "service_tier": "default",
        "usage": dict(usage),
    }


def _item(part: Wire, serial: str) -> dict[str, Any]:
    if part["type"] == "tool_use":
        kind, short = (
            ("custom_tool_call", "ctc") if isinstance(part["input"], str) else ("function_call", "fc")
        )
        call = {"call_id": part["id"], "name": part["name"], CALLS[kind]: _arguments(part)}
        return {"type": kind, "id": f"{short}_{serial}", "status": "completed", **call}
    if part["type"] == "thinking":
        summary = [{"type": "summary_text", "text": part["thinking"]}]
        sealed = base64.b64encode(part["thinking"].encode()).decode()
        return {"type": "reasoning", "id": f"rs_{serial}", "summary": summary, "encrypted_content": sealed}
    text = {"type": "output_text", "text": part["text"], "annotations": [], "logprobs": []}
    shape = {"type": "message", "id": f"msg_{serial}", "status": "completed", "role": "assistant"}
    return {**shape, "content": [text]}


def _chunks(completion: Wire, *, with_usage: bool) -> Iterator[dict[str, Any]]:
    """Yield a completion as the chunks of a stream; the usage comes last, to those who asked for it."""
    kept = {key: completion[key] for key in ("id", "created", "model", "service_tier")}
    common = kept | {"object": "chat.completion.chunk"} | ({"usage": None} if with_usage else {})
    (choice,) = completion["choices"]
    message = choice["message"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in _pieces(message["content"] or "")]
    for index, call in enumerate(message.get("tool_calls", ())):
        opened = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        deltas.append({"tool_calls": [opened]})
        for piece in _pieces(call["function"]["arguments"]):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    for delta in deltas:
        yield {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]}
    if with_usage and "usage" in completion:
        yield {**common, "choices": [], "usage": completion["usage"]}


def _events(response: Wire) -> Iterator[dict[str, Any]]:
    """Yield a response as the events of a stream, numbered; the last one holds all of it."""
    begun = {**response, "status": "in_progress", "output": [], "incomplete_details": None, "usage": None}
    told: list[dict[str, Any]] = [
        {"type": f"response.{name}", "response": begun} for name in ("created", "in_progress")
    ]
    for index, item in enumerate(response["output"]):
        common = {"output_index": index, "item_id": item["id"]}
        empty, filled = _filled(item)
        told.append({"type": "response.output_item.added", "output_index": index, "item": empty})
        told += [{**event, **common, "type": f"response.{event['type']}"} for event in filled]
        told.append({"type": "response.output_item.done", "output_index": index, "item": item})
    told.append({"type": f"response.{response['status']}", "response": response})
    yield from ({**event, "sequence_number": number} for number, event in enumerate(told))


def _filled(item: Wire) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return an item as it opens, and the events that fill it."""
    if item["type"] in CALLS:
        key = CALLS[item["type"]]
        name = f"{item['type']}_{key}"
        deltas = [{"type": f"{name}.delta", "delta": piece} for piece in _pieces(item[key])]
        done = {"type": f"{name}.done", key: item[key], "name": item["name"]}
        return {**item, "status": "in_progress", key: ""}, [*deltas, done]
    reasons = item["type"] == "reasoning"
    holder, name = ("summary", "reasoning_summary_part") if reasons else ("content", "content_part")
    place: dict[str, Any] = {f"{holder}_index": 0}
    text_name = "reasoning_summary_text" if reasons else "output_text"
    said = place if reasons else {**place, "logprobs": []}
    (part,) = item[holder]
    events: list[dict[str, Any]] = [
        {**place, "type": f"{name}.added", "part": {**part, "text": ""}},
        *({**said, "type": f"{text_name}.delta", "delta": piece} for piece in _pieces(part["text"])),
        {**said, "type": f"{text_name}.done", "text": part["text"]},
        {**place, "type": f"{name}.done", "part": part},
    ]
    return {**item, "status": "in_progress", holder: []}, events


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    provider: OpenAILoopback

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle of a response is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

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
        if path in ("/v1/chat/completions", "/v1/responses"):
            self._answer(self.server.provider, body, chat=path.endswith("completions"))
        else:
            self._fail(404, f"the loopback provider has no {path}")

    def _answer(self, provider: OpenAILoopback, body: Wire, *, chat: bool) -> None:
        reply, at_s = provider.next_reply(body), provider.clock()
        time.sleep(reply.delay_s)
        status, why = reply.status, "scripted failure"
        if status == 200:
            try:
                whole, blocks = provider.answer(body, reply, chat=chat)
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
            failed = b"data: " + orjson.dumps(_error(500, "scripted failure")) + b"\n\n"
            told = [
                b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in _chunks(whole, with_usage=with_usage)
            ]
            self._stream(reply, [*told, DONE], failed)
        else:
            failure = {**_error(500, "scripted failure")["error"], "type": "error"}
            failure["sequence_number"] = reply.error_after_events
            self._stream(reply, [frame(event) for event in _events(whole)], frame(failure))

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
        self._send(status, _error(status, why), {"retry-after-ms": "1"})

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


def _error(status: int, message: str) -> dict[str, Any]:
    kind = ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}

"""A program that sends marked texts and keys every way, and then crashes.

python canary_program.py RECORDING (content|default)
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import boto3
import httpx
import openai
from google import genai
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import tokenprof
from tokenprof.testing import LoopbackProvider, OpenAILoopback, Reply

TEXT, KEY = "TEXTCANARY", "KEYCANARY"

HEADERS = {"authorization": f"Bearer {KEY}", "cookie": KEY, "x-other": KEY}
REQUEST: dict[str, Any] = {
    "model": "claude-opus-4-8",
    "max_tokens": 50,
    "system": f"{TEXT} be careful",
    "tools": [
        {
            "name": "search",
            "description": TEXT,
            "input_schema": {"type": "object", "properties": {"q": {"type": "string", "default": TEXT}}},
        }
    ],
    "metadata": {"user_id": TEXT},
    "messages": [
        {"role": "user", "content": f"{TEXT} and my key is sk-ant-api03-{KEY}0123456789"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"q": TEXT}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": TEXT}],
        },
    ],
    "extra_body": {
        "mcp_servers": [
            {
                "type": "url",
                "url": f"https://m.example/?api_key={KEY}",
                "name": "m",
                "authorization_token": KEY,
            }
        ]
    },
}
ODD_ANSWERS = (
    (200, TEXT.encode()),
    (200, b'{"usage": "%b"}' % TEXT.encode()),
    (400, b'{"error": {"message": "%b"}}' % KEY.encode()),
    (200, b"[" * 5000),
)


class OddServer(ThreadingHTTPServer):
    """Gives one answer, which is not what a provider would say."""

    answer: tuple[int, bytes]


class OddHandler(BaseHTTPRequestHandler):
    """Reads a request and gives the server's answer."""

    server: OddServer

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["content-length"]))
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("set-cookie", KEY)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def call_anthropic() -> None:
    replies = [Reply.text(TEXT), Reply.error(529), Reply.text(TEXT), Reply.text(TEXT * 9).cut(3)]
    with (
        LoopbackProvider(replies) as server,
        anthropic.Anthropic(api_key=KEY, base_url=server.url, default_headers=HEADERS) as client,
    ):
        client.messages.create(**REQUEST)
        client.messages.create(**REQUEST)
        with contextlib.suppress(Exception):
            for _ in client.messages.create(**REQUEST, stream=True):
                pass


def call_openai() -> None:
    with (
        OpenAILoopback([Reply.text(TEXT)]) as server,
        openai.OpenAI(api_key=KEY, base_url=server.url, default_headers=HEADERS) as client,
    ):
        client.chat.completions.create(
            model="gpt-5.4", messages=[{"role": "user", "content": TEXT}], user=TEXT
        )


def call_odd(answer: tuple[int, bytes]) -> None:
    with OddServer(("127.0.0.1", 0), OddHandler) as server:
        server.answer = answer
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        with (
            anthropic.Anthropic(api_key=KEY, base_url=url, max_retries=0) as client,
            contextlib.suppress(Exception),
        ):
            client.messages.create(**REQUEST)
        httpx.post(f"{url}/v1/messages?key={KEY}", content=TEXT.encode(), headers=HEADERS)
        server.shutdown()


def clouds(url: str) -> Iterator[tuple[Callable[[], object], dict[str, Any]]]:
    """Yield a call by each client that signs its requests or authorises itself in its own way; its answer."""
    usage = {"input_tokens": 3, "output_tokens": 2}
    said = [{"type": "text", "text": TEXT}]
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-8",
        "content": said,
    }
    asked = {name: REQUEST[name] for name in ("model", "max_tokens", "messages", "tools")}
    aws = {"aws_access_key_id": KEY, "aws_secret_access_key": KEY * 4, "aws_session_token": f"{KEY}/session"}
    bedrock = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=url, **aws)
    told = {"message": {"role": "assistant", "content": [{"text": TEXT}]}}
    counted = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
    yield (
        lambda: bedrock.converse(
            modelId="amazon.nova-pro-v1:0", messages=[{"role": "user", "content": [{"text": TEXT}]}]
        ),
        {"output": told, "stopReason": "end_turn", "usage": counted},
    )
    claude = {**message, "usage": usage}
    signing = anthropic.AnthropicBedrock(
        aws_access_key=KEY,
        aws_secret_key=KEY * 4,
        aws_session_token=KEY,
        aws_region="us-east-1",
        base_url=url,
    )
    yield lambda: signing.messages.create(**asked), claude
    vertex = anthropic.AnthropicVertex(
        access_token=f"ya29.{KEY}", project_id="p", region="us-east5", base_url=url
    )
    yield lambda: vertex.messages.create(**asked), claude
    bearer = anthropic.Anthropic(auth_token=f"{KEY}.{KEY}.{KEY}", base_url=url)
    yield lambda: bearer.messages.create(**asked), claude
    parts = [{"content": {"role": "model", "parts": [{"text": TEXT}]}, "finishReason": "STOP"}]
    counts = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
    gemini = genai.Client(api_key=f"AIza{KEY}", http_options={"base_url": url})
    yield (
        lambda: gemini.models.generate_content(model="gemini-3-pro", contents=TEXT),
        {"candidates": parts, "usageMetadata": counts, "modelVersion": "gemini-3-pro", "responseId": "r"},
    )
    choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    chat = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-5.4", "choices": [choice]}
    chat["usage"] = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    for credentials in ({"api_key": KEY}, {"azure_ad_token": f"eyJ{KEY}"}):
        azure = openai.AzureOpenAI(azure_endpoint=url, api_version="2026-01-01", max_retries=0, **credentials)
        yield (
            lambda azure=azure: azure.chat.completions.create(  # type: ignore[misc]
                model="gpt-5.4", messages=[{"role": "user", "content": TEXT}]
            ),
            chat,
        )
    signed = (
        f"{url}/v1/chat/completions?sig={KEY}&X-Amz-Security-Token={KEY}&X-Amz-Credential={KEY}&code={KEY}"
    )
    yield lambda: httpx.post(signed, json={"model": "m", "messages": []}, auth=("u", KEY)), chat


def call_clouds() -> None:
    with OddServer(("127.0.0.1", 0), OddHandler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        for call, body in clouds(f"http://127.0.0.1:{server.server_address[1]}"):
            refusal = {"error": {"message": f"the key {KEY} is not valid"}, "message": KEY}
            for status, answer in ((200, body), (403, refusal)):
                server.answer = status, json.dumps(answer).encode()
                if status == 200:
                    call()
                else:
                    with contextlib.suppress(Exception):
                        call()
        server.shutdown()


def main() -> None:
    log = logging.getLogger("tokenprof")
    log.setLevel(logging.DEBUG)
    log.addHandler(logging.StreamHandler())
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    with tokenprof.profile(sys.argv[1], content=sys.argv[2] == "content"):
        call_anthropic()
        call_openai()
        call_clouds()
        for answer in ODD_ANSWERS:
            call_odd(answer)
    spans = [
        [span.name, dict(span.attributes or {}), [[e.name, dict(e.attributes or {})] for e in span.events]]
        for span in exporter.get_finished_spans()
        if span.instrumentation_scope is not None and span.instrumentation_scope.name == "tokenprof"
    ]
    sys.stdout.write(json.dumps(spans))
    raise ZeroDivisionError


if __name__ == "__main__":
    main()

"""A provider in a process of its own that answers at once, with usage in proportion to the prompt.

    python benchmarks/recorder/loopback.py

It prints its port and answers Messages, Chat Completions and Converse until it is killed. Every response has
an id of its own, as it would; the prompt counts a token for four bytes of the request, most of them read from
the cache.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from tokenprof.testing import Reply, converse
from tokenprof.testing.openai_replies import completion_body
from tokenprof.testing.replies import events, frame, message_body

BYTES_PER_TOKEN = 4
NEW_SHARE = 0.05
"""How much of a prompt is not read from the cache."""

REPLY = Reply.calls(("read_file", {"path": "a.py"}), text="I read the file first. " * 20)
OUTPUT_TOKENS = 120


def answer(path: str, request: bytes) -> tuple[str, bytes]:
    """Return the content type and the body of the answer to a request."""
    name = f"id_{time.monotonic_ns()}"
    prompt_tokens = max(len(request) // BYTES_PER_TOKEN, 1)
    new_tokens = round(prompt_tokens * NEW_SHARE)
    if path.endswith("/chat/completions"):
        usage: dict[str, Any] = {
            "prompt_tokens": prompt_tokens,
            "prompt_tokens_details": {"cached_tokens": prompt_tokens - new_tokens},
            "completion_tokens": OUTPUT_TOKENS,
            "total_tokens": prompt_tokens + OUTPUT_TOKENS,
        }
        return "application/json", orjson.dumps(completion_body(REPLY, name, "gpt-5.4", usage))
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": prompt_tokens - new_tokens,
        "cache_creation_input_tokens": new_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": new_tokens, "ephemeral_1h_input_tokens": 0},
        "output_tokens": OUTPUT_TOKENS,
    }
    message = message_body(REPLY, name, "claude-opus-4-8", usage)
    if path.endswith("/converse"):
        return "application/json", converse.answer(message)
    if b'"stream":true' in request or b'"stream": true' in request:
        return "text/event-stream", b"".join(map(frame, events(message)))
    return "application/json", orjson.dumps(message)


class _LoopbackHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers["content-length"]))
        kind, data = answer(self.path, request)
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.send_header("x-amzn-requestid", str(time.monotonic_ns()))
        self.end_headers()
        self.wfile.write(data)


@contextlib.contextmanager
def provider() -> Iterator[str]:
    """Start the provider in another process; yields its address, and ends it."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


if __name__ == "__main__":
    listening = ThreadingHTTPServer(("127.0.0.1", 0), _LoopbackHandler)
    print(listening.server_address[1], flush=True)
    listening.serve_forever()

"""The part of the soak that goes through the proxy: its provider refuses, cuts and streams.

The calls are made with the standard library, which a profile does not see, so only the proxy records them.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tokenprof.proxy.recording_proxy import recording_proxy

FAULTS = ("none",) * 8 + ("refused", "cut", "left early")
CHAT = "/v1/chat/completions"


class _Provider(ThreadingHTTPServer):
    truth: int


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Provider

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name, fault, tokens = json.loads(body["messages"][-1]["content"])
        if fault == "refused":
            return self._answer(529, b'{"error": {"message": "overloaded"}}')
        is_stream = bool(body.get("stream"))
        # The proxy may have read the whole answer before its client has left.
        outcome = {"cut": "cut", "left early": "either"}.get(fault, "none") if is_stream else "none"
        os.write(self.server.truth, json.dumps([name, outcome, tokens]).encode() + b"\n")
        if not is_stream:
            return self._answer(200, json.dumps(_whole(name, tokens)).encode())
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        pieces = list(_events(name, tokens))
        try:
            for piece in pieces[:2] if fault == "cut" else pieces:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if fault != "cut":
                self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass  # the client has left
        self.close_connection = fault != "none"
        return None

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _whole(name: str, tokens: int) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": name}, "finish_reason": "stop"}
    return {
        "id": name,
        "object": "chat.completion",
        "model": "gpt-5.4",
        "choices": [choice],
        **_usage(tokens),
    }


def _usage(tokens: int) -> dict[str, Any]:
    return {"usage": {"prompt_tokens": tokens, "completion_tokens": 7, "total_tokens": tokens + 7}}


def _events(name: str, tokens: int) -> Iterator[bytes]:
    head = {"id": name, "object": "chat.completion.chunk", "model": "gpt-5.4"}
    for text, end in ((name[:2], None), (name[2:], None), ("", "stop")):
        choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": end}
        event = {**head, "choices": [choice], **(_usage(tokens) if end else {})}
        yield b"data: " + json.dumps(event).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def _call(address: tuple[str, int], name: str, random_: random.Random) -> str | None:
    """Make one call; return what came out otherwise than it should, None if nothing did."""
    fault, is_stream = random_.choice(FAULTS), random_.random() < 0.5
    said = json.dumps([name, fault, random_.randrange(100, 900)])
    asked = {"model": "gpt-5.4", "messages": [{"role": "user", "content": said}], "stream": is_stream}
    connection = HTTPConnection(*address, timeout=30)
    try:
        connection.request("POST", CHAT, json.dumps(asked), {"content-type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            answer.read()
            got = "error"
        elif fault == "left early":
            answer.read(40)
            got = name
        else:
            got = name if name[2:] in answer.read().decode() else "another"
    except (HTTPException, OSError) as error:
        got = f"error {error!r}"
    finally:
        connection.close()
    fails = fault == "refused" or (fault == "cut" and is_stream)
    is_right = got.startswith("error") if fails else got == name
    return None if is_right else f"proxy, {fault}, {is_stream}: {got[:60]}"


def soak_proxy(folder: Path, calls: int, seed: int) -> Counter[str]:
    """Make calls through a proxy that records to `proxied.jsonl`; return what came out otherwise."""
    differences: Counter[str] = Counter()

    def work(thread: int, address: tuple[str, int]) -> None:
        random_ = random.Random(f"{seed}/proxy/{thread}")
        for number in range(calls // 4):
            difference = _call(address, f"id-p{thread}-{number}", random_)
            if difference:
                differences[difference] += 1

    with (
        _serving(folder / "truth") as upstream,
        recording_proxy(folder / "proxied.jsonl", {}, upstream=upstream) as proxy,
    ):
        url = urlsplit(proxy.url())
        address = (str(url.hostname), int(url.port or 0))
        threads = [threading.Thread(target=work, args=(thread, address)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return differences


@contextmanager
def _serving(truth: Path) -> Iterator[str]:
    with _Provider(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        server.truth = os.open(truth, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()

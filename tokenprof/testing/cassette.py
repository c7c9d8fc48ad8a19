"""A provider's replies on tape: recorded once over real HTTP, played back in CI without a key or a network.

    with Cassette("tests/cassettes/inbox.jsonl", upstream="https://api.anthropic.com") as tape:
        client = anthropic.Anthropic(base_url=tape.url)
        run_my_agent(client)

The agent's own code runs for real and talks to a server on 127.0.0.1; only the model is replayed. The tape
does not depend on a provider's format: any API over HTTP can be recorded.

A tape is made to be committed. It holds the content of requests and replies, but none of the headers that
carry keys, and secrets elsewhere are masked: keys in the query of an address, tokens of MCP servers, cookies,
passwords, and whatever has the form of a key (`tokenprof.facts.secrets.masks`). Requests are masked in the
same way before they are compared with the tape. A binary reply is kept as it came.
"""

from __future__ import annotations

import http.client
import os
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import urlsplit

import orjson

from tokenprof.facts.inert_text import inert, printable
from tokenprof.facts.secrets.masks import masked, masked_target, masked_text
from tokenprof.facts.switches import is_switched_on
from tokenprof.testing.local_server import LocalServer
from tokenprof.testing.masked_replies import masked_reply
from tokenprof.testing.tape import RECORD_VARIABLE, Taped, read_tape, write_tape

KEPT_HEADERS = (
    "content-type",
    "request-id",
    "retry-after",
    "x-should-retry",
    "anthropic-ratelimit-unified-status",
    "x-amzn-errortype",
    "x-amzn-requestid",
)
NOT_FORWARDED = frozenset({"host", "content-length", "accept-encoding", "connection", "transfer-encoding"})
MOST_DIFFERENCES = 5
MOST_REQUEST_BYTES = 256 * 2**20
_SHOWN_CHARACTERS = 60


class CassetteMismatchError(AssertionError):
    """The code under test sent a request that is not on the tape."""


class Cassette:
    """Plays the tape at `path`, or records one if it is missing and recording is allowed.

    `upstream` is the base address of the real provider. `record` allows recording; if it is None, the
    environment variable `TOKENPROF_RECORD` decides. A `strict` tape answers only requests that it holds word
    for word; a lenient one answers with the next reply to the same path.

    Raises InputError if the tape is missing or damaged, and `CassetteMismatchError` on exit if a strict tape
    got a request that it does not hold.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        upstream: str = "https://api.anthropic.com",
        record: bool | None = None,
        strict: bool = True,
    ):
        self.path = Path(path)
        self.upstream = upstream.rstrip("/")
        self.strict = strict
        self.mismatches: list[str] = []
        wanted = is_switched_on(os.environ.get(RECORD_VARIABLE)) if record is None else record
        self.mode: Literal["record", "replay"] = "record" if wanted else "replay"
        self._lock = threading.Lock()
        self._tape: list[Taped] = []
        self._played: set[int] = set()
        self._server: LocalServer[Cassette] | None = None
        if self.mode == "replay":
            self._tape = list(read_tape(self.path))

    @property
    def url(self) -> str:
        """The base address to give to a client. Raises RuntimeError while the cassette is not in use."""
        if self._server is None:
            raise RuntimeError("The cassette is not playing; enter it first: `with cassette:`.")
        return self._server.url

    @property
    def unplayed(self) -> int:
        """The number of replies on the tape that have not been played."""
        return len(self._tape) - len(self._played) if self.mode == "replay" else 0

    def __enter__(self) -> Cassette:
        """Start the server."""
        self._server = LocalServer(self, _CassetteHandler)
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server, and keep what was recorded unless the code under test failed."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self.mode == "record" and error is None:
            write_tape(self.path, self._tape)
        if self.mismatches and self.strict:
            __tracebackhide__ = True
            # This says more than the error that the client raised; any other error is shown with it.
            ours = error is not None and "record it again" in str(error)
            raise CassetteMismatchError("\n".join(self.mismatches)) from (None if ours else error)

    def note(self, taped: Taped) -> None:
        """Add an exchange to the tape."""
        with self._lock:
            self._tape.append(taped)

    def reply_to(self, method: str, path: str, request: Any) -> Taped | str:
        """Return the reply on the tape, or a sentence that says why it has no reply."""
        with self._lock:
            here = [
                i
                for i, taped in enumerate(self._tape)
                if i not in self._played and (taped.method, taped.path) == (method, path)
            ]
            same = [i for i in here if self._tape[i].request == request]
            chosen = same or ([] if self.strict else here)
            if chosen:
                self._played.add(chosen[0])
                return self._tape[chosen[0]]
            why = self._mismatch(method, path, request, here)
            self.mismatches.append(why)
            return why

    def _mismatch(self, method: str, path: str, request: Any, here: list[int]) -> str:
        number, asked = len(self._played) + 1, f"{method} {printable(path)}"
        if not here:
            known = sum((taped.method, taped.path) == (method, path) for taped in self._tape)
            return (
                f"{self.path}: request {number} ({asked}) is one more than the {known} on the tape. "
                f"If that is meant, record it again: {RECORD_VARIABLE}=1."
            )
        found = list(differences(self._tape[here[0]].request, request))
        shown = "\n".join(f"  {inert(line)}" for line in found[:MOST_DIFFERENCES])
        more = f"\n  … and {len(found) - MOST_DIFFERENCES} more" if len(found) > MOST_DIFFERENCES else ""
        return (
            f"{self.path}: request {number} ({asked}) is not the recorded one:\n{shown}{more}\n"
            f"If that is meant, record it again: {RECORD_VARIABLE}=1."
        )


def differences(recorded: Any, now: Any, at: str = "") -> Iterator[str]:
    """Yield where two JSON values differ, as `messages[1].content: recorded 'a', now 'b'`."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        for key in [*recorded, *(key for key in now if key not in recorded)]:
            place = f"{at}.{key}" if at else str(key)
            if key not in now:
                yield f"{place}: gone (recorded {_short(recorded[key])})"
            elif key not in recorded:
                yield f"{place}: new ({_short(now[key])})"
            else:
                yield from differences(recorded[key], now[key], place)
    elif isinstance(recorded, list) and isinstance(now, list):
        for index, (old, new) in enumerate(zip(recorded, now, strict=False)):
            yield from differences(old, new, f"{at}[{index}]")
        if len(recorded) != len(now):
            yield f"{at}: recorded {len(recorded)} items, now {len(now)}"
    elif recorded != now:
        if isinstance(recorded, str) and isinstance(now, str):
            at, recorded, now = _from_where_they_differ(at, recorded, now)
        yield f"{at or 'body'}: recorded {_short(recorded)}, now {_short(now)}"


def _from_where_they_differ(at: str, recorded: str, now: str) -> tuple[str, str, str]:
    """Return the place and two texts; long ones are cut to start a little before they differ."""
    if max(len(recorded), len(now)) <= _SHOWN_CHARACTERS:
        return at, recorded, now
    pairs = enumerate(zip(recorded, now, strict=False))
    same = next((i for i, (one, other) in pairs if one != other), min(len(recorded), len(now)))
    start = max(same - _SHOWN_CHARACTERS // 4, 0)
    return f"{at or 'body'} from character {same}", recorded[start:], now[start:]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}… ({len(text)} characters)"


class _CassetteHandler(BaseHTTPRequestHandler):
    server: LocalServer[Cassette]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def _answer(self) -> None:
        length = self.headers.get("content-length") or ("" if "transfer-encoding" in self.headers else "0")
        if not length.isdecimal() or int(length) > MOST_REQUEST_BYTES:
            self.close_connection = True
            self._send_error(400, "The request does not say how long it is, or is too long to be taped.")
            return
        data = self.rfile.read(int(length))
        try:
            request: Any = masked(orjson.loads(data))
        except orjson.JSONDecodeError:
            request = masked_text(data.decode("utf-8", "replace"))
        if self.server.behind.mode == "record":
            self._record(data, request)
            return
        reply = self.server.behind.reply_to(self.command, masked_target(self.path), request)
        if isinstance(reply, str):
            self._send_error(400, reply)
        else:
            self._send(reply.status, reply.headers, reply.data)

    do_GET = do_POST = do_DELETE = do_PUT = _answer  # noqa: N815 - names that http.server calls

    def _send_error(self, status: int, message: str) -> None:
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
        headers = {"content-type": "application/json", "x-should-retry": "false"}
        self._send(status, headers, orjson.dumps(error))

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _record(self, data: bytes, request: Any) -> None:
        address = urlsplit(self.server.behind.upstream)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        connection = kind(address.netloc, timeout=600)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in NOT_FORWARDED}
        # Without content coding, so that the tape can be read and reviewed.
        headers["accept-encoding"] = "identity"
        try:
            try:
                connection.request(self.command, address.path + self.path, body=data, headers=headers)
                response = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self.close_connection = True
                self._send_error(502, f"{address.netloc.rpartition('@')[2]} did not answer ({_name(error)}).")
                return
            kept = {k: v for k in KEPT_HEADERS if (v := response.headers.get(k)) is not None}
            self.send_response(response.status)
            for name, value in kept.items():
                self.send_header(name, value)
            has_body = response.status not in (204, 304)
            if has_body:
                self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            body = bytearray()
            while chunk := response.read1(65536):
                body += chunk
                self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                self.wfile.flush()
            if response.length:
                # The client's connection ends as the provider's did, and half a reply is not taped.
                raise http.client.IncompleteRead(bytes(body), response.length)
            if has_body:
                self.wfile.write(b"0\r\n\r\n")
        finally:
            connection.close()
        try:
            text, is_base64 = masked_reply(body.decode()), False
        except UnicodeDecodeError:
            text, is_base64 = b64encode(body).decode(), True
        self.server.behind.note(
            Taped(self.command, masked_target(self.path), request, response.status, kept, text, is_base64)
        )


def _name(error: BaseException) -> str:
    return type(error).__name__

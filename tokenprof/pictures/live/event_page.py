"""The live view as a page on 127.0.0.1, which server-sent events keep up to date."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from tokenprof.facts.inert_text import printable
from tokenprof.pictures.live.following import Follower
from tokenprof.pictures.live.live_detail import BLOCK_COLUMNS, NO_DETAIL, LiveDetail
from tokenprof.pictures.live.live_state import LiveState
from tokenprof.pictures.live.live_words import COLUMNS, figures, headline, rows
from tokenprof.pictures.page.frame import asset, framed_live

EVERY_S: Final = 1.0
SILENCE_S: Final = 60.0
LOOPBACK: Final = "127.0.0.1"


def event_of(
    state: LiveState | None, problem: str | None, source: str, now: datetime, detail: LiveDetail = NO_DETAIL
) -> dict[str, Any]:
    """Return what the page shows: words, rows, and a number per turn for the two pictures."""
    if state is None:
        return {"headline": f"waiting for {printable(source)}", "problem": problem, "rows": []}
    return {
        "source": printable(source),
        "headline": headline(state),
        "figures": list(figures(state, now)),
        "problem": problem,
        "columns": COLUMNS,
        "rows": list(rows(state, now)),
        "compute": detail.compute,
        "block_columns": BLOCK_COLUMNS,
        "blocks": list(detail.blocks),
        "context_tokens": [tokens or 0 for tokens in state.context_tokens],
        "turn_usd": [float(amount or 0) for amount in state.turn_usd],
    }


def live_html() -> bytes:
    """Return the page; it may load nothing but the events of the server that it comes from."""
    return framed_live("live.html", title="live", script=asset("live.js"))


class LiveServer:
    """Serves the live page on the loopback address, under a path that nobody can guess.

    Parameters: `follower`, what to show; `source`, what it is called; `port`, 0 for a free one.
    """

    def __init__(self, follower: Follower, source: str, port: int = 0) -> None:
        self._follower, self._source = follower, source
        self._event = b""
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._key = secrets.token_urlsafe(16)
        self._server = ThreadingHTTPServer((LOOPBACK, port), _handler_of(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/{self._key}/"

    def __enter__(self) -> LiveServer:
        for run in (self._server.serve_forever, self._follow):
            threading.Thread(target=run, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def answer_to(self, path: str, host: str) -> str | None:
        """Return what a request asks for, `page` or `events`; None if it may have neither.

        A page of another site that has its name point here sends its own name as the host.
        """
        if host.rpartition(":")[0] not in (LOOPBACK, "localhost"):
            return None
        return {f"/{self._key}/": "page", f"/{self._key}/events": "events"}.get(path.partition("?")[0])

    def wait_for_event(self, last: bytes) -> bytes | None:
        """Return the newest event once it differs from the last one sent; None when the server stops."""
        with self._changed:
            self._changed.wait_for(lambda: self._event != last or self._stopped.is_set())
            return None if self._stopped.is_set() else self._event

    def _follow(self) -> None:
        while not self._stopped.is_set():
            self._follower.poll()
            follower = self._follower
            found = event_of(
                follower.state, follower.problem, self._source, datetime.now(UTC), follower.detail
            )
            with self._changed:
                self._event = json.dumps(found).encode()
                self._changed.notify_all()
            self._stopped.wait(EVERY_S)


def _handler_of(live: LiveServer) -> Callable[..., BaseHTTPRequestHandler]:
    class LivePageHandler(BaseHTTPRequestHandler):
        timeout = SILENCE_S

        def handle(self) -> None:
            # A page that is closed is not an error, and a trace of it would land in the user's terminal.
            with suppress(OSError):
                super().handle()

        def do_GET(self) -> None:
            asked = live.answer_to(self.path, self.headers.get("Host", ""))
            if asked is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.OK)
            kind = "text/html; charset=utf-8" if asked == "page" else "text/event-stream"
            for name, value in (
                ("Content-Type", kind),
                ("Cache-Control", "no-store"),
                ("X-Frame-Options", "DENY"),
            ):
                self.send_header(name, value)
            self.end_headers()
            if asked == "page":
                self.wfile.write(live_html())
            else:
                self._send_events()

        def _send_events(self) -> None:
            last = b""
            while (event := live.wait_for_event(last)) is not None:
                last = event
                self.wfile.write(b"data: " + event + b"\n\n")

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing about requests."""

    return LivePageHandler

"""A provider behind TLS: its certificate is verified, and a hang-up reaches it.

`tls/loopback.pem` is a certificate for 127.0.0.1 with its key, signed by itself, made for these tests:
`openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500
-addext subjectAltName=IP:127.0.0.1`.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from canned import CannedServer, ask
from waiting import WATCHDOG_S

from tokenprof.proxy import upstream
from tokenprof.proxy.observe import Observer
from tokenprof.proxy.server import RecordingProxy
from tokenprof.record.recorder import Recorder

CERTIFICATE = Path(__file__).parent / "tls" / "loopback.pem"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class TlsServer(CannedServer):
    """The canned server behind TLS."""

    def __enter__(self) -> TlsServer:
        super().__enter__()
        return self

    @property
    def url(self) -> str:
        return super().url.replace("http:", "https:")

    def _answer(self, connection: socket.socket) -> bool:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                return super()._answer(secured)
        except ssl.SSLError:
            return False


@pytest.fixture(autouse=True)
def _fresh_trust() -> Iterator[None]:
    upstream._tls.cache_clear()
    yield
    upstream._tls.cache_clear()


@pytest.fixture
def observer(tmp_path: Path) -> Iterator[Observer]:
    recorder = Recorder(tmp_path / "run.jsonl")
    yield Observer(recorder)
    recorder.close()


def test_a_certificate_that_the_machine_does_not_trust_is_refused(observer: Observer) -> None:
    told: list[str] = []
    with (
        TlsServer([ANSWER]) as server,
        RecordingProxy({"": upstream.upstream_at(server.url)}, observer, notice=told.append) as proxy,
    ):
        assert ask(proxy.url(), headers={"x-api-key": "secret"}).ended == "RemoteDisconnected"
    assert server.requests == []
    assert len(told) == 1
    assert "CERTIFICATE_VERIFY_FAILED" in told[0]


def test_a_certificate_that_the_user_trusts_is_accepted(
    observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with (
        TlsServer([ANSWER]) as server,
        RecordingProxy({"": upstream.upstream_at(server.url)}, observer) as proxy,
    ):
        assert ask(proxy.url()).body == b"hello"


def test_a_hang_up_reaches_a_provider_behind_tls(observer: Observer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    asked, hung_up = threading.Event(), threading.Event()

    def until_hangup(provider_side: socket.socket) -> None:
        asked.set()
        try:
            ended = provider_side.recv(1) == b""
        except (ssl.SSLError, ConnectionError):
            ended = True
        if ended:
            hung_up.set()

    with (
        TlsServer([until_hangup]) as server,
        RecordingProxy({"": upstream.upstream_at(server.url)}, observer) as proxy,
    ):
        connection = HTTPConnection(proxy.url().split("/")[2], timeout=WATCHDOG_S)
        connection.request("POST", "/v1/messages", b"{}")
        assert asked.wait(WATCHDOG_S)
        connection.close()
        assert hung_up.wait(WATCHDOG_S)

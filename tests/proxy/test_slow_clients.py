"""Clients that do not do their part are let go; a call that waits for its provider is not."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from canned import CannedServer, Piece
from raw import port_of, request, send
from waiting import WATCHDOG_S, wait_until

from tokenprof.proxy import clients
from tokenprof.proxy import server as serving
from tokenprof.proxy.clients import ClientStage, Patience
from tokenprof.proxy.observe import Observer
from tokenprof.proxy.server import RecordingProxy
from tokenprof.proxy.upstream import connect, upstream_at
from tokenprof.reading.files import read
from tokenprof.record.recorder import Recorder

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HEAD = b"POST /anthropic/v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CALL = HEAD + b"Content-Length: 2\r\n\r\n{}"
AT_ONCE = ClientStage(0, limit_s=0.0, spared_s=0.0)
FOR_EVER, *OTHERS = (ClientStage(rank, limit_s=1e9, spared_s=1e9) for rank in range(4))
OF_A_SAINT = Patience(FOR_EVER, *OTHERS)


@contextlib.contextmanager
def proxy_before(
    server: CannedServer, folder: Path, patience: Patience, said: list[str] | None = None
) -> Iterator[RecordingProxy]:
    recorder = Recorder(folder / "run.jsonl")
    routes = {"/anthropic": upstream_at(server.url)}
    notice = (said if said is not None else []).append
    with RecordingProxy(routes, Observer(recorder), notice=notice, patience=patience) as proxy:
        yield proxy
    recorder.close()


def connected(proxy: RecordingProxy, data: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port_of(proxy)), timeout=WATCHDOG_S)
    connection.sendall(data)
    return connection


def until(event: threading.Event) -> Callable[[socket.socket], None]:
    def wait(_: socket.socket) -> None:
        event.wait(WATCHDOG_S)

    return wait


def received(connection: socket.socket, ending: bytes) -> bytes:
    """Read until the bytes read end so, or the other end closes."""
    data = b""
    while not data.endswith(ending) and (more := connection.recv(100)):
        data += more
    return data


def is_ended(connection: socket.socket) -> bool:
    """Whether the other end closes a connection, read to its end."""
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65536):
            pass
    return True


@pytest.mark.parametrize(
    ("patience", "sent"),
    [
        (Patience(AT_ONCE, FOR_EVER, FOR_EVER, FOR_EVER), b""),
        (Patience(FOR_EVER, AT_ONCE, FOR_EVER, FOR_EVER), HEAD),
        (Patience(FOR_EVER, FOR_EVER, AT_ONCE, FOR_EVER), HEAD + b"Content-Length: 9\r\n\r\n{"),
        (Patience(FOR_EVER, FOR_EVER, AT_ONCE, FOR_EVER), HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n"),
    ],
    ids=["idle", "head", "body", "chunks"],
)
def test_a_client_that_does_not_finish_its_request_is_let_go(
    patience: Patience, sent: bytes, tmp_path: Path
) -> None:
    with CannedServer([OK]) as server, proxy_before(server, tmp_path, patience) as proxy:
        with closing(connected(proxy, sent)) as connection:
            assert is_ended(connection)
        assert server.requests == []
    assert (tmp_path / "run.jsonl").read_bytes() == b""


def test_a_client_that_does_not_read_its_answer_is_let_go_and_its_call_is_recorded(tmp_path: Path) -> None:
    cut = threading.Event()

    def write_without_end(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b"10000\r\n%b\r\n" % (b"x" * 65536))
        cut.set()

    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    patience = Patience(FOR_EVER, FOR_EVER, FOR_EVER, AT_ONCE)
    pieces: list[Piece] = [head, write_without_end]
    with (
        CannedServer(pieces) as server,
        proxy_before(server, tmp_path, patience) as proxy,
        closing(connected(proxy, CALL)),
    ):
        assert cut.wait(WATCHDOG_S)
    run = read([tmp_path / "run.jsonl"])
    assert [turn.usage for turn in run.turns] == [None]


def test_a_call_whose_provider_thinks_longer_than_any_limit_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_BETWEEN_LOOKS_AT_CLIENTS_S", 1e9)
    thought, began = threading.Event(), threading.Event()
    pieces = [until(thought), OK[:-1], until(began), OK[-1:]]
    patience = Patience(AT_ONCE, AT_ONCE, AT_ONCE, FOR_EVER)
    with (
        CannedServer(pieces) as server,
        proxy_before(server, tmp_path, patience) as proxy,
        closing(connected(proxy, CALL)) as call,
    ):
        wait_until(lambda: bool(server.requests), "the provider was called")
        proxy._server.clients.end_overdue()
        thought.set()
        assert received(call, OK[-9:-1]) == OK[:-1]
        proxy._server.clients.end_overdue()
        began.set()
        assert received(call, b"}") == b"}"


def test_a_new_client_takes_the_place_of_an_idle_one_and_not_of_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "_room", lambda: 4)
    answered = threading.Event()
    spared = ClientStage(0, limit_s=1e9, spared_s=0.0)
    said: list[str] = []
    with (
        CannedServer([until(answered), OK]) as server,
        proxy_before(server, tmp_path, Patience(spared, spared, spared, spared), said) as proxy,
        closing(connected(proxy, CALL)) as call,
    ):
        wait_until(lambda: server.connections == 1, "the provider was called")
        idle = [connected(proxy) for _ in range(20)]
        # One at a time is let go, so those that came first have all left.
        for connection in idle[:10]:
            assert is_ended(connection)
        answered.set()
        assert received(call, OK) == OK
        assert send(proxy, request("Content-Length: 2", body="{}")).status == 200
        for connection in idle:
            connection.close()
    assert said == ["too many connections for this process; raise `ulimit -n`"]


def test_a_client_is_served_once_the_process_may_start_a_thread_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start
    refusals = iter([True] * 3)

    def start_at_the_fourth_try(thread: threading.Thread) -> None:
        if "process_request_thread" in thread.name and next(refusals, False):
            raise RuntimeError("can't start new thread")
        start(thread)

    with CannedServer([OK]) as server, proxy_before(server, tmp_path, OF_A_SAINT) as proxy:
        monkeypatch.setattr(threading.Thread, "start", start_at_the_fourth_try)
        assert send(proxy, request("Content-Length: 2", body="{}")).status == 200
    assert next(refusals, None) is None


def test_without_descriptors_a_client_is_let_go_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = socket.socket.accept
    refusals = iter([True])

    def accept_at_the_second_try(listener: socket.socket) -> object:
        if next(refusals, False):
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(listener)

    spared = ClientStage(0, limit_s=1e9, spared_s=0.0)
    with (
        CannedServer([OK]) as server,
        proxy_before(server, tmp_path, Patience(spared, spared, spared, spared)) as proxy,
        closing(connected(proxy, b"POST")) as slow,
    ):
        wait_until(lambda: not proxy_is_new(proxy), "the slow client was accepted")
        monkeypatch.setattr(socket.socket, "accept", accept_at_the_second_try)
        assert send(proxy, request("Content-Length: 2", body="{}")).status == 200
        assert is_ended(slow)


def proxy_is_new(proxy: RecordingProxy) -> bool:
    return not proxy._server.clients._connected


def test_a_proxy_that_ends_answers_the_call_in_flight_and_takes_no_other(tmp_path: Path) -> None:
    answered = threading.Event()
    with CannedServer([until(answered), OK], keep_alive=True) as server:
        with proxy_before(server, tmp_path, OF_A_SAINT) as proxy:
            call, idle = connected(proxy, CALL), connected(proxy)
            wait_until(lambda: bool(server.requests), "the provider was called")
        with call, idle:
            assert is_ended(idle)
            call.sendall(CALL)
            answered.set()
            assert received(call, OK) == OK
            assert is_ended(call)
        assert len(server.requests) == 1
    assert [turn.status for turn in read([tmp_path / "run.jsonl"]).turns] == ["partial"]


def test_the_system_keeps_the_connection_to_a_silent_provider_alive() -> None:
    with CannedServer([OK]) as server:
        upstream = connect(upstream_at(server.url)).sock
        with upstream:
            assert upstream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
            if hasattr(socket, "TCP_KEEPINTVL"):
                assert upstream.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 60

"""What a client sees through the proxy is what it sees without it; so is what the provider sees."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
import raw
import zstandard
from canned import CannedServer, Piece, Seen, ask
from waiting import WATCHDOG_S

from tokenprof.proxy.observe import Observer
from tokenprof.proxy.server import RecordingProxy
from tokenprof.proxy.upstream import upstream_at
from tokenprof.record.recorder import Recorder

EVENT = b'event: ping\ndata: {"type": "ping"}\n\n'
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nRequest-Id: req_1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
ERROR = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def plain(head: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 " + head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


ANSWERS: dict[str, list[Piece]] = {
    "message": [plain(b"200 OK\r\ncontent-type: application/json", b'{"type": "message"}')],
    "compressed": [
        plain(b"200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip", gzip.compress(b"{}"))
    ],
    "rate limit, headers repeated": [
        plain(b"429 Too Many Requests\r\nretry-after: 7\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2", ERROR)
    ],
    "overloaded, a reason of its own": [plain(b"529 Site is overloaded", ERROR)],
    "server error without a body": [plain(b"500 Internal Server Error", b"")],
    "redirect": [plain(b"307 Temporary Redirect\r\nlocation: https://elsewhere.example/", b"")],
    "no content": [b"HTTP/1.1 204 No Content\r\nx-left: 1\r\n\r\n"],
    "stream": [STREAM_HEAD, chunk(EVENT), chunk(EVENT), b"0\r\n\r\n"],
    "stream, events split": [STREAM_HEAD, chunk(EVENT[:9]), chunk(EVENT[9:] + EVENT), b"0\r\n\r\n"],
    "stream cut between events": [STREAM_HEAD, chunk(EVENT)],
    "stream cut within a chunk": [STREAM_HEAD, chunk(EVENT), chunk(EVENT)[:12]],
    "body cut": [plain(b"200 OK", b"x" * 100)[:-40]],
    "body until the connection closes": [
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n",
        b"all of it",
    ],
    "no answer": [],
}


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path / "run.jsonl")
    yield recorder
    recorder.close()
    assert recorder.problems == 0


def proxy_to(server: CannedServer, recorder: Recorder) -> RecordingProxy:
    return RecordingProxy({"/anthropic": upstream_at(server.url)}, Observer(recorder))


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_arrives_as_it_was_sent(name: str, recorder: Recorder) -> None:
    with CannedServer(ANSWERS[name]) as server, proxy_to(server, recorder) as proxy:
        direct = ask(server.url)
        through = ask(proxy.url("/anthropic"))
    assert without_framing(through) == without_framing(direct)


def test_a_head_request_is_answered_without_a_body(recorder: Recorder) -> None:
    answer: list[Piece] = [b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n"]
    with CannedServer(answer) as server, proxy_to(server, recorder) as proxy:
        direct = ask(server.url, None, method="HEAD")
        assert ask(proxy.url("/anthropic"), None, method="HEAD") == direct


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_an_answer_that_has_no_body_ends_with_its_head_whatever_that_says(
    method: str, status: int, recorder: Recorder
) -> None:
    head = b"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n" % status
    with CannedServer([head]) as server, proxy_to(server, recorder) as proxy:
        answer = raw.send(proxy, raw.request(line=f"{method} /anthropic/v1/models HTTP/1.1"))
    assert answer.data == b"HTTP/1.1 %d X\r\n\r\n" % status


def test_an_answer_that_comes_before_the_request_was_read_arrives(recorder: Recorder) -> None:
    refusal = plain(b"413 Too Large\r\nConnection: close", b"{}")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            with listener.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(refusal)

        threading.Thread(target=refuse, daemon=True).start()
        address = upstream_at(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with RecordingProxy({"/anthropic": address}, Observer(recorder)) as proxy:
            seen = ask(proxy.url("/anthropic"), bytes(20_000_000))
    assert (seen.status, seen.body) == (413, b"{}")


def test_a_request_arrives_as_it_was_sent(recorder: Recorder) -> None:
    headers = {"X-Api-Key": "k", "anthropic-beta": "a,b", "Accept-Encoding": "zstd, br", "X-Odd": "caf\xe9"}
    with CannedServer(ANSWERS["message"]) as server, proxy_to(server, recorder) as proxy:
        ask(server.url, b'{"model": "\xc3\xa9"}', headers=headers)
        ask(proxy.url("/anthropic"), b'{"model": "\xc3\xa9"}', headers=headers)
        direct, through = server.requests
    assert through == direct


def test_a_piece_is_passed_on_before_the_next_is_sent(recorder: Recorder) -> None:
    received = threading.Event()

    def until_received(_: socket.socket) -> None:
        assert received.wait(WATCHDOG_S)

    pieces: list[Piece] = [STREAM_HEAD, chunk(EVENT), until_received, chunk(EVENT), b"0\r\n\r\n"]
    with (
        CannedServer(pieces) as server,
        proxy_to(server, recorder) as proxy,
        closing(connect(proxy)) as connection,
    ):
        response = post(connection)
        assert response.read1() == EVENT
        received.set()
        assert response.read() == EVENT


def test_an_upstream_that_cannot_be_reached_is_told_and_ends_the_connection(recorder: Recorder) -> None:
    told: list[str] = []
    with CannedServer([]) as gone:
        upstream = upstream_at(gone.url)
    with RecordingProxy({"": upstream}, Observer(recorder), notice=told.append) as proxy:
        assert ask(proxy.url()).ended == "RemoteDisconnected"
    assert len(told) == 1
    assert told[0].startswith(f"cannot reach http://127.0.0.1:{upstream.port}: ")


@pytest.mark.parametrize("first", [[], [STREAM_HEAD, chunk(EVENT)]], ids=["before the answer", "within it"])
def test_a_client_that_hangs_up_hangs_up_at_the_provider(first: list[Piece], recorder: Recorder) -> None:
    asked, hung_up = threading.Event(), threading.Event()

    def until_hangup(provider_side: socket.socket) -> None:
        asked.set()
        assert provider_side.recv(1) == b""
        hung_up.set()

    with CannedServer([*first, until_hangup]) as server, proxy_to(server, recorder) as proxy:
        connection = connect(proxy)
        connection.request("POST", "/anthropic/v1/messages", b"{}")
        assert asked.wait(WATCHDOG_S)
        connection.close()
        assert hung_up.wait(WATCHDOG_S)


def test_a_connection_kept_alive_is_one_connection_to_the_provider(recorder: Recorder) -> None:
    with (
        CannedServer(ANSWERS["message"], keep_alive=True) as server,
        proxy_to(server, recorder) as proxy,
        closing(connect(proxy)) as connection,
    ):
        for _ in range(3):
            assert post(connection).read() == b'{"type": "message"}'
    assert (len(server.requests), server.connections) == (3, 1)


def test_a_connection_that_the_provider_closed_is_made_again(recorder: Recorder) -> None:
    with (
        CannedServer(ANSWERS["message"]) as server,
        proxy_to(server, recorder) as proxy,
        closing(connect(proxy)) as connection,
    ):
        for _ in range(2):
            assert post(connection).read() == b'{"type": "message"}'
    assert server.connections == 2


def test_a_request_in_chunks_arrives_whole(recorder: Recorder) -> None:
    with (
        CannedServer(ANSWERS["message"]) as server,
        proxy_to(server, recorder) as proxy,
        closing(connect(proxy)) as connection,
    ):
        connection.request(
            "POST", "/anthropic/v1/messages", iter([b'{"mod', b'el": "m"}']), encode_chunked=True
        )
        assert connection.getresponse().status == 200
    assert server.requests[0].endswith(b'\r\n\r\n{"model": "m"}')


def test_a_websocket_for_model_calls_is_refused_so_that_the_client_turns_to_http(recorder: Recorder) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    with CannedServer(ANSWERS["message"]) as server, proxy_to(server, recorder) as proxy:
        assert ask(proxy.url("/anthropic"), None, method="GET", headers=upgrade).status == 426
    assert server.requests == []


def connect(proxy: RecordingProxy) -> HTTPConnection:
    return HTTPConnection(proxy.url("/anthropic").split("/")[2], timeout=WATCHDOG_S)


def post(connection: HTTPConnection) -> HTTPResponse:
    connection.request("POST", "/anthropic/v1/messages", b"{}")
    return connection.getresponse()


def without_framing(seen: Seen) -> Seen:
    """What a client receives, except how the message is framed on this connection."""
    headers = tuple((name, value) for name, value in seen.headers if name.lower() not in FRAMING)
    return Seen(seen.status, seen.reason, headers, seen.body, seen.ended)


FRAMING = {"connection", "transfer-encoding"}


EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"


@pytest.mark.parametrize(
    "before", [EARLY, EARLY * 3, b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 P\r\n\r\n"]
)
def test_interim_answers_are_passed_on_before_the_final_one(before: bytes, recorder: Recorder) -> None:
    final = plain(b"200 OK", b"{}")
    with CannedServer([before, final], keep_alive=True) as server, proxy_to(server, recorder) as proxy:
        answers = [raw.send(proxy, raw.request("Content-Length: 2", body="{}")).data for _ in range(2)]
    # The proxy itself asked for no `100 Continue`, so it has nobody to pass that on to.
    expected = (b"" if b" 100 " in before else before) + final
    assert [answer.replace(b"Connection: close\r\n", b"") for answer in answers] == [expected] * 2


def test_an_old_client_is_spared_interim_answers_and_chunks(recorder: Recorder) -> None:
    pieces: list[Piece] = [EARLY, STREAM_HEAD, chunk(EVENT), b"0\r\n\r\n"]
    with CannedServer(pieces) as server, proxy_to(server, recorder) as proxy:
        line = "POST /anthropic/v1/messages HTTP/1.0"
        answer = raw.send(proxy, raw.request("Content-Length: 2", line=line, body="{}"))
    assert b"Early" not in answer.data
    assert answer.data.partition(b"\r\n\r\n")[2] == EVENT


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 2\r\nContent-Length: 3",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Content-Length: +2",
        b"Content-Length: 2 2",
        b"no colon\r\nContent-Length: 2",
    ],
)
def test_an_answer_without_one_clear_end_is_cut(head: bytes, recorder: Recorder) -> None:
    pieces: list[Piece] = [b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n{}"]
    with CannedServer(pieces) as server, proxy_to(server, recorder) as proxy:
        assert raw.send(proxy, raw.request("Content-Length: 2", body="{}")).data == b""


@pytest.mark.parametrize("size", [b"-1", b"+5", b"0x5", b"5 5", b"1_0", b"", b"f" * 16])
def test_an_answer_is_cut_at_a_chunk_without_a_clear_size(size: bytes, recorder: Recorder) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces: list[Piece] = [head, chunk(b"{}"), size + b"\r\nhello\r\n0\r\n\r\n"]
    with CannedServer(pieces) as server, proxy_to(server, recorder) as proxy:
        answer = raw.send(proxy, raw.request("Content-Length: 2", body="{}"))
    assert answer.data == head + chunk(b"{}")


def test_a_length_beside_chunks_is_left_out(recorder: Recorder) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    with CannedServer([head, chunk(b"{}"), b"0\r\n\r\n"]) as server, proxy_to(server, recorder) as proxy:
        answer = raw.send(proxy, raw.request("Content-Length: 2", body="{}"))
    assert (
        answer.data == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"{}") + b"0\r\n\r\n"
    )


def test_a_bomb_passes_untouched_and_is_not_unpacked_for_the_recording(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    packed = zstandard.compress(bytes(100 * 2**20))
    body = b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: %d\r\n\r\n%b" % (
        len(packed),
        packed,
    )
    asked = raw.request("Content-Encoding: zstd", f"Content-Length: {len(packed)}") + packed
    with CannedServer([body]) as server, proxy_to(server, recorder) as proxy:
        answer = raw.send(proxy, asked)
        assert server.requests[0].endswith(packed)
    assert answer.data.endswith(packed)
    assert "DecodedTooLargeError" in caplog.text

"""What the proxy refuses: web pages, foreign names, and requests that two parsers could read differently."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anthropic
import openai
import pytest
from canned import CannedServer
from raw import RawAnswer, port_of, request, send
from waiting import WATCHDOG_S

from tokenprof.proxy import request as parsing
from tokenprof.proxy.observe import Observer
from tokenprof.proxy.server import RecordingProxy
from tokenprof.proxy.upstream import upstream_at
from tokenprof.record.recorder import Recorder

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Behind:
    """A proxy in front of a server that counts what reaches it, and what the proxy says."""

    def __init__(self, folder: Path):
        self.recorder = Recorder(folder / "run.jsonl")
        self.server = CannedServer([OK], keep_alive=True)
        self.said: list[str] = []

    def __enter__(self) -> Behind:
        self.server.__enter__()
        upstream = upstream_at(self.server.url)
        routes = {"/anthropic": upstream, "/openai": upstream, "/gcp.gemini": upstream}
        self.proxy = RecordingProxy(routes, Observer(self.recorder), notice=self.said.append)
        self.proxy.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.proxy.__exit__(None, None, None)
        self.server.__exit__()
        self.recorder.close()

    def send(self, raw: bytes) -> RawAnswer:
        return send(self.proxy, raw)


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Behind]:
    with Behind(tmp_path) as behind:
        yield behind


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8100", "localhost:1", "LOCALHOST", "[::1]:8100"])
def test_loopback_names_are_answered(host: str, behind: Behind) -> None:
    assert behind.send(request("Content-Length: 2", host=host, body="{}")).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8100", "127.0.0.1.evil.example", "localhost@evil.example", "0.0.0.0", ""],
)
def test_a_foreign_or_missing_host_is_refused(host: str, behind: Behind) -> None:
    assert behind.send(request("Content-Length: 2", host=host, body="{}")).status == 403
    assert behind.server.requests == []


def test_two_hosts_are_refused(behind: Behind) -> None:
    assert behind.send(request("Host: evil.example", "Content-Length: 2", body="{}")).status == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Origin: https://evil.example"], 403),
        (["Origin: null"], 403),
        (["Origin: file://"], 403),
        (["Origin: http://["], 403),
        (["Origin: http://localhost:3000/https://evil.example"], 403),
        (["Origin: http://localhost.evil.example"], 403),
        (["Origin: http://localhost:3000", "Origin: https://evil.example"], 403),
        (["Sec-Fetch-Site: cross-site"], 403),
        (["Sec-Fetch-Site: same-site"], 403),
        (["Origin: http://localhost:3000", "Sec-Fetch-Site: cross-site"], 200),
        (["Sec-Fetch-Mode: cors"], 200),
    ],
)
def test_pages_of_other_origins_are_refused(headers: list[str], status: int, behind: Behind) -> None:
    assert behind.send(request(*headers, "Content-Length: 2", body="{}")).status == status
    assert len(behind.server.requests) == (status == 200)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("POST http://evil.example/v1/messages HTTP/1.1", 400),
        ("GET http://127.0.0.1/anthropic/v1/models HTTP/1.1", 400),
        ("POST /anthropic/v1/messages#/v1/models HTTP/1.1", 400),
        ("OPTIONS * HTTP/1.1", 400),
        ("CONNECT evil.example:443 HTTP/1.1", 405),
        ("TRACE /anthropic/ HTTP/1.1", 405),
        ("POST /anthropic/v1/messages HTTP/2.0", 505),
        ("POST /anthropic/v1/messages", 400),
        ("POST  /anthropic/v1/messages HTTP/1.1", 400),
        ("POST /anthropic/v1/mess ages HTTP/1.1", 400),
        ("POST /anthropic/v1/messages\x00 HTTP/1.1", 400),
        ("P(ST /anthropic/v1/messages HTTP/1.1", 400),
        ("POST /elsewhere HTTP/1.1", 404),
    ],
)
def test_a_request_line_that_is_not_for_an_api_is_refused(line: str, status: int, behind: Behind) -> None:
    assert behind.send(request(line=line)).status == status
    assert behind.server.requests == []


HIDDEN = "POST /anthropic/v1/hidden HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5", "content-length: 5"],
        ["Content-Length: 5, 5"],
        ["Content-Length: +5"],
        ["Content-Length: 0x5"],
        ["Content-Length: -1"],
        ["Content-Length: 5 5"],
        ["Content-Length: "],
        ["Content-Length : 5"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding: identity, chunked"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding:\x0bchunked"],
        ["X-A: b", " Content-Length: 5"],
        ["X-A: b\rContent-Length: 5"],
        ["X-A: b\nTransfer-Encoding: chunked"],
        ["X\x00A: b"],
        ["no colon"],
        ["Transfer_Encoding: chunked", "Content-Length: 5"],
        ["Content-Length: 5", "content_length: 0"],
        [": no name"],
    ],
)
def test_a_body_whose_end_can_be_read_in_two_ways_is_refused(headers: list[str], behind: Behind) -> None:
    answer = behind.send(request(*headers, body=f"0\r\n\r\n{HIDDEN}"))
    assert answer.status == 400
    assert answer.data.count(b"HTTP/1.1 4") == 1
    assert behind.server.requests == []


@pytest.mark.parametrize(
    "body",
    [
        "xyz\r\n",
        "-1\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "2_0\r\n",
        "2\r\n{}X0\r\n\r\n",
        "2\n{}\r\n0\r\n\r\n",
        "fffffffff\r\n",
        "\r\n",
    ],
)
def test_malformed_chunks_are_refused(body: str, behind: Behind) -> None:
    answer = behind.send(request("Transfer-Encoding: chunked", body=f"{body}{HIDDEN}"))
    assert answer.status == 400
    assert behind.server.requests == []


def test_a_connection_header_cannot_take_off_the_length(behind: Behind) -> None:
    body = HIDDEN
    raw = request(f"Content-Length: {len(body)}", "Connection: content-length", body=body)
    assert behind.send(raw).status == 200
    (passed_on,) = behind.server.requests
    assert passed_on.endswith(body.encode())
    assert b"Content-Length: %d\r\n" % len(body) in passed_on


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (request(f"X-Long: {'x' * 70_000}"), 431),
        (request(*[f"X-{n}: {'x' * 3000}" for n in range(100)]), 431),
        (request(*[f"X-{n}: x" for n in range(300)]), 431),
        (request(line=f"POST /anthropic/{'x' * 70_000} HTTP/1.1"), 414),
        (request("Content-Length: 99999999999"), 413),
        (request("Content-Length: 99999999999999999999999"), 400),
    ],
)
def test_heads_and_bodies_are_bounded(raw: bytes, status: int, behind: Behind) -> None:
    assert behind.send(raw).status == status
    assert behind.server.requests == []


def test_a_client_that_speaks_tls_is_refused_before_a_line_ends(behind: Behind) -> None:
    hello = bytes.fromhex("16030100c8010000c40303") + b"x" * 193
    assert "http://" in behind.send(hello).json["error"]["message"]


def test_chunks_are_bounded_together(behind: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "MOST_BODY_BYTES", 1000)
    chunk = f"1f4\r\n{'x' * 500}\r\n"
    within = behind.send(request("Transfer-Encoding: chunked", body=f"{chunk * 2}0\r\n\r\n"))
    beyond = behind.send(request("Transfer-Encoding: chunked", body=f"{chunk * 2}1\r\nx\r\n0\r\n\r\n"))
    assert (within.status, beyond.status) == (200, 413)


def test_nothing_of_a_malformed_request_is_printed_or_logged(
    behind: Behind, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    secret = "sk-ant-CANARY"
    with caplog.at_level(logging.DEBUG):
        answers = [
            behind.send(request(f"x-api-key: {secret}\x00")),
            behind.send(request(f"Content-Length: {secret}")),
            behind.send(request(f"Content-Encoding: {secret}", "Content-Length: 3", body="abc")),
            behind.send(request("Transfer-Encoding: chunked", body=f"{secret}\r\n{secret}")),
            behind.send(request(line=f"{secret} /anthropic/{secret}")),
            behind.send(request(line=f"POST /anthropic/v1/messages?key={secret} HTTP/1.1", host=secret)),
        ]
        with socket.create_connection(("127.0.0.1", port_of(behind.proxy)), timeout=WATCHDOG_S) as connection:
            connection.sendall(request("Content-Length: 40", body=f'{{"x-api-key": "{secret}"'))
    out, err = capfd.readouterr()
    said = [out, err, caplog.text, *behind.said, *(str(answer.data) for answer in answers)]
    assert not any("CANARY" in text for text in said)


def test_a_refusal_has_the_form_of_the_providers_errors(behind: Behind) -> None:
    lines = {name: f"POST /{name}/v1/messages HTTP/1.1" for name in ("anthropic", "openai", "gcp.gemini")}
    said = {
        name: behind.send(request("Origin: https://evil.example", line=line)).json
        for name, line in lines.items()
    }
    message = said["openai"]["error"]["message"]
    assert "web pages" in message
    assert said["anthropic"] == {"type": "error", "error": {"type": "permission_error", "message": message}}
    assert said["gcp.gemini"] == {"error": {"code": 403, "message": message, "status": "PERMISSION_DENIED"}}


def test_sdks_raise_a_refusal_at_once_with_its_sentence(behind: Behind) -> None:
    page = {"Origin": "https://evil.example"}
    with (
        anthropic.Anthropic(api_key="k", base_url=behind.proxy.url("/anthropic"), default_headers=page) as a,
        pytest.raises(anthropic.PermissionDeniedError, match="no requests from web pages"),
    ):
        a.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}])
    with (
        openai.OpenAI(api_key="k", base_url=behind.proxy.url("/openai"), default_headers=page) as o,
        pytest.raises(openai.PermissionDeniedError, match="no requests from web pages"),
    ):
        o.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])


def test_a_client_that_waits_to_send_its_body_is_told_to_go_on(behind: Behind) -> None:
    with socket.create_connection(("127.0.0.1", port_of(behind.proxy)), timeout=WATCHDOG_S) as connection:
        connection.sendall(request("Expect: 100-continue", "Content-Length: 2"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert b"Expect" not in behind.server.requests[0]


def test_a_client_that_leaves_in_the_middle_of_its_head_is_not_an_error(behind: Behind) -> None:
    with closing(
        socket.create_connection(("127.0.0.1", port_of(behind.proxy)), timeout=WATCHDOG_S)
    ) as connection:
        connection.sendall(b"POST /anthropic/v1/messages HTTP/1.1\r\nHost: 127")
    assert behind.send(request()).status == 200
    assert behind.said == []


def test_requests_sent_together_are_answered_in_order(behind: Behind) -> None:
    first = b"POST /anthropic/v1/one HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
    answer = behind.send(first + request(line="GET /anthropic/v1/two HTTP/1.1"))
    assert answer.data.count(b"HTTP/1.1 200 OK") == 2
    assert [raw.split(b" ")[1] for raw in behind.server.requests] == [b"/v1/one", b"/v1/two"]


@pytest.mark.slow
def test_hundreds_of_calls_at_once_are_all_answered(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    calls = 300
    if hard != resource.RLIM_INFINITY and hard < calls * 4 + 200:
        pytest.skip("this system allows too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, calls * 4 + 200), hard))
    everybody = threading.Barrier(calls, timeout=WATCHDOG_S)
    recorder = Recorder(tmp_path / "run.jsonl")
    listener = socket.create_server(("127.0.0.1", 0), backlog=calls)

    def answer(connection: socket.socket) -> None:
        with connection:
            while b"{}" not in connection.recv(65536):
                pass
            everybody.wait()
            connection.sendall(OK)

    def accept() -> None:
        for _ in range(calls):
            connection, _ = listener.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    answers: list[int] = []
    upstream = upstream_at(f"http://127.0.0.1:{listener.getsockname()[1]}")
    with RecordingProxy({"/anthropic": upstream}, Observer(recorder)) as proxy:
        raw = request("Content-Length: 2", body="{}")
        clients = [
            threading.Thread(target=lambda: answers.append(send(proxy, raw).status)) for _ in range(calls)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join(WATCHDOG_S)
    listener.close()
    recorder.close()
    assert answers == [200] * calls

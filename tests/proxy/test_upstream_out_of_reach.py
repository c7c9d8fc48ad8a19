"""An upstream out of reach is named with the reason, and nothing secret of its address is quoted."""

from __future__ import annotations

from pathlib import Path

import pytest
from canned import CannedServer
from raw import request, send

from tokenprof.facts.errors import InputError
from tokenprof.proxy.observe import Observer
from tokenprof.proxy.server import RecordingProxy
from tokenprof.proxy.upstream import connect, upstream_at
from tokenprof.record.recorder import Recorder


@pytest.mark.parametrize(
    "address",
    [
        "ftp://user:CANARY@host/x?key=CANARY",
        "https://u:CANARY@host:port",
        "https://u:p/CANARY@host:port",
        "https://u:p@CANARY@host:port",
        "ftp://host/#key=CANARY",
        "CANARY@",
    ],
)
def test_passwords_in_an_address_are_not_quoted(address: str) -> None:
    with pytest.raises(InputError) as caught:
        upstream_at(address)
    assert "CANARY" not in str(caught.value)


def test_what_stands_between_is_named_inertly_and_without_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    refusal = b"HTTP/1.1 407 No \x1b]0;owned\x07 Bearer CANARY0123456789\r\n\r\n"
    recorder = Recorder(tmp_path / "run.jsonl")
    routes = {"/anthropic": upstream_at("https://api.example.com")}
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with CannedServer([refusal]) as between, RecordingProxy(routes, Observer(recorder)) as proxy:
        for address in (
            between.url.replace("//", "//u:CANARY@"),
            "socks5://u:CANARY@h:1",
            "http://u:CANARY@h:x",
        ):
            monkeypatch.setenv("HTTPS_PROXY", address)
            assert send(proxy, request("Content-Length: 2", body="{}")).data == b""
    recorder.close()
    said = capfd.readouterr().err
    assert said.count("cannot reach https://api.example.com: ") == 3
    assert "CANARY" not in said
    assert "\x1b" not in said


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_in_between_is_used(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with CannedServer([b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"]) as between:
        monkeypatch.setenv(variable, between.url)
        with pytest.raises(OSError, match="407"):
            connect(upstream_at("https://api.example.com"))
    assert between.requests[0].startswith(b"CONNECT api.example.com:443 ")


def test_a_call_to_a_host_without_a_legal_name_ends_and_is_recorded_as_failed(tmp_path: Path) -> None:
    said: list[str] = []
    recorder = Recorder(tmp_path / "run.jsonl")
    routes = {"/anthropic": upstream_at(f"http://{'a' * 70}.example")}
    with RecordingProxy(routes, Observer(recorder), notice=said.append) as proxy:
        assert send(proxy, request("Content-Length: 2", body="{}")).data == b""
    recorder.close()
    assert "label empty or too long" in said[0]
    assert "ConnectionError" in (tmp_path / "run.jsonl").read_text()

"""While a cassette records, its client sees what the provider sent, and half a reply is not taped."""

from __future__ import annotations

from http.client import HTTPConnection
from pathlib import Path

import pytest
from canned import CannedServer, ask
from waiting import WATCHDOG_S

from tokenprof.testing import Cassette

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "cut",
    [HEAD + b'Content-Length: 20\r\n\r\n{"a": 1', HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n'],
    ids=["length", "chunks"],
)
def test_a_reply_that_is_cut_is_cut_for_the_client_and_not_taped(cut: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with CannedServer([cut]) as provider, Cassette(path, upstream=provider.url, record=True) as tape:
        assert ask(tape.url).ended == "IncompleteRead"
    assert path.read_bytes() == b""


def test_a_reply_without_a_body_leaves_the_connection_to_the_next(tmp_path: Path) -> None:
    reply = b"HTTP/1.1 204 No Content\r\n\r\n"
    with (
        CannedServer([reply]) as provider,
        Cassette(tmp_path / "tape.jsonl", upstream=provider.url, record=True) as tape,
    ):
        connection = HTTPConnection(tape.url.partition("//")[2], timeout=WATCHDOG_S)
        for _ in range(2):
            connection.request("DELETE", "/v1/files/f")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (204, b"")
        connection.close()
